// Package events is the sandbox's EventBridge: rules on the default event bus, their
// targets and tags, and the delivery of the events of other services.
//
// It asks sqs to take a message. Targets that are not queues get nothing.
package events

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

var service = core.NewService("eventbridge", func(r *core.Request) *request { return &request{r} }, core.Rules{})

var part = core.Regional("events",
	func(string) *database { return &database{} },
	func(_ *core.Request, d *database) any { return d.Rules })

// request is a call in the hands of one of EventBridge's operations.
type request struct{ *core.Request }

// database is a region's part of EventBridge.
type database struct {
	Rules map[string]*rule `json:"rules,omitempty"` // by name
}

type rule struct {
	Name        string         `json:"name"`
	Description *string        `json:"description,omitempty"`
	Pattern     *string        `json:"pattern,omitempty"`
	Schedule    *string        `json:"schedule,omitempty"`
	Role        *string        `json:"role,omitempty"`
	State       string         `json:"state"`
	Targets     []types.Target `json:"targets,omitempty"` // in the order of their ids
	Tags        core.Tags      `json:"tags,omitempty"`
}

func (r *request) db() *database {
	d := part.In(r.Request)
	if d.Rules == nil { // new, or empty when it was saved
		d.Rules = map[string]*rule{}
	}
	return d
}

func init() {
	core.Register(service, putRule, putRuleAccess)
	core.Register(service, describeRule, nameAccess)
	core.Register(service, deleteRule, nameAccess)
	core.Register(service, enableRule, nameAccess)
	core.Register(service, disableRule, nameAccess)
	core.Register(service, listRules, core.Anything)
	core.Register(service, putTargets, putTargetsAccess)
	core.Register(service, removeTargets, ruleAccess)
	core.Register(service, listTargetsByRule, ruleAccess)
	core.Register(service, listTagsForResource, tagsAccess)
	core.Register(service, tagResource, tagsAccess)
	core.Register(service, untagResource, tagsAccess)
}

// What AWS looks at for the calls of EventBridge. ListRules has no resource.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html

func nameAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.ruleARN(core.Text(in, "Name")))
}

func ruleAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.ruleARN(core.Text(in, "Rule")))
}

func tagsAccess[I any](_ *request, a core.Access, in *I) []core.Access {
	return a.To(core.Text(in, "ResourceARN"))
}

// putRuleAccess also needs events:TagResource if the rule gets tags:
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
func putRuleAccess(r *request, a core.Access, in *eventbridge.PutRuleInput) []core.Access {
	all := nameAccess(r, a, in)
	if len(in.Tags) > 0 {
		all = append(all, all[0].WithAction("events:TagResource"))
	}
	return all
}

func putTargetsAccess(r *request, a core.Access, in *eventbridge.PutTargetsInput) []core.Access {
	arns := make([]string, len(in.Targets))
	for i, t := range in.Targets {
		arns[i] = aws.ToString(t.Arn)
	}
	return ruleAccess(r, a.WithContext("events:TargetArn", arns...), in)
}

func (r *request) ruleARN(name string) string { return r.ARN("events", r.Region, "rule/"+name) }

func invalid(format string, args ...any) error {
	return core.Fail("ValidationException", format, args...)
}

func (r *request) rule(name *string) (*rule, error) {
	if o := r.db().Rules[aws.ToString(name)]; o != nil {
		return o, nil
	}
	return nil, &types.ResourceNotFoundException{Message: aws.String(fmt.Sprintf("Rule %s does not exist on EventBus default.", aws.ToString(name)))}
}

func (r *request) byARN(arn *string) (*rule, error) {
	name, ok := strings.CutPrefix(aws.ToString(arn), r.ruleARN(""))
	if !ok {
		return nil, invalid("Parameter ResourceARN is not valid.")
	}
	return r.rule(&name)
}

var ruleName = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)

// maxRules is the quota of a bus.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const maxRules = 300

