package stack

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// AccountRole is the account's execution role as it was read before the graph is built.
type AccountRole struct {
	state resource.RoleState
	err   error // provision.ErrAbsent if there is none

	own func() (bool, error) // whether the environment has a role of its own
}

// ReadAccountRole reads the account's execution role for an environment. It needs neither
// the account nor the partition of id, so it can run while these are looked up.
func ReadAccountRole(ctx context.Context, api *iam.Client, id resource.Identity) *AccountRole {
	role := resource.Role{
		API: api, ID: id, Name: spec.AccountExecutionRole, Shared: true, Inline: policy(id.Names().SharedPolicy(), "{}"),
	}
	a := &AccountRole{}
	a.state, a.err = role.Read(ctx)
	a.own = sync.OnceValues(func() (bool, error) {
		own := resource.Role{API: api, ID: id, Name: id.Names().ExecutionRole()}
		have, err := own.Read(ctx)
		if errors.Is(err, provision.ErrAbsent) {
			return false, nil
		}
		return have.Owner().By == id.Owner(), err
	})
	return a
}

func (a *AccountRole) known() bool { return a.err == nil }

// once returns the reading for the step of the role, which need not read it again at once.
func (a *AccountRole) once() func() (resource.RoleState, error, bool) {
	var used sync.Once
	return func() (have resource.RoleState, err error, ok bool) {
		used.Do(func() { have, err, ok = a.state, a.err, true })
		return have, err, ok
	}
}

// chooseExecutionRole decides which role the environment uses if the file names none: the
// account's, if there is none yet or if it does what the environment's tasks need and opens
// no key of one environment to another; otherwise one of its own. What was chosen once stays:
// a claim on the account's role shows the one choice, and the own role the other.
func (s *Stack) chooseExecutionRole() error {
	e := s.env.ExecutionRole
	a := s.o.Account
	if a == nil || s.o.Destroy || e.Name != spec.AccountExecutionRole || e.Ownership != "" {
		return nil
	}
	why := ""
	owner := a.state.Owner()
	switch {
	case !a.known():
		return nil // it does not exist, or the step of the role reports why it cannot be read
	case slices.Contains(owner.Claims, s.id.Owner()):
		return nil
	case owner.By == "":
		why = s.accountsRole().Suffices(a.state)
	default:
		why = s.opensKey(a.state)
	}
	if why == "" {
		exists, err := a.own()
		if err != nil || !exists {
			return err
		}
		why = "it had one before"
	}
	chosen := *e
	chosen.Name, chosen.Ownership = s.id.Names().ExecutionRole(), "own"
	env := *s.env
	env.ExecutionRole = &chosen
	s.env, s.chosen = &env, why
	return nil
}

// accountsRole is the account's role as this environment would need it.
func (s *Stack) accountsRole() resource.Role {
	return resource.Role{
		ID: s.id, Name: spec.AccountExecutionRole, Shared: true, Trust: templates.ExecutionTrust(), Managed: s.executionManaged(),
		Inline: policy(s.id.Names().SharedPolicy(), templates.ExecutionPolicy(s.place(), s.id.Names().LogGroup(), s.taskParameter())),
	}
}

// opensKey returns why this environment must not join the account's role, which other
// environments use: the tasks of one could read the key of another. It is empty if it may.
func (s *Stack) opensKey(have resource.RoleState) string {
	for name := range have.Inline {
		if strings.HasPrefix(name, names.Prefix) {
			return "the account's role " + spec.AccountExecutionRole + " can read the key of another environment"
		}
	}
	if s.taskParameter() != "" && len(have.Owner().Others(s.id.Owner())) > 0 {
		return "other environments use the account's role " + spec.AccountExecutionRole + ", and could read this one's key"
	}
	return ""
}
