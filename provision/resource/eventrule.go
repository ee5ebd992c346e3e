package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/names"
)

// EventRule is an EventBridge rule on the account's default event bus, which sends whole
// events to a queue. The queue is its only target: up removes all others.
type EventRule struct {
	API         *eventbridge.Client
	ID          Identity
	Name        string
	Description string
	Pattern     func() string             // JSON; may use what follows from names
	Queue       provision.Ref[QueueState] // its policy must allow the rule to send
}

// EventRuleState is the actual state of a rule.
type EventRuleState struct {
	Name, ARN, Description string
	Pattern                string // JSON in a fixed form
	Schedule, Role, State  string
	Targets                []EventTarget // in the order of their ids
	Tags                   Tags
}

// EventTarget is one target of a rule.
type EventTarget struct {
	ID, ARN  string
	Settings string // the names of its settings beside these; empty if it gets the events as they are
}

var (
	_ Kind[EventRuleState]                = EventRule{}
	_ Discoverer                          = EventRule{}
	_ provision.Predictor[EventRuleState] = EventRule{}
	_ provision.Labelled                  = EventRuleState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:    `ResourceNotFoundException`,
		awserr.Transient: `ConcurrentModificationException InternalException`,
		awserr.Invalid:   `InvalidEventPatternException`,
	},
	Rules: []awserr.Rule{ // somebody has added one
		{Operation: "DeleteRule", Code: "ValidationException", Message: "has targets", Class: awserr.Conflict},
	},
})

// Owner implements provision.State.
func (s EventRuleState) Owner() provision.Owner { return s.Tags.Owner() }

// Label is the name.
func (s EventRuleState) Label() string { return s.Name }

// Predicted implements provision.Predictor.
func (e EventRule) Predicted() EventRuleState {
	return EventRuleState{Name: e.Name, ARN: e.ID.EventRuleARN(e.Name)}
}

// EventRuleARN is the ARN of a rule on the default bus.
func (i Identity) EventRuleARN(name string) string { return i.ARN("events", i.Region, "rule/"+name) }

// Read implements provision.Resource. Its calls run in parallel: the call for tags needs
// the ARN, and that follows from the name.
func (e EventRule) Read(ctx context.Context) (s EventRuleState, err error) {
	var out *eventbridge.DescribeRuleOutput
	err = parallel(ctx,
		func(ctx context.Context) (err error) {
			if out, err = e.API.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &e.Name}); err != nil {
				return absentRule("read rule", err)
			}
			return nil
		},
		func(ctx context.Context) (err error) {
			s.Tags, err = e.readTags(ctx, e.ID.EventRuleARN(e.Name))
			return err
		},
		func(ctx context.Context) (err error) {
			s.Targets, err = e.readTargets(ctx)
			return err
		},
	)
	if err != nil {
		return EventRuleState{}, err
	}
	s.Name, s.ARN, s.Description = deref(out.Name), deref(out.Arn), deref(out.Description)
	s.Pattern, s.Schedule = plainJSON(deref(out.EventPattern)), deref(out.ScheduleExpression)
	s.Role, s.State = deref(out.RoleArn), string(out.State)
	return s, nil
}

func (e EventRule) readTags(ctx context.Context, arn string) (Tags, error) {
	out, err := e.API.ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: &arn})
	if err != nil {
		return nil, absentRule("read tags", err)
	}
	return tagsOf(out.Tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value }), nil
}