// putRule replaces a rule that exists: what the call leaves out is then null. Only the
// targets stay, and the tags, whatever the call has.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
func putRule(r *request, in *eventbridge.PutRuleInput) (*eventbridge.PutRuleOutput, error) {
	name, d := aws.ToString(in.Name), r.db()
	if !ruleName.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+", name)
	}
	if len(aws.ToString(in.Description)) > 512 {
		return nil, invalid("1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less than or equal to 512")
	}
	if in.EventPattern == nil && in.ScheduleExpression == nil {
		return nil, invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	if in.EventPattern != nil {
		if err := checkPattern(*in.EventPattern); err != nil {
			return nil, err
		}
	}
	o := &rule{Name: name, Description: in.Description, Pattern: in.EventPattern, Schedule: in.ScheduleExpression, Role: in.RoleArn, State: string(in.State)}
	if o.State == "" {
		o.State = string(types.RuleStateEnabled)
	}
	have := d.Rules[name]
	switch {
	case have != nil:
		o.Targets, o.Tags = have.Targets, have.Tags
	case len(d.Rules) >= maxRules:
		return nil, &types.LimitExceededException{Message: aws.String("The requested resource exceeds the maximum number allowed.")}
	default:
		t, err := newTags(nil, in.Tags)
		if err != nil {
			return nil, err
		}
		o.Tags = t
	}
	d.Rules[name] = o
	return &eventbridge.PutRuleOutput{RuleArn: aws.String(r.ruleARN(name))}, nil
}

func newTags(have core.Tags, add []types.Tag) (core.Tags, error) {
	list := make([]core.Tag, len(add))
	for i, t := range add {
		list[i] = core.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)}
	}
	return have.With(list, core.TagRules{Code: "ValidationException", TooMany: "LimitExceededException"})
}

func describeRule(r *request, in *eventbridge.DescribeRuleInput) (*eventbridge.DescribeRuleOutput, error) {
	o, err := r.rule(in.Name)
	if err != nil {
		return nil, err
	}
	return &eventbridge.DescribeRuleOutput{
		Name: &o.Name, Arn: aws.String(r.ruleARN(o.Name)), Description: o.Description, EventPattern: o.Pattern,
		ScheduleExpression: o.Schedule, RoleArn: o.Role, State: types.RuleState(o.State), EventBusName: aws.String("default"),
	}, nil
}

// deleteRule succeeds if there is no such rule, and refuses one with targets.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteRule.html
func deleteRule(r *request, in *eventbridge.DeleteRuleInput) (*eventbridge.DeleteRuleOutput, error) {
	d, name := r.db(), aws.ToString(in.Name)
	if o := d.Rules[name]; o != nil && len(o.Targets) > 0 {
		return nil, invalid("Rule can't be deleted since it has targets.")
	}
	delete(d.Rules, name)
	return &eventbridge.DeleteRuleOutput{}, nil
}

func enableRule(r *request, in *eventbridge.EnableRuleInput) (*eventbridge.EnableRuleOutput, error) {
	o, err := r.rule(in.Name)
	if err != nil {
		return nil, err
	}
	o.State = string(types.RuleStateEnabled)
	return &eventbridge.EnableRuleOutput{}, nil
}

func disableRule(r *request, in *eventbridge.DisableRuleInput) (*eventbridge.DisableRuleOutput, error) {
	o, err := r.rule(in.Name)
	if err != nil {
		return nil, err
	}
	o.State = string(types.RuleStateDisabled)
	return &eventbridge.DisableRuleOutput{}, nil
}

func listRules(r *request, in *eventbridge.ListRulesInput) (*eventbridge.ListRulesOutput, error) {
	var all []types.Rule
	for _, o := range core.Sorted(r.db().Rules) {
		if strings.HasPrefix(o.Name, aws.ToString(in.NamePrefix)) {
			all = append(all, types.Rule{Name: &o.Name, Arn: aws.String(r.ruleARN(o.Name)), Description: o.Description,
				EventPattern: o.Pattern, State: types.RuleState(o.State), EventBusName: aws.String("default")})
		}
	}
	list, next, err := core.Page(all, in.NextToken, in.Limit, 100)
	if err != nil {
		return nil, err
	}
	return &eventbridge.ListRulesOutput{Rules: list, NextToken: next}, nil
}

