package resource

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/flowbed/flowbed/provision"
)

// Ignoring implements provision.Ignorer: a new revision has all fields, also those that others
// may change.
func (d TaskDefinition) Ignoring(fields provision.Fields) provision.Resource[TaskDefinitionState] {
	d.ignored = fields
	return d
}

// as returns the definition with those ignored fields that a revision has. What its container
// runs is not among them; see renew.
func (d TaskDefinition) as(r Revision) TaskDefinition {
	if r.ARN == "" {
		return d
	}
	if n, err := strconv.Atoi(r.CPU); err == nil && d.ignored.Has("cpu") {
		d.CPU = n
	}
	if n, err := strconv.Atoi(r.Memory); err == nil && d.ignored.Has("memory") {
		d.Memory = n
	}
	if wanted := d.Container; d.ignored.Has("image") {
		d.Container = func() (Container, error) {
			c, err := wanted()
			c.Image = r.Image
			return c, err
		}
	}
	return d
}

// renew registers a revision that replaces another one.
func (d TaskDefinition) renew(ctx context.Context, before Revision) error {
	in, err := d.input()
	if err != nil {
		return fmt.Errorf("register task definition: %w", err)
	}
	tags := d.tags()
	if d.ignored.Has(fieldDefinition) {
		if in, err = d.inputLike(ctx, before, in); err != nil {
			return err
		}
		tags[KeyDefinition] = before.Tags[KeyDefinition]
	}
	_, err = d.register(ctx, in, tags)
	return err
}

// inputLike returns the request for a revision that runs what another one runs, with the image
// and of the size that want has.
func (d TaskDefinition) inputLike(ctx context.Context, r Revision, want *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionInput, error) {
	out, err := d.API.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &r.ARN})
	if err != nil {
		return nil, fmt.Errorf("read task definition %s: %w", lastPart(r.ARN), err)
	}
	o := deref(out.TaskDefinition)
	if len(o.ContainerDefinitions) > 0 {
		o.ContainerDefinitions[0].Image = want.ContainerDefinitions[0].Image
	}
	return &ecs.RegisterTaskDefinitionInput{
		Family: want.Family, Cpu: want.Cpu, Memory: want.Memory, ContainerDefinitions: o.ContainerDefinitions,
		TaskRoleArn: o.TaskRoleArn, ExecutionRoleArn: o.ExecutionRoleArn, NetworkMode: o.NetworkMode,
		RequiresCompatibilities: o.RequiresCompatibilities, RuntimePlatform: o.RuntimePlatform,
		EphemeralStorage: o.EphemeralStorage, Volumes: o.Volumes, PidMode: o.PidMode,
	}, nil
}
