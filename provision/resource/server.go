package resource

import (
	"context"
	"errors"

	"github.com/flowbed/flowbed/provision/prefect"
)

// Server is a Server of Prefect 1, or what is compatible. It is looked at before
// anything is built, so that a wrong address or key is known then.
type Server struct {
	API     *prefect.Client
	Tenants bool // it must have a tenant, without which a Server refuses agents
}

// ServerState is what is known of a Server.
type ServerState struct{ Tenants int }

// Read implements provision.DataSource.
func (s Server) Read(ctx context.Context) (ServerState, error) {
	if !s.Tenants {
		_, err := s.API.Agents(ctx)
		return ServerState{}, err
	}
	n, err := s.API.Tenants(ctx)
	if err == nil && n == 0 {
		err = errors.New("the Prefect Server has no tenant, and refuses agents: run prefect server create-tenant --name default")
	}
	return ServerState{Tenants: n}, err
}

// Permissions are none: it asks Prefect, not AWS.
func (Server) Permissions() Permissions { return Permissions{} }