func (e EventRule) readTargets(ctx context.Context) (list []EventTarget, err error) {
	in := &eventbridge.ListTargetsByRuleInput{Rule: &e.Name}
	for {
		out, err := e.API.ListTargetsByRule(ctx, in)
		if err != nil {
			return nil, absentRule("read targets", err)
		}
		for _, t := range out.Targets {
			list = append(list, targetOf(t))
		}
		if in.NextToken = out.NextToken; deref(in.NextToken) == "" {
			break
		}
	}
	slices.SortFunc(list, func(a, b EventTarget) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// targetOf keeps only the names of a target's settings: their values may be anything.
func targetOf(t types.Target) EventTarget {
	s := EventTarget{ID: deref(t.Id), ARN: deref(t.Arn)}
	t.Id, t.Arn = nil, nil
	var settings map[string]any
	if b, err := json.Marshal(t); err != nil || json.Unmarshal(b, &settings) != nil {
		panic("resource: a target is plain data")
	}
	var set []string
	for name, v := range settings {
		if v != nil {
			set = append(set, name)
		}
	}
	s.Settings = setText(set)
	return s
}

func (t EventTarget) String() string {
	if t.Settings == "" {
		return t.ARN
	}
	return t.ARN + ", with " + t.Settings
}

func absentRule(doing string, err error) error {
	if awserr.Classify(err) == awserr.Absent {
		err = provision.ErrAbsent
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func eventTag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

// Create implements provision.Resource. The target follows as a change. PutRule would also
// replace a rule of somebody else, but the engine creates only what is not there.
func (e EventRule) Create(ctx context.Context) (*EventRuleState, error) {
	tags := marked(ctx, e.ID.Tags(e.Name))
	in := e.request()
	in.Tags = tagList(tags, eventTag)
	out, err := e.API.PutRule(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("create rule: %w", err)
	}
	return &EventRuleState{
		Name: e.Name, ARN: deref(out.RuleArn), Description: e.Description, Pattern: plainJSON(*in.EventPattern),
		State: string(in.State), Tags: tags,
	}, nil
}

// request is the whole rule, because PutRule sets to null what the call leaves out. It
// ignores the tags of a rule that exists.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
func (e EventRule) request() *eventbridge.PutRuleInput {
	return &eventbridge.PutRuleInput{Name: &e.Name, Description: &e.Description, EventPattern: new(e.Pattern()), State: types.RuleStateEnabled}
}

// targetID is the id of our target in the rule.
const targetID = "flowbed"

// target gets the events as they are: the worker cannot read others.
func (e EventRule) target() EventTarget {
	queue, _ := e.Queue.Expect()
	return EventTarget{ID: targetID, ARN: queue.ARN}
}

// Changes implements provision.Resource. They run one after another, because EventBridge
// refuses changes of a rule at the same time. One call repairs the rule itself.
func (e EventRule) Changes(have EventRuleState) []provision.Change {
	c := tagChange(have.Tags, e.ID.Tags(e.Name), false, tagger{e.setTags(have.ARN), e.dropTags(have.ARN)})
	var rule []provision.Change
	if want := plainJSON(e.Pattern()); have.Pattern != want {
		rule = append(rule, provision.Change{Field: "event pattern", From: provision.JSON(have.Pattern), To: provision.JSON(want)})
	}
	rule = append(rule, diffText("state", strings.ToLower(have.State), strings.ToLower(string(types.RuleStateEnabled)), nil)...)
	rule = append(rule, diffText("description", have.Description, e.Description, nil)...)
	rule = append(rule, diffText("schedule", have.Schedule, "", nil)...)
	rule = append(rule, diffText("role", have.Role, "", nil)...)
	c = append(c, provision.Together(rule, func(ctx context.Context, fields provision.Fields) error {
		_, err := e.API.PutRule(ctx, e.requestWith(have, fields))
		return err
	})...)
	return append(c, e.targetChanges(have.Targets)...)
}

// requestWith is the whole rule as others have it, but for these fields.
func (e EventRule) requestWith(have EventRuleState, fields provision.Fields) *eventbridge.PutRuleInput {
	in := e.request()
	if !fields.Has("event pattern") {
		in.EventPattern = noneIfEmpty(have.Pattern)
	}
	if !fields.Has("state") {
		in.State = types.RuleState(have.State)
	}
	if !fields.Has("description") {
		in.Description = noneIfEmpty(have.Description)
	}
	if !fields.Has("schedule") {
		in.ScheduleExpression = noneIfEmpty(have.Schedule)
	}
	if !fields.Has("role") {
		in.RoleArn = noneIfEmpty(have.Role)
	}
	return in
}

// noneIfEmpty is nil for an empty text.
func noneIfEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// targetChanges removes before it adds, because a rule can have only five targets.
func (e EventRule) targetChanges(have []EventTarget) (c []provision.Change) {
	want, from := e.target(), ""
	for _, t := range have {
		if t.ID == want.ID {
			from = t.String()
			continue
		}
		c = append(c, provision.Change{
			Field: "target", From: provision.Text(t.String()),
			Do: func(ctx context.Context) error { return e.removeTargets(ctx, t.ID) },
		})
	}
	return append(c, diffText("target", from, want.String(), e.putTarget)...)
}

// putTarget replaces all settings of the target.
func (e EventRule) putTarget(ctx context.Context) error {
	t := e.target()
	out, err := e.API.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &e.Name, Targets: []types.Target{{Id: &t.ID, Arn: &t.ARN}}})
	if err == nil && out.FailedEntryCount > 0 {
		f := out.FailedEntries[0]
		err = failedEntry("PutTargets", deref(f.ErrorCode), deref(f.ErrorMessage))
	}
	return err
}

func (e EventRule) removeTargets(ctx context.Context, ids ...string) error {
	out, err := e.API.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: &e.Name, Ids: ids})
	if err == nil && out.FailedEntryCount > 0 {
		f := out.FailedEntries[0]
		err = failedEntry("RemoveTargets", deref(f.ErrorCode), deref(f.ErrorMessage))
	}
	return awserr.Gone(err)
}

