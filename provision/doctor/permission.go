package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/stack"
)

// permissions makes IAM simulate the caller's policies with the calls of up and down.
// The simulator covers identity policies, boundaries, and the organization's policies
// without conditions, but not session policies. So a denial by the organization, or
// because of a value that the simulator did not get, is not a failure.
func (d *Doctor) permissions(ctx context.Context) []Finding {
	const check = "permissions"
	source, why := d.source(ctx)
	if source == "" {
		if strings.HasPrefix(why, "the root") {
			return []Finding{ok(check, "%s", why)}
		}
		return []Finding{warn(check, "", "cannot tell: %s", why)}
	}
	var needs []permissions.Needs
	for _, v := range []permissions.Verb{permissions.Up, permissions.Down} {
		n, err := stack.Permissions(v, d.Env, d.ID, stack.Options{})
		if err != nil {
			return []Finding{warn(check, "", "cannot tell: %v", err)}
		}
		needs = append(needs, n...)
	}
	a := &answers{missing: map[string]bool{}, unclear: map[string]bool{}}
	a.ask(permissions.Questions(needs), func(q permissions.Question) ([]types.EvaluationResult, error) {
		out, err := d.clients.IAM.SimulatePrincipalPolicy(ctx, request(source, d.ID.Region, q))
		if err != nil {
			return nil, err
		}
		return out.EvaluationResults, nil
	})
	switch {
	case awserr.Classify(a.err) == awserr.Absent:
		return []Finding{warn(check, "", "cannot tell: IAM does not know %s", source)}
	case a.err != nil:
		return []Finding{unseen(check, a.err)}
	case len(a.missing) > 0:
		return []Finding{fail(check, "`flowbed policy --for up` and `--for down` print the policies to attach", "%s lacks %s", source, few(a.missing))}
	case len(a.unclear) > 0:
		return []Finding{warn(check, "check the conditions in the policies of the identity and the organization",
			"cannot tell whether %s has %s: that depends on conditions", source, few(a.unclear))}
	}
	return []Finding{ok(check, "%s has all permissions for up and down that IAM can simulate", source)}
}

// source is the identity to simulate, or why there is none. A role's session tells only
// the role's name, not its path.
func (d *Doctor) source(ctx context.Context) (source, why string) {
	caller, err := arn.Parse(d.Caller)
	if err != nil {
		return "", "the caller is not an ARN"
	}
	kind, name, _ := strings.Cut(caller.Resource, "/")
	switch {
	case kind == "root":
		return "", "the root user can do everything that the organization allows"
	case caller.Service == "iam" && kind == "user":
		return d.Caller, ""
	case kind != "assumed-role":
		return "", "IAM does not simulate a " + kind
	}
	name, _, _ = strings.Cut(name, "/")
	out, err := d.clients.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err == nil {
		if role := out.Role; role != nil {
			return aws.ToString(role.Arn), ""
		}
	}
	return d.ID.ARN("iam", "", "role/"+name), ""
}

// answers collects the answers of the simulator.
type answers struct {
	mu      sync.Mutex
	missing map[string]bool
	unclear map[string]bool
	err     error
}

// ask sends a few questions at a time, because IAM throttles more.
func (a *answers) ask(list []permissions.Question, simulate func(permissions.Question) ([]types.EvaluationResult, error)) {
	const most = 4
	queue := make(chan permissions.Question, len(list))
	for _, q := range list {
		queue <- q
	}
	close(queue)
	var all crash.Group
	for range most {
		all.Go(func() {
			for q := range queue {
				if !a.take(simulate(q)) {
					return
				}
			}
		})
	}
	all.Wait()
}

func request(source, region string, q permissions.Question) *iam.SimulatePrincipalPolicyInput {
	in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: q.Actions}
	if !slices.Contains(q.Resources, "*") {
		in.ResourceArns = q.Resources
	}
	in.ContextEntries = entries(region, q)
	return in
}

func entries(region string, q permissions.Question) (list []types.ContextEntry) {
	context := maps.Clone(q.Context)
	context["aws:RequestedRegion"] = []string{region} // which many policies require
	for _, k := range slices.Sorted(maps.Keys(context)) {
		list = append(list, types.ContextEntry{
			ContextKeyName: aws.String(k), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: context[k],
		})
	}
	return list
}

// take records an answer and reports whether to go on.
func (a *answers) take(results []types.EvaluationResult, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.err = err
		return false
	}
	for _, r := range results {
		action := aws.ToString(r.EvalActionName)
		a.judge(action, r.EvalDecision, r.MissingContextValues, r.OrganizationsDecisionDetail)
		for _, s := range r.ResourceSpecificResults {
			a.judge(action, s.EvalResourceDecision, s.MissingContextValues, r.OrganizationsDecisionDetail)
		}
	}
	return a.err == nil
}

func (a *answers) judge(action string, decision types.PolicyEvaluationDecisionType, unknown []string, org *types.OrganizationsDecisionDetail) {
	switch {
	case decision == types.PolicyEvaluationDecisionTypeAllowed:
	case len(unknown) > 0 || org != nil && !org.AllowedByOrganizations:
		a.unclear[action] = true
	default:
		a.missing[action] = true
	}
}

// few lists the first actions and counts the others.
func few(set map[string]bool) string {
	const most = 5
	list := slices.Sorted(maps.Keys(set))
	if n := len(list) - most; n > 0 {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(list, ", ")
}
