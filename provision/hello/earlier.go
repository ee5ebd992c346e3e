package hello

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
)

// left is what a run has made.
type left struct{ deployment, flow, id string }

// remove removes the objects first, because the deployment tells of them. The worker registers
// the deployment's task definitions in a family of its own, which has the deployment's id.
func (h *Hello) remove(ctx context.Context, l left) error {
	if err := h.removeObjects(ctx, names.HelloPrefix+l.id+"/"); err != nil {
		return err
	}
	if err := h.deregister(ctx, prefect.FamilyPrefix(h.Pool)+l.deployment); err != nil {
		return err
	}
	return errors.Join(h.API.DeleteDeployment(ctx, l.deployment), h.API.DeleteFlow(ctx, l.flow))
}

// deregister deregisters all task definitions of a family. They cost nothing, so without the
// permission they stay, and that is said.
func (h *Hello) deregister(ctx context.Context, family string) error {
	out, err := h.ECS.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{FamilyPrefix: &family, Status: types.TaskDefinitionStatusActive})
	if err == nil {
		for _, arn := range out.TaskDefinitionArns {
			if _, err = h.ECS.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &arn}); err != nil {
				break
			}
		}
	}
	if err != nil {
		h.note("the task definitions of the family %s stay: %v", family, err)
	}
	return nil
}

// removeLeft removes what runs left that were killed.
func (h *Hello) removeLeft(ctx context.Context) {
	c, err := h.removeAll(ctx, false)
	switch {
	case ctx.Err() != nil: // Run tells it
	case err != nil:
		h.note("cannot remove what an earlier run left: %v", err)
	case c.Removed == 1:
		h.note("removed what an earlier run left")
	case c.Removed > 1:
		h.note("removed what %d earlier runs left", c.Removed)
	}
}

// Cleaned is what RemoveKept has done: numbers of runs.
type Cleaned struct {
	Removed int
	Busy    int       // may still be in use, and are left alone
	Until   time.Time // when the last of them must have ended
	Foreign int       // that no deployment here names; their bucket is not the environment's own
}

func (c *Cleaned) busy(until time.Time) {
	c.Busy++
	if until.After(c.Until) {
		c.Until = until
	}
}

// RemoveKept removes what earlier runs have kept, and what killed runs left. It asks Prefect
// whether the runs have ended, and otherwise waits until they must have ended. Without an API,
// it removes old objects.
func (h *Hello) RemoveKept(ctx context.Context) (Cleaned, error) {
	c, err := h.removeAll(ctx, true)
	return c, interrupted(ctx, err)
}

// removeAll removes what earlier runs left. If the user has asked for it, this includes what
// is kept.
func (h *Hello) removeAll(ctx context.Context, asked bool) (c Cleaned, err error) {
	named := map[string]bool{}
	if h.API != nil {
		list, err := h.API.TaggedDeployments(ctx, tag)
		if err != nil {
			return c, h.noList(err)
		}
		for _, d := range list {
			id := d.Name[strings.LastIndex(d.Name, "-")+1:]
			named[id] = true
			if !names.HelloID(id) || !h.made(d) {
				continue
			}
			if err := h.removeIfDue(ctx, d, id, asked, &c); err != nil {
				return c, err
			}
		}
	}
	if !asked {
		return c, nil
	}
	return c, h.removeUnnamed(ctx, named, &c)
}

// noList is the error if Prefect does not tell what earlier runs have left.
func (h *Hello) noList(err error) error {
	hint := "`flowbed down" + h.Flags + " --force-destroy-bucket` removes the environment, and the bucket with its contents"
	if own, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok && own.Hint() != "" {
		hint = own.Hint() + "; " + hint
	}
	return &advised{err, hint}
}

// made reports whether a deployment is of this environment. If its pool was deleted, its
// parameters tell.
func (h *Hello) made(d prefect.Deployment) bool {
	return d.Pool == h.Pool || d.Pool == "" && d.Parameters["bucket"] == h.Bucket
}

func (h *Hello) removeIfDue(ctx context.Context, d prefect.Deployment, id string, asked bool, c *Cleaned) error {
	until, limited := deadline(d.Tags)
	due := slices.Contains(d.Tags, tagEnded) || limited && time.Now().After(until) || asked && slices.Contains(d.Tags, tagKept)
	if !due && asked && limited {
		ended, err := h.ended(ctx, d.ID)
		if err != nil {
			return err
		}
		due = ended
	}
	switch {
	case !due && limited:
		c.busy(until)
		return nil
	case !due:
		return nil
	}
	if err := h.remove(ctx, left{d.ID, d.FlowID, id}); err != nil {
		return err
	}
	c.Removed++
	return nil
}

// ended reports whether all runs of a deployment have ended, and their tasks do not write
// any more.
func (h *Hello) ended(ctx context.Context, deployment string) (bool, error) {
	runs, err := h.API.RunsOf(ctx, deployment)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(runs, func(r prefect.Run) bool { return !r.State.Final() }) {
		return false, nil
	}
	for _, r := range runs {
		cluster, arn := r.Task()
		if arn == "" || done(r) {
			continue
		}
		if err := h.awaitStop(ctx, cluster, arn); err != nil {
			return false, err
		}
	}
	return true, nil
}

// deadline returns when the run that made a deployment must have ended.
func deadline(tags []string) (until time.Time, ok bool) {
	for _, t := range tags {
		if text, found := strings.CutPrefix(t, tagUntil); found {
			until, err := time.Parse(time.RFC3339, text)
			return until, err == nil
		}
	}
	return time.Time{}, false
}
