package resource

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
)

// Read implements provision.Resource.
func (p Pool) Read(ctx context.Context) (PoolState, error) {
	api, why, err := p.client(ctx)
	switch {
	case err != nil:
		return PoolState{}, err
	case api == nil:
		return p.unasked(ctx, why)
	}
	have, err := api.ReadPool(ctx, p.Name)
	switch {
	case errors.Is(err, prefect.ErrNotFound):
		return PoolState{}, fmt.Errorf("read work pool: %w", provision.ErrAbsent)
	case err != nil && p.Destroy && unread(ctx, err, p.Down != nil):
		return p.unasked(ctx, err.Error())
	case err != nil:
		return PoolState{}, err
	}
	s := PoolState{
		Name: have.Name, Type: have.Type, Description: have.Description, Template: have.Template,
		Limit: have.Limit, Paused: have.Paused,
	}
	if m, ok := have.Mark(); ok {
		s.owner.By = m.Environment + "@" + m.Region
		if m.Account != p.ID.Account {
			s.owner.By += " in account " + m.Account
		}
	}
	if !p.Destroy {
		if len(p.Queues) > 0 {
			if s.Queues, err = api.Queues(ctx, p.Name); err != nil {
				return PoolState{}, err
			}
		}
		return s, p.checkType(have)
	}
	err = p.readUse(ctx, api, &s)
	if err != nil && unread(ctx, err, p.Down != nil) {
		return p.unknownState(err.Error()), nil
	}
	return s, err
}

// unasked is the state of a pool about which Prefect could not be asked. Up records the name of a
// pool before it creates it. So if a run that deletes the environment finds no such record, nothing
// was built, or an earlier run deleted the record and named the pool that it left: this run only
// mentions it.
func (p Pool) unasked(ctx context.Context, why string) (PoolState, error) {
	if p.Down == nil {
		return p.unknownState(why), nil
	}
	switch recorded, err := p.Down.records(ctx, p.Name); {
	case err != nil:
		return PoolState{}, err
	case !recorded:
		return PoolState{Name: p.Name, owner: provision.Owner{By: p.ID.Owner(), Claims: []string{"Prefect"},
			Kept: "is not recorded in AWS; flowbed could not ask Prefect whether it exists: " + why}}, nil
	}
	return p.unknownState(why), nil
}

// checkType returns an error for a pool that the agent's worker cannot serve.
func (p Pool) checkType(have prefect.Pool) error {
	if have.Type == "ecs" {
		return nil
	}
	kind := fmt.Sprintf("of type %q", have.Type)
	if push, ok := strings.CutSuffix(have.Type, ":push"); ok {
		kind = "a push pool (" + push + "), which has no workers"
	} else if strings.HasSuffix(have.Type, ":managed") {
		kind = "a managed pool, which has no workers"
	}
	return fmt.Errorf("the work pool %s is %s, but the agent needs one of type \"ecs\" → delete it, or set another work_pool", p.Name, kind)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// Validate implements provision.Validator.
func (p Pool) Validate(have PoolState, found bool) (notes []provision.Note) {
	if !found {
		return nil
	}
	warn := func(format string, args ...any) {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(format, args...)})
	}
	if have.Paused && !have.Template.PausedByUs() {
		warn("the pool is paused, so no flows start → resume it (prefect work-pool resume %s)", p.Name)
	}
	if family := prefect.Text(have.Template.Default("family")); family != "" && !strings.HasPrefix(family, prefect.FamilyPrefix(p.Name)) {
		warn("the template sets the family %s, but the agent can run only task definitions named prefect_%s_*", family, p.Name)
	}
	if arn := prefect.Text(have.Template.Default("task_definition_arn")); arn != "" {
		warn("the template sets the task definition %s, which overrides the image, logs and secrets of the environment", arn)
	}
	if p.Destroy {
		return notes
	}
	flows := p.Want().Flows
	if strategy := prefect.Text(have.Template.Default("capacity_provider_strategy")); flows.Spot != nil && strategy != "" && strategy != "[]" {
		warn("the template sets the capacity provider strategy %s, which overrides spot in the config file", strategy)
	}
	for _, name := range flows.Unused(have.Template) {
		warn("the template has no place for %s, so the value in the config file has no effect", name)
	}
	return notes
}
