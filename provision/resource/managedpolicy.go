package resource

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// ManagedPolicies are managed policies that the spec names. IAM says only when a policy is used
// that it does not exist, and by then other objects do. So the plan looks for the policies.
type ManagedPolicies struct {
	API  *iam.Client
	ARNs []string
	Of   string // where the file names them, for example "policies of task_role"
}

// ManagedPoliciesState tells nothing: the policies exist, as far as the caller may know.
type ManagedPoliciesState struct{}

// Read implements provision.DataSource. It fails if a policy does not exist. A caller who may
// not look for a policy can still use it, so a denial is no error.
func (m ManagedPolicies) Read(ctx context.Context) (ManagedPoliciesState, error) {
	missing := make([]error, len(m.ARNs))
	calls := make([]func(context.Context) error, len(m.ARNs))
	for i, arn := range m.ARNs {
		calls[i] = func(ctx context.Context) error {
			_, err := m.API.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
			switch awserr.Classify(err) {
			case awserr.Absent, awserr.Invalid:
				missing[i] = fmt.Errorf("the managed policy %s %w → correct it in %s", arn, provision.ErrAbsent, m.Of)
				return nil
			case awserr.Denied:
				return nil
			}
			return err
		}
	}
	if err := parallel(ctx, calls...); err != nil {
		return ManagedPoliciesState{}, err
	}
	return ManagedPoliciesState{}, errors.Join(missing...)
}

// Permissions are what Read needs.
func (m ManagedPolicies) Permissions() Permissions {
	p := Permissions{}
	for _, arn := range m.ARNs {
		p.Read = append(p.Read, on(arn, "iam:GetPolicy"))
	}
	return p
}