// failedEntry is the error of one target, which comes with a reply that says success.
func failedEntry(operation, code, message string) error {
	return &smithy.OperationError{
		ServiceID: eventbridge.ServiceID, OperationName: operation, Err: &smithy.GenericAPIError{Code: code, Message: message},
	}
}

func (e EventRule) setTags(arn string) func(context.Context, Tags) error {
	return func(ctx context.Context, t Tags) error {
		_, err := e.API.TagResource(ctx, &eventbridge.TagResourceInput{ResourceARN: &arn, Tags: tagList(t, eventTag)})
		return err
	}
}

func (e EventRule) dropTags(arn string) func(context.Context, []string) error {
	return func(ctx context.Context, keys []string) error {
		_, err := e.API.UntagResource(ctx, &eventbridge.UntagResourceInput{ResourceARN: &arn, TagKeys: keys})
		return err
	}
}

// Delete implements provision.Resource. A rule with targets cannot be deleted.
func (e EventRule) Delete(ctx context.Context, have EventRuleState) error {
	if len(have.Targets) > 0 {
		ids := make([]string, len(have.Targets))
		for i, t := range have.Targets {
			ids[i] = t.ID
		}
		if err := e.removeTargets(ctx, ids...); err != nil {
			return fmt.Errorf("remove targets: %w", err)
		}
	}
	_, err := e.API.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &e.Name})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete rule: %w", err)
	}
	return nil
}

// Costs implements Kind: ECS's own events are free.
func (EventRule) Costs() []cost.Usage { return nil }

// Permissions are what the calls need.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
func (e EventRule) Permissions() Permissions {
	arn := e.ID.EventRuleARN(e.Name)
	return Permissions{
		Read:   []Permission{on(arn, "events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule")},
		Build:  []Permission{on(arn, "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource", "events:UntagResource")},
		Delete: []Permission{on(arn, "events:DeleteRule", "events:RemoveTargets")},
	}
}

// Discover implements Discoverer. The names of rules never change.
func (e EventRule) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	in := &eventbridge.ListRulesInput{NamePrefix: new(names.Prefix), Limit: new(int32(100))}
	for {
		out, err := e.API.ListRules(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list event rules in %s: %w", e.ID.Region, err)
		}
		for _, r := range out.Rules {
			list = append(list, Found{Kind: "event rule", Name: deref(r.Name)})
		}
		if in.NextToken = out.NextToken; deref(in.NextToken) == "" {
			break
		}
	}
	return withTags(ctx, list, func(ctx context.Context, f Found) (Tags, error) {
		return e.readTags(ctx, e.ID.EventRuleARN(f.Name))
	})
}
