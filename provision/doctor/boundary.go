package doctor

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/stack"
)

// allowAll stands for the policies of a role: what is denied beside it, the boundary denies.
const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// boundary makes IAM simulate what the roles need within the permissions boundary.
func (d *Doctor) boundary(ctx context.Context) []Finding {
	const check = "permissions boundary"
	arn := d.Env.Boundary()
	document, err := d.document(ctx, arn)
	switch {
	case awserr.Classify(err) == awserr.Absent:
		return []Finding{fail(check, "create the policy, or correct permissions_boundary in the iam block", "%s does not exist", arn)}
	case err != nil:
		return []Finding{unseen(check, err)}
	}
	roles, err := stack.Bounded(d.Env, d.ID)
	if err != nil {
		return []Finding{warn(check, "", "cannot tell: %v", err)}
	}
	var cut, unclear []string
	for _, role := range roles {
		a := &answers{missing: map[string]bool{}, unclear: map[string]bool{}}
		a.ask(permissions.Questions([]permissions.Needs{role}), func(q permissions.Question) ([]types.EvaluationResult, error) {
			in := &iam.SimulateCustomPolicyInput{
				PolicyInputList: []string{allowAll}, PermissionsBoundaryPolicyInputList: []string{document},
				ActionNames: q.Actions, ContextEntries: entries(d.ID.Region, q),
			}
			if !slices.Contains(q.Resources, "*") {
				in.ResourceArns = q.Resources
			}
			out, err := d.clients.IAM.SimulateCustomPolicy(ctx, in)
			if err != nil {
				return nil, err
			}
			return out.EvaluationResults, nil
		})
		if a.err != nil {
			return []Finding{unseen(check, a.err)}
		}
		if len(a.missing) > 0 {
			cut = append(cut, role.Step+" loses "+few(a.missing))
		}
		if len(a.unclear) > 0 {
			unclear = append(unclear, role.Step+" has "+few(a.unclear))
		}
	}
	switch {
	case len(cut) > 0:
		return []Finding{fail(check, "allow this in the policy, or name another in permissions_boundary", "within %s, %s", arn, strings.Join(cut, "; "))}
	case len(unclear) > 0:
		return []Finding{warn(check, "check the conditions in the policy", "cannot tell: conditions in %s decide whether %s", arn, strings.Join(unclear, "; "))}
	}
	return []Finding{ok(check, "%s allows what the roles need, as far as IAM can simulate it", arn)}
}

// document reads the default version of a managed policy. IAM URL-encodes it.
func (d *Doctor) document(ctx context.Context, arn string) (string, error) {
	out, err := d.clients.IAM.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if err != nil {
		return "", err
	}
	version := ""
	if p := out.Policy; p != nil {
		version = aws.ToString(p.DefaultVersionId)
	}
	have, err := d.clients.IAM.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: &version})
	if err != nil {
		return "", err
	}
	text := ""
	if v := have.PolicyVersion; v != nil {
		text = aws.ToString(v.Document)
	}
	return url.PathUnescape(text)
}
