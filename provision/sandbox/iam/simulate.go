package iam

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, simulatePrincipalPolicy, simulateAccess)
	core.Register(service, getAccountSummary, core.Anything)
}

// simulatePrincipalPolicy evaluates the caller's policy, or a role's inline
// policies. AWS accepts a user, a group or a role, but not a role session:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
func simulatePrincipalPolicy(r *request, in *iam.SimulatePrincipalPolicyInput) (*iam.SimulatePrincipalPolicyOutput, error) {
	policies, err := r.policiesOf(aws.ToString(in.PolicySourceArn))
	if err != nil {
		return nil, err
	}
	context := map[string][]string{}
	for _, c := range in.ContextEntries {
		context[strings.ToLower(aws.ToString(c.ContextKeyName))] = c.ContextKeyValues
	}
	resources := in.ResourceArns
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	results, err := evaluate(in.ActionNames, resources, func(action, resource string) (types.PolicyEvaluationDecisionType, error) {
		return simulate(policies, core.Access{Action: action, Resource: resource, Context: context})
	})
	if err != nil {
		return nil, err
	}
	return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: results}, nil
}

// evaluate decides on each action on each resource, as both simulations report it.
func evaluate(actions, resources []string, decide func(action, resource string) (types.PolicyEvaluationDecisionType, error)) (list []types.EvaluationResult, err error) {
	for _, action := range actions {
		result := types.EvaluationResult{EvalActionName: aws.String(action), EvalResourceName: aws.String(resources[0])}
		for i, resource := range resources {
			decision, err := decide(action, resource)
			if err != nil {
				return nil, err
			}
			if i == 0 || decision != types.PolicyEvaluationDecisionTypeAllowed {
				result.EvalDecision = decision
			}
			result.ResourceSpecificResults = append(result.ResourceSpecificResults, types.ResourceSpecificResult{
				EvalResourceName: aws.String(resource), EvalResourceDecision: decision,
			})
		}
		list = append(list, result)
	}
	return list, nil
}

// policiesOf returns an identity's policies; nil means that it may do everything.
func (r *request) policiesOf(arn string) ([]string, error) {
	_, name, _ := strings.Cut(arn, ":role/")
	if role := r.db().role(name[strings.LastIndex(name, "/")+1:]); role != nil && role.ARN == arn {
		if strings.Contains(r.Caller(), ":assumed-role/"+role.Name+"/") && r.Account.Policy != "" {
			return []string{r.Account.Policy}, nil
		}
		return append([]string{}, slices.Sorted(maps.Values(role.Inline))...), nil
	}
	switch {
	case arn != r.Caller() || !strings.Contains(arn, ":user/"):
		return nil, noEntity("The principal %s cannot be found.", arn)
	case r.Account.Policy == "":
		return nil, nil
	}
	return []string{r.Account.Policy}, nil
}

func simulate(policies []string, a core.Access) (types.PolicyEvaluationDecisionType, error) {
	decision := types.PolicyEvaluationDecisionTypeImplicitDeny
	if policies == nil {
		decision = types.PolicyEvaluationDecisionTypeAllowed
	}
	v, err := core.JudgeAll(policies, a)
	switch v {
	case core.ExplicitDeny:
		decision = types.PolicyEvaluationDecisionTypeExplicitDeny
	case core.Allowed:
		decision = types.PolicyEvaluationDecisionTypeAllowed
	}
	return decision, err
}

// getAccountSummary counts the kinds of objects that flowbed creates. The quotas are
// those of a new account.
func getAccountSummary(r *request, _ *iam.GetAccountSummaryInput) (*iam.GetAccountSummaryOutput, error) {
	return &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{
		"Roles": int32(len(r.db().Roles)), "RolesQuota": 1000,
		"InstanceProfiles": int32(len(r.db().Profiles)), "InstanceProfilesQuota": 1000,
	}}, nil
}
