package resource

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// DefaultGroups reads the default security group of each VPC. Delete moves an instance's
// network interface there.
type DefaultGroups struct{ API *ec2.Client }

// DefaultGroupsState maps the ids of VPCs to the ids of their default groups.
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

// Delete implements provision.Resource. EC2 does not delete a security group that has an
// interface, and the interface exists until the instance has shut down. So Delete first
// moves the interface to the VPC's default group. Then our group can be deleted at once.
func (i Instance) Delete(ctx context.Context, have InstanceState) error {
	for _, m := range have.live() {
		if stopped := provision.Stopped(ctx); stopped != nil {
			return stopped
		}
		if err := i.leaveOurGroups(ctx, m); err != nil {
			return err
		}
		if err := i.terminate(m)(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (i Instance) leaveOurGroups(ctx context.Context, m EC2Instance) error {
	groups, err := i.DefaultGroups.Await(ctx)
	if err != nil {
		return err
	}
	if m.Interface == "" || groups[m.VPC] == "" {
		return nil
	}
	err = i.setGroups(m, []string{groups[m.VPC]})(ctx)
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("leave the security groups: %w", err)
	}
	return nil
}

// terminate returns "not found" as an error: EC2 may not know a new instance yet. The
// engine then reads again.
func (i Instance) terminate(m EC2Instance) doFunc {
	return func(ctx context.Context) error {
		_, err := i.API.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{m.ID}})
		if err != nil {
			return fmt.Errorf("terminate %s: %w", m.ID, err)
		}
		return nil
	}
}

// CheckDelete implements provision.DeleteChecker. If somebody turned on protection for
// the instance, a person must turn it off.
func (i Instance) CheckDelete(ctx context.Context, have InstanceState) (notes []provision.Note, err error) {
	attributes := []types.InstanceAttributeName{types.InstanceAttributeNameDisableApiTermination, types.InstanceAttributeNameDisableApiStop}
	for _, m := range have.live() {
		set := make([]bool, len(attributes))
		read := func(n int) func(context.Context) error {
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
		groups := func(ctx context.Context) error { // Delete needs them: reading them now, in parallel, costs no time
			_, err := i.DefaultGroups.Await(ctx)
			return err
		}
		if err := parallel(ctx, read(0), read(1), groups); err != nil {
			return nil, fmt.Errorf("read protection of %s: %w", m.ID, err)
		}
		for n, protected := range set {
			if protected {
				notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
					"%s is protected by its attribute %s → turn it off (aws ec2 modify-instance-attribute --instance-id %s --no-%s)",
					m.ID, attributes[n], m.ID, option(attributes[n]))})
			}
		}
	}
	return notes, nil
}

// option is the AWS CLI's option for an attribute.
func option(a types.InstanceAttributeName) string {
	if a == types.InstanceAttributeNameDisableApiStop {
		return "disable-api-stop"
	}
	return "disable-api-termination"
}
