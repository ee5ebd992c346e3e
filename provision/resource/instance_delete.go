package resource

import (
	"cmp"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Delete implements provision.Resource. It does not move the interfaces out of our groups first:
// those wait until the instance has terminated, as all does that a task could use.
func (i Instance) Delete(ctx context.Context, have InstanceState) error {
	for _, m := range have.live() {
		if stopped := provision.Stopped(ctx); stopped != nil {
			return stopped
		}
		if err := i.terminate(m)(ctx); err != nil {
			return err
		}
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
		switch err := parallel(ctx, read(0), read(1)); {
		case err != nil && i.Offering.Set(): // up replaces the instance, and has another one before EC2 refuses
			notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(
				"cannot tell whether %s is protected from termination: %s", m.ID, cmp.Or(awserr.Code(err), err.Error()))})
		case err != nil:
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
