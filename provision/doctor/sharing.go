package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// sharing tells with whom the environment shares the account's role and cluster, and what that
// opens. There is nothing to tell if nobody else uses them.
func (d *Doctor) sharing(ctx context.Context) (found []Finding) {
	if e := d.Env.ExecutionRole; e.Name == spec.AccountExecutionRole && e.Ownership != "external" {
		const check = "role sharing"
		role := resource.Role{API: d.clients.IAM, ID: d.ID, Name: e.Name, Shared: true}
		have, err := role.Read(ctx)
		switch own := d.hasKey() && e.Ownership == "" && !have.Owner().Uses(d.ID.Owner()); {
		case err != nil && !errors.Is(err, provision.ErrAbsent):
			found = append(found, unseen(check, err))
		case err == nil && !own: // otherwise up chooses a role of the environment's own
			found = append(found, d.shares(check, e.Name, have.Owner(), role.Opens(have))...)
		}
	}
	if e := d.Env.Cluster; e.Name == spec.AccountCluster && e.Ownership != "external" {
		const check = "cluster sharing"
		cluster := resource.Cluster{API: d.clients.ECS, ID: d.ID, Name: e.Name, Shared: true}
		have, err := cluster.Read(ctx)
		switch {
		case err != nil && !errors.Is(err, provision.ErrAbsent):
			found = append(found, unseen(check, err))
		case err == nil:
			found = append(found, d.shares(check, "cluster "+e.Name, have.Owner(), cluster.Opens(have))...)
		}
	}
	return found
}

// hasKey reports whether the environment's tasks get a key of Prefect's API, or secrets.
func (d *Doctor) hasKey() bool {
	return d.Env.Prefect != nil && (d.Env.Prefect.HasSecret() || len(d.Env.Flows.Secrets) > 0)
}

func (d *Doctor) shares(check, object string, o provision.Owner, opens []provision.Note) (found []Finding) {
	others := o.Others(d.ID.Owner())
	if len(others) == 0 {
		return nil
	}
	verb := "shares "
	if !o.Uses(d.ID.Owner()) {
		verb = "would share "
	}
	text := verb + object + " with " + strings.Join(others, ", ")
	for _, n := range opens {
		what, todo, _ := strings.Cut(n.Text, " → ")
		if n.Severity == provision.Warn {
			found = append(found, warn(check, todo, "%s: %s", text, what))
		} else {
			found = append(found, ok(check, "%s: %s", text, what))
		}
	}
	return found
}
