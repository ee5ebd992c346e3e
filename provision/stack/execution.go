package stack

import (
	"context"
	"errors"
	"slices"
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
// account's, if there is none yet, or if it does what the environment's tasks need, has room,
// and opens no key of one environment to another; otherwise one of its own. What was chosen
// once stays, as long as it opens no key: a claim on the account's role shows the one choice,
// and the own role the other.
func (s *Stack) chooseExecutionRole() error {
	if !s.mayChoose() || !s.o.Account.known() {
		return nil // the role does not exist, or its step reports why it cannot be read
	}
	a, e := s.o.Account, s.env.ExecutionRole
	why, role, owner := "", s.accountsRole(), a.state.Owner()
	claimed := slices.Contains(owner.Claims, s.id.Owner())
	if owner.By == "" {
		why = role.Suffices(a.state)
	} else if why = s.opensKey(a.state); why == "" {
		why = role.Full(a.state)
	}
	if why == "" && claimed {
		return nil
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

// mayChoose reports whether flowbed chooses the execution role: up looks at the account's,
// and the file names none.
func (s *Stack) mayChoose() bool {
	e := s.env.ExecutionRole
	return s.o.Account != nil && !s.o.Destroy && e.Name == spec.AccountExecutionRole && e.Ownership == ""
}

// accountsRole is the account's role as this environment would need it.
func (s *Stack) accountsRole() resource.Role {
	doc := ""
	if secrets := s.taskSecrets(); len(secrets) > 0 || s.o.Account.state.Owner().By == "" {
		doc = templates.ExecutionPolicy(s.place(), s.logGroup(), secrets...)
	}
	return resource.Role{
		ID: s.id, Name: spec.AccountExecutionRole, Shared: true, Trust: templates.ExecutionTrust(), Managed: s.executionManaged(),
		Inline: policy(s.id.Names().SharedPolicy(), doc), Pull: s.pulls(), Unread: lengthOfOthers(s.place()),
	}
}

// lengthOfOthers returns how long the policy of another environment in the account's role
// is. Its name tells, because the policies differ only by the environment and the region. Those of
// environments with a kms_key have some 300 characters more, and those that name their log group
// have a longer or shorter name in them.
func lengthOfOthers(p templates.Place) func(policy string) int {
	return func(policy string) int {
		n, ok := names.OfSharedPolicy(policy)
		if !ok {
			return 0
		}
		p.Env, p.Region, n.Account = n.Env, n.Region, p.Account
		return len(templates.ExecutionPolicy(p, n.LogGroup(), ownParameter(p.Partition, n, "")))
	}
}

// Room reads the account's execution role, and returns how much of IAM's limits it uses. The
// error wraps provision.ErrAbsent if there is no such role.
func Room(ctx context.Context, api *iam.Client, id resource.Identity) (resource.Room, error) {
	a := ReadAccountRole(ctx, api, id)
	p := templates.Place{Partition: id.Partition, Region: id.Region, Account: id.Account, Env: id.Env}
	return resource.Role{ID: id, Shared: true, Unread: lengthOfOthers(p)}.Room(a.state), a.err
}

// opensKey returns why this environment must not use the account's role, which other
// environments use: the tasks of one could read the key of another. It is empty if it may.
func (s *Stack) opensKey(have resource.RoleState) string {
	role := s.accountsRole()
	if role.OpensKey(have) {
		return "the account's role " + spec.AccountExecutionRole + " can read the key of another environment"
	}
	us := func(env string) bool { return env == s.id.Owner() }
	if owner := have.Owner(); owner.By != "" && len(s.taskSecrets()) > 0 && len(slices.DeleteFunc(owner.Users(), us)) > 0 {
		return "other environments use the account's role " + spec.AccountExecutionRole + ", and could read this one's key"
	}
	return ""
}
