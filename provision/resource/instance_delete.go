package resource

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// DefaultGroups finds the default security group of each VPC: where an interface
// goes that has to leave ours.
type DefaultGroups struct{ API *ec2.Client }

// DefaultGroupsState is the ids of the groups by their VPCs.
type DefaultGroupsState map[string]string

// Read implements provision.DataSource.
func (d DefaultGroups) Read(ctx context.Context) (DefaultGroupsState, error) {
	s := DefaultGroupsState{}
	pages := ec2.NewDescribeSecurityGroupsPaginator(d.API, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{filter("group-name", "default")}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read default security groups: %w", err)
		}
		for _, g := range page.SecurityGroups {
			s[deref(g.VpcId)] = deref(g.GroupId)
		}
	}
	return s, nil
}

// Permissions are what the calls need.
func (DefaultGroups) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeSecurityGroups")}}
}

// Delete implements provision.Resource. A security group cannot go as long as
// an interface is in it, and an interface lives as long as its instance takes
// to shut down. So it moves to the VPC's default group first, and the group can
// go at once.
func (i Instance) Delete(ctx context.Context, have InstanceState) error {
	for _, m := range have.live() {
		if stopped := provision.Stopped(ctx); stopped != nil {
			return stopped
		}
		if err := i.leaveGroups(ctx, m); err != nil {
			return err
		}
		if err := i.terminate(m)(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (i Instance) leaveGroups(ctx context.Context, m Machine) error {
	groups, err := i.Refuge.Await(ctx)
	if err != nil {
		return err
	}
	if m.Interface == "" || groups[m.VPC] == "" {
		return nil
	}
	err = i.join(m, []string{groups[m.VPC]})(ctx)
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("leave the security groups: %w", err)
	}
	return nil
}

// terminate does not take "not found" for the end: EC2 may not know an instance
// yet that is starting. Whoever calls looks again.
func (i Instance) terminate(m Machine) do {
	return func(ctx context.Context) error {
		_, err := i.API.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{m.ID}})
		if err != nil {
			return fmt.Errorf("terminate %s: %w", m.ID, err)
		}
		return nil
	}
}

// CheckDelete implements provision.DeleteChecker. Somebody has protected the instance
// on purpose; taking the protection away is for a person to do.
func (i Instance) CheckDelete(ctx context.Context, have InstanceState) (notes []provision.Note, err error) {
	attributes := []types.InstanceAttributeName{types.InstanceAttributeNameDisableApiTermination, types.InstanceAttributeNameDisableApiStop}
	for _, m := range have.live() {
		set := make([]bool, len(attributes))
		ask := func(n int) func(context.Context) error {
			return func(ctx context.Context) error {
				out, err := i.API.DescribeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{InstanceId: &m.ID, Attribute: attributes[n]})
				if err != nil {
					return awserr.Gone(err)
				}
				for _, v := range []*types.AttributeBooleanValue{out.DisableApiTermination, out.DisableApiStop} {
					set[n] = set[n] || v != nil && deref(v.Value)
				}
				return nil
			}
		}
		refuge := func(ctx context.Context) error { // Delete will need it: beside the attributes, it costs no time
			_, err := i.Refuge.Await(ctx)
			return err
		}
		if err := atOnce(ctx, ask(0), ask(1), refuge); err != nil {
			return nil, fmt.Errorf("read protection of %s: %w", m.ID, err)
		}
		for n, protected := range set {
			if protected {
				notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
					"%s is protected by its attribute %s: turn it off first (aws ec2 modify-instance-attribute --instance-id %s --no-%s)",
					m.ID, attributes[n], m.ID, option(attributes[n]))})
			}
		}
	}
	return notes, nil
}

// option is an attribute as the AWS CLI spells it.
func option(a types.InstanceAttributeName) string {
	if a == types.InstanceAttributeNameDisableApiStop {
		return "disable-api-stop"
	}
	return "disable-api-termination"
}
