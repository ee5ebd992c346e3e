package resource

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

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
	return requestLike(deref(out.TaskDefinition), want), nil
}

// requestLike returns a request for a definition that exists, but for the family, the size and the
// image of its main container.
func requestLike(o types.TaskDefinition, want *ecs.RegisterTaskDefinitionInput) *ecs.RegisterTaskDefinitionInput {
	if c := want.ContainerDefinitions[0]; len(o.ContainerDefinitions) > 0 {
		o.ContainerDefinitions = slices.Clone(o.ContainerDefinitions)
		o.ContainerDefinitions[mainContainer(o.ContainerDefinitions, deref(c.Name))].Image = c.Image
	}
	return &ecs.RegisterTaskDefinitionInput{
		Family: want.Family, Cpu: want.Cpu, Memory: want.Memory, ContainerDefinitions: o.ContainerDefinitions,
		TaskRoleArn: o.TaskRoleArn, ExecutionRoleArn: o.ExecutionRoleArn, NetworkMode: o.NetworkMode,
		RequiresCompatibilities: o.RequiresCompatibilities, RuntimePlatform: o.RuntimePlatform,
		EphemeralStorage: o.EphemeralStorage, Volumes: o.Volumes, PidMode: o.PidMode, IpcMode: o.IpcMode,
		PlacementConstraints: o.PlacementConstraints, ProxyConfiguration: o.ProxyConfiguration,
		EnableFaultInjection: o.EnableFaultInjection,
	}
}

// mainContainer is the index of the container with a name, beside which others may have put their
// own; that of the first one if none has the name.
func mainContainer(list []types.ContainerDefinition, name string) int {
	return max(0, slices.IndexFunc(list, func(c types.ContainerDefinition) bool { return deref(c.Name) == name }))
}

// containerName is the name of the main container; empty if nothing is known of it yet.
func (d TaskDefinition) containerName() string {
	if d.Container == nil {
		return ""
	}
	c, _ := d.Container()
	return c.Name
}
