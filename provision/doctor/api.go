package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/prefect"
)

// prefect asks the API what up will ask it first.
func (d *Doctor) prefect(ctx context.Context) []Finding {
	const check = "prefect"
	p := d.Env.Agent.Prefect
	if d.NoPrefect || p == nil {
		return nil
	}
	version, err := prefect.ParseVersion(p.Version)
	var api *prefect.Client
	if err == nil {
		api, err = prefect.New(prefect.Config{URL: p.APIURL, APIKey: p.APIKey, AuthString: p.AuthString, CA: []byte(p.CAFile),
			UserAgent: "flowbed/" + d.ID.Version, Transport: d.Transport})
	}
	if err != nil {
		return []Finding{fail(check, "correct agent.prefect in the file", "%v", err)}
	}
	pool := ""
	if version.Kind() == prefect.Agent1 {
		_, err = api.Agents(ctx)
	} else {
		_, err = api.ReadPool(ctx, p.WorkPool)
		pool = ", and has the work pool " + p.WorkPool
		if errors.Is(err, prefect.ErrNotFound) {
			pool, err = ", and has no work pool "+p.WorkPool+" yet", nil
		}
	}
	if err == nil {
		return []Finding{ok(check, "the API answers%s", pool)}
	}
	text, todo := err.Error(), ""
	if e, is := errors.AsType[*prefect.Error](err); is && e.Hint != "" {
		text, todo = strings.TrimSuffix(text, ". "+e.Hint), e.Hint
	}
	return []Finding{fail(check, todo, "%s", text)}
}

// lease says who is at work on the environment.
func (d *Doctor) lease(ctx context.Context) []Finding {
	const check = "lease"
	held, err := (&lease.Lease{API: d.clients.SSM, ID: d.ID}).Current(ctx)
	if foreign, is := errors.AsType[*lease.ForeignError](err); is {
		return []Finding{fail(check, "remove the parameter, or choose another name for the environment", "%v", foreign)}
	}
	switch {
	case err != nil:
		return []Finding{unseen(check, err)}
	case held == nil:
		return []Finding{ok(check, "nobody is at work on the environment")}
	}
	return []Finding{warn(check, "wait for it; `flowbed unlock` shows more, and removes it", "%s", held)}
}
