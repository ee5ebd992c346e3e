package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/stack"
)

// api is the client of the API in the file.
func (d *Doctor) api() (prefect.Version, *prefect.Client, error) {
	p := d.Env.Prefect
	version, err := prefect.ParseVersion(p.Version)
	if err != nil {
		return version, nil, err
	}
	settings := stack.APISettings(d.Env, d.ID, d.clients, d.Learned)
	settings.Transport = d.Transport
	api, err := prefect.New(settings)
	return version, api, err
}

// prefect makes the first call to the API that up makes.
func (d *Doctor) prefect(ctx context.Context) []Finding {
	const check = "prefect"
	p := d.Env.Prefect
	if d.NoPrefect || p == nil {
		return nil
	}
	version, api, err := d.api()
	if err != nil {
		return []Finding{fail(check, "correct the prefect block in the file", "%v", err)}
	}
	pool := ""
	if version.Kind() == prefect.Agent1 {
		_, err = api.Agents(ctx)
	} else {
		_, err = api.ReadPool(ctx, p.WorkPool)
		pool = ", and the work pool " + p.WorkPool + " exists"
		if errors.Is(err, prefect.ErrNotFound) {
			pool, err = ", and the work pool "+p.WorkPool+" does not exist yet", nil
		}
	}
	if err == nil {
		return []Finding{ok(check, "the API answers%s", pool)}
	}
	todo := ""
	if e, is := errors.AsType[*prefect.Error](err); is {
		todo = e.Hint()
	}
	return []Finding{fail(check, todo, "%s", strings.TrimSuffix(err.Error(), " → "+todo))}
}

// lease reports which run holds the environment lock.
func (d *Doctor) lease(ctx context.Context) []Finding {
	const check = "lock"
	held, err := (&lease.Lease{API: d.clients.SSM, ID: d.ID}).Current(ctx)
	if conflict, is := errors.AsType[*lease.ConflictError](err); is {
		return []Finding{fail(check, conflict.Hint(), "%v", conflict)}
	}
	switch {
	case err != nil:
		return []Finding{unseen(check, err)}
	case held == nil:
		return []Finding{ok(check, "the environment is not locked")}
	}
	return []Finding{warn(check, "wait for that run; if it is dead, `flowbed unlock` removes its lock", "locked by %s", held)}
}
