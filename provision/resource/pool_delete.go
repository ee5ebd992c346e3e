package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/prefect"
)

// client returns the client for a run that deletes the pool; or, if there is none, why.
func (p Pool) client(ctx context.Context) (api *prefect.Client, why string, err error) {
	switch {
	case p.Down != nil:
		return p.Down.open(ctx)
	case p.API == nil:
		return nil, p.NoAPI, nil
	}
	return p.API, "", nil
}

// readUse reads what deployments use the pool, and what a run that deletes it does about it.
func (p Pool) readUse(ctx context.Context, api *prefect.Client, s *PoolState) error {
	list, err := api.PoolDeployments(ctx, p.Name)
	if err != nil {
		return err
	}
	for _, d := range list {
		s.Deployments = append(s.Deployments, d.String())
	}
	note := func(severity provision.Severity, format string, args ...any) {
		s.owner.Notes = append(s.owner.Notes, provision.Note{Severity: severity, Text: fmt.Sprintf(format, args...)})
	}
	ours := s.owner.By == p.ID.Owner()
	if ours && p.Down != nil && p.Down.recorded() {
		note(provision.Info, "in Prefect at %s", p.Down.at())
	}
	switch n := len(s.Deployments); {
	case n == 0:
		return nil
	case p.DeleteDeployments && ours:
		note(provision.Warn, "%s will be deleted, with all scheduled runs: %s", plural(n, "deployment"), some(s.Deployments))
		return nil
	}
	s.owner.Claims = []string{plural(len(s.Deployments), "deployment") + " (" + some(s.Deployments) + ")"}
	if !ours || p.Down == nil {
		return nil
	}
	const instead = "--delete-deployments deletes the deployments with their scheduled runs, and the pool"
	switch {
	case !s.Paused:
		s.owner.Claims = append([]string{p.ID.Owner()}, s.owner.Claims...)
		note(provision.Info, "will be paused, so that no run starts without the environment → scheduled runs wait until the next up resumes the pool; %s", instead)
	case s.Template.PausedByUs():
		note(provision.Info, "is paused → scheduled runs wait until the next up resumes the pool; %s", instead)
	default:
		note(provision.Info, "is paused, but not by flowbed → scheduled runs wait until somebody resumes the pool; %s", instead)
	}
	return nil
}

// maxShown is how many deployments a plan names.
const maxShown = 5

// some joins the first names of a list.
func some(names []string) string {
	if n := len(names) - maxShown; n > 0 {
		names = append(slices.Clone(names[:maxShown]), fmt.Sprintf("and %d more", n))
	}
	return strings.Join(names, ", ")
}

// unknownState is the state of a pool that could not be read. If the run deletes the whole
// environment, the pool is left. Otherwise its claim makes the run skip the pool. Both tell
// why.
func (p Pool) unknownState(why string) PoolState {
	s := PoolState{Name: p.Name, owner: provision.Owner{By: p.ID.Owner()}}
	if p.Down == nil {
		s.owner.Claims = []string{"an unknown number of deployments (flowbed could not query Prefect: " + why + ")"}
		return s
	}
	where, set := "", ""
	if url := p.Down.at(); url != "" {
		where, set = " at "+url, "PREFECT_API_URL="+url+" "
	}
	why, advice, found := strings.Cut(why, " → ")
	if found {
		advice += "; or delete the pool yourself: "
	} else {
		advice = "delete the pool yourself: "
	}
	s.owner.Leave = fmt.Sprintf("the work pool %s%s is left, because flowbed could not query Prefect: %s → %s%sprefect work-pool delete %s",
		p.Name, where, why, advice, set, p.Name)
	return s
}

// unread reports whether a run that deletes a pool goes on without it after an error of the
// API: after any, if the run deletes the whole environment.
func unread(ctx context.Context, err error, down bool) bool {
	if !down {
		return errors.Is(err, prefect.ErrUnreachable) || errors.Is(err, prefect.ErrUnauthorized)
	}
	return ctx.Err() == nil && errors.As(err, new(*prefect.Error))
}

// Delete implements provision.Resource. It lists the deployments again: the instance had to
// terminate first, and that took some time. What a killed run leaves, the next one finds.
func (p Pool) Delete(ctx context.Context, have PoolState) error {
	api, why, err := p.client(ctx)
	switch {
	case err != nil:
		return err
	case api == nil:
		return fmt.Errorf("delete work pool: %s", why)
	case slices.Contains(have.owner.Claims, p.ID.Owner()):
		return api.Pause(ctx, p.Name)
	case p.DeleteDeployments:
		if err := p.deleteDeployments(ctx, api); err != nil {
			return err
		}
	}
	n, err := api.Deployments(ctx, p.Name)
	switch {
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("the work pool now has %s → run the same command again: it makes a new plan for the work pool", plural(n, "deployment"))
	}
	return api.DeletePool(ctx, p.Name)
}

func (p Pool) deleteDeployments(ctx context.Context, api *prefect.Client) error {
	list, err := api.PoolDeployments(ctx, p.Name)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := provision.Stopped(ctx); err != nil {
			return err
		}
		if err := api.DeleteDeployment(ctx, d.ID); err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
	}
	return nil
}

// Costs implements Kind: it is in Prefect.
func (Pool) Costs() []cost.Usage { return nil }

// Permissions are none, because the calls go to Prefect and not to AWS. But down may read
// the secret, and so may all runs if it is one that exists.
func (p Pool) Permissions() Permissions {
	read := reading(p.Secret)
	if p.Down != nil {
		read = append(read, p.Down.permission())
	}
	return Permissions{Read: read}
}

// recordedPools returns the work pools that a log group records. Prefect is not asked, so
// they have the tags of the log group.
func recordedPools(group Found) (list []Found) {
	if group.Tags.Owner().By == "" {
		return nil
	}
	for _, name := range RecordedNames(group.Tags)[KindWorkPool] {
		list = append(list, Found{Kind: KindWorkPool, Name: name, Tags: group.Tags, Expiry: ExpiryNone})
	}
	return list
}
