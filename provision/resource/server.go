package resource

import (
	"context"
	"errors"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/secret"
)

// Server checks the API of a Prefect 1 Server, or of a compatible backend, so that a wrong
// URL or key stops up before it changes anything.
type Server struct {
	API     *prefect.Client
	Secret  secret.Ref // as in Pool
	Tenants bool       // require a tenant: a Prefect Server without one rejects agents
}

// ServerState is what Server read from the API.
type ServerState struct{ Tenants int }

// Read implements provision.DataSource.
func (s Server) Read(ctx context.Context) (ServerState, error) {
	if !s.Tenants {
		_, err := s.API.Agents(ctx)
		return ServerState{}, err
	}
	n, err := s.API.Tenants(ctx)
	if err == nil && n == 0 {
		err = errors.New("the Prefect Server has no tenant, so it rejects agents → create one (prefect server create-tenant --name default)")
	}
	return ServerState{Tenants: n}, err
}

// Permissions are none, because the calls go to Prefect and not to AWS, unless flowbed reads
// the secret.
func (s Server) Permissions() Permissions { return Permissions{Read: reading(s.Secret)} }
