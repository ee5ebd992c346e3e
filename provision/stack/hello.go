package stack

import (
	"errors"
	"fmt"

	"github.com/flowbed/flowbed/provision/hello"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// The errors of Hello.
var (
	ErrNoAPI  = errors.New("the environment has no Prefect API")
	ErrNoPool = errors.New("hello needs a work pool, and Prefect 1 has none")
)

// Hello returns what runs a small flow in the environment. It makes no calls.
func (s *Stack) Hello() (*hello.Hello, error) {
	switch {
	case s.env.Prefect == nil:
		return nil, ErrNoAPI
	case s.version.Kind() == prefect.Agent1:
		return nil, ErrNoPool
	}
	h := &hello.Hello{
		API: s.api, S3: s.c.S3, ECS: s.c.ECS, Logs: s.c.Logs,
		ID: s.id, Pool: s.env.Prefect.WorkPool, Bucket: s.env.Bucket.Name, Cluster: s.env.Cluster.Name,
		Version: s.version, Agent: s.env.Agent != nil, Flags: s.o.Flags, Shared: s.env.Bucket.Ownership == "external",
		Key: s.bucketKey(),
	}
	if q := s.queues(); len(q) > 0 {
		h.Queue = q[0]
	}
	return h, nil
}

// HelloRemains returns what removes the old objects of hello's runs, without Prefect.
func (s *Stack) HelloRemains() *hello.Hello {
	return &hello.Hello{S3: s.c.S3, ID: s.id, Bucket: s.env.Bucket.Name, Flags: s.o.Flags, Shared: s.env.Bucket.Ownership == "external"}
}

// helloPermissions returns what `flowbed hello` needs.
func helloPermissions(env *spec.Environment, id resource.Identity, o Options) ([]permissions.Needs, error) {
	o.Destroy = false
	s, err := Build(env, id, Clients{}, o)
	if err != nil {
		return nil, fmt.Errorf("collect permissions: %w", err)
	}
	h, err := s.Hello()
	if err != nil {
		return nil, err
	}
	needs := h.Permissions()
	needs.Build = append(needs.Build, resource.Secret{Ref: s.existingSecret()}.Permissions().Read...)
	return permissions.For(permissions.Hello, []permissions.Step{{Name: "hello", Permissions: needs}}), nil
}