var (
	targetID  = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)
	targetARN = regexp.MustCompile(`^arn:[^:]+:[^:]+:[^:]*:[^:]*:.+$`)
)

// maxTargets is the most that a rule can have.
const maxTargets = 5

// putTargets replaces a target with the same id. It does not check whether the object
// exists.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html
func putTargets(r *request, in *eventbridge.PutTargetsInput) (*eventbridge.PutTargetsOutput, error) {
	o, err := r.rule(in.Rule)
	if err != nil {
		return nil, err
	}
	if n := len(in.Targets); n < 1 || n > 100 {
		return nil, invalid("1 validation error detected: Value at 'targets' failed to satisfy constraint: Member must have length between 1 and 100")
	}
	next := slices.Clone(o.Targets)
	for _, t := range in.Targets {
		switch id := aws.ToString(t.Id); {
		case !targetID.MatchString(id):
			return nil, invalid("1 validation error detected: Value '%s' at 'targets.1.member.id' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+", id)
		case !targetARN.MatchString(aws.ToString(t.Arn)):
			return nil, invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", aws.ToString(t.Arn))
		case count(t.Input != nil, t.InputPath != nil, t.InputTransformer != nil) > 1:
			return nil, invalid("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", id)
		}
		next = append(without(next, *t.Id), t)
	}
	if len(next) > maxTargets {
		return nil, &types.LimitExceededException{Message: aws.String("The requested resource exceeds the maximum number allowed.")}
	}
	slices.SortFunc(next, func(a, b types.Target) int { return strings.Compare(*a.Id, *b.Id) })
	o.Targets = next
	return &eventbridge.PutTargetsOutput{}, nil
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

func without(list []types.Target, id string) []types.Target {
	return slices.DeleteFunc(slices.Clone(list), func(t types.Target) bool { return *t.Id == id })
}

func removeTargets(r *request, in *eventbridge.RemoveTargetsInput) (*eventbridge.RemoveTargetsOutput, error) {
	o, err := r.rule(in.Rule)
	if err != nil {
		return nil, err
	}
	if n := len(in.Ids); n < 1 || n > 100 {
		return nil, invalid("1 validation error detected: Value at 'ids' failed to satisfy constraint: Member must have length between 1 and 100")
	}
	for _, id := range in.Ids {
		o.Targets = without(o.Targets, id)
	}
	return &eventbridge.RemoveTargetsOutput{}, nil
}

func listTargetsByRule(r *request, in *eventbridge.ListTargetsByRuleInput) (*eventbridge.ListTargetsByRuleOutput, error) {
	o, err := r.rule(in.Rule)
	if err != nil {
		return nil, err
	}
	list, next, err := core.Page(o.Targets, in.NextToken, in.Limit, 100)
	if err != nil {
		return nil, err
	}
	return &eventbridge.ListTargetsByRuleOutput{Targets: slices.Clone(list), NextToken: next}, nil
}

func listTagsForResource(r *request, in *eventbridge.ListTagsForResourceInput) (*eventbridge.ListTagsForResourceOutput, error) {
	o, err := r.byARN(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	out := &eventbridge.ListTagsForResourceOutput{}
	for _, k := range o.Tags.Keys() {
		out.Tags = append(out.Tags, types.Tag{Key: aws.String(k), Value: aws.String(o.Tags[k])})
	}
	return out, nil
}

func tagResource(r *request, in *eventbridge.TagResourceInput) (*eventbridge.TagResourceOutput, error) {
	o, err := r.byARN(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	if o.Tags, err = newTags(o.Tags, in.Tags); err != nil {
		return nil, err
	}
	return &eventbridge.TagResourceOutput{}, nil
}

func untagResource(r *request, in *eventbridge.UntagResourceInput) (*eventbridge.UntagResourceOutput, error) {
	o, err := r.byARN(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	o.Tags = o.Tags.Without(in.TagKeys)
	return &eventbridge.UntagResourceOutput{}, nil
}
