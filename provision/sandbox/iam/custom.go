package iam

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, getPolicyVersion, policyAccess)
	core.Register(service, simulateCustomPolicy, core.Anything)
}

// firstVersion is the only version of a policy in the sandbox.
const firstVersion = "v1"

// getPolicyVersion returns the document URL-encoded, as IAM does.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicyVersion.html
func getPolicyVersion(r *request, in *iam.GetPolicyVersionInput) (*iam.GetPolicyVersionOutput, error) {
	arn := aws.ToString(in.PolicyArn)
	if _, err := r.mustPolicy(arn); err != nil {
		return nil, err
	}
	if v := aws.ToString(in.VersionId); v != firstVersion {
		return nil, noEntity("Policy %s version %s does not exist or is not attachable.", arn, v)
	}
	document := cmp.Or(documentOf(r.Request, arn), allowNothing)
	return &iam.GetPolicyVersionOutput{PolicyVersion: &types.PolicyVersion{
		VersionId: aws.String(firstVersion), IsDefaultVersion: true, Document: aws.String(strings.ReplaceAll(url.QueryEscape(document), "+", "%20")),
	}}, nil
}

// simulateCustomPolicy evaluates policies that need not exist, and a boundary. It takes no
// patterns of actions, and resources must be ARNs or *.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
func simulateCustomPolicy(_ *request, in *iam.SimulateCustomPolicyInput) (*iam.SimulateCustomPolicyOutput, error) {
	if len(in.PolicyInputList) == 0 || len(in.ActionNames) == 0 || len(in.PermissionsBoundaryPolicyInputList) > 1 {
		return nil, invalidInput("The request lacks a policy or an action, or has several boundaries.")
	}
	context := map[string][]string{}
	for _, c := range in.ContextEntries {
		context[strings.ToLower(aws.ToString(c.ContextKeyName))] = c.ContextKeyValues
	}
	resources := in.ResourceArns
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	for _, action := range in.ActionNames {
		if strings.ContainsAny(action, "*?") {
			return nil, invalidInput("ActionName " + action + " is not an action.")
		}
	}
	for _, resource := range resources {
		if resource != "*" && (!strings.HasPrefix(resource, "arn:") || strings.ContainsAny(resource, "*?")) {
			return nil, invalidInput("ResourceArn " + resource + " is not an ARN.")
		}
	}
	results, err := evaluate(in.ActionNames, resources, func(action, resource string) (types.PolicyEvaluationDecisionType, error) {
		return within(in, core.Access{Action: action, Resource: resource, Context: context})
	})
	if err != nil {
		return nil, err
	}
	return &iam.SimulateCustomPolicyOutput{EvaluationResults: results}, nil
}

// within is the decision of the policies, limited by the boundary.
func within(in *iam.SimulateCustomPolicyInput, a core.Access) (types.PolicyEvaluationDecisionType, error) {
	decision, err := simulate(in.PolicyInputList, a)
	if err != nil || decision != types.PolicyEvaluationDecisionTypeAllowed || len(in.PermissionsBoundaryPolicyInputList) == 0 {
		return decision, err
	}
	return simulate(in.PermissionsBoundaryPolicyInputList, a)
}

func invalidInput(text string) error { return core.Fail("InvalidInput", "%s", text) }
