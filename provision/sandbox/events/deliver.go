package events

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/sqs"
)

// Event is what a service tells the event bus.
type Event struct {
	Source, DetailType string
	Resources          []string
	Detail             map[string]any
}

// principal is the name with which EventBridge calls other services.
const principal = "events.amazonaws.com"

// Emit sends an event of a service to the targets of all rules that match it, and returns
// how many took it. It fails only if a policy or a target is beyond the sandbox.
func Emit(r *core.Request, e Event) (taken int, err error) {
	text, err := json.Marshal(map[string]any{
		"version": "0", "id": fmt.Sprintf("00000000-0000-4000-8000-%012x", r.Next()), "detail-type": e.DetailType, "source": e.Source,
		"account": r.AccountID, "time": r.Now.UTC().Format(time.RFC3339), "region": r.Region, "resources": e.Resources, "detail": e.Detail,
	})
	if err != nil {
		return 0, fmt.Errorf("emit event: %w", err)
	}
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		return 0, fmt.Errorf("emit event: %w", err)
	}
	for _, o := range core.Sorted((&request{r}).db().Rules) {
		if o.State == string(types.RuleStateDisabled) || o.Pattern == nil || !matches(*o.Pattern, event) {
			continue
		}
		for _, t := range o.Targets {
			if !strings.HasPrefix(*t.Arn, "arn:"+r.Partition()+":sqs:") {
				continue
			}
			if t.Input != nil || t.InputPath != nil || t.InputTransformer != nil {
				return taken, core.Fail("NotImplemented", "the sandbox delivers only whole events")
			}
			ok, err := sqs.Deliver(r, *t.Arn, principal, (&request{r}).ruleARN(o.Name), string(text))
			if err != nil {
				return taken, err
			}
			if ok {
				taken++
			}
		}
	}
	return taken, nil
}

func invalidPattern(why string) error {
	return &types.InvalidEventPatternException{Message: aws.String("Event pattern is not valid. Reason: " + why)}
}

// checkPattern accepts objects, whose leaves are lists of strings and prefixes. AWS has more
// operators.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
func checkPattern(text string) error {
	var pattern map[string]any
	if len(text) > 2048 || json.Unmarshal([]byte(text), &pattern) != nil || len(pattern) == 0 {
		return invalidPattern("it must be a JSON object of at most 2048 characters")
	}
	return checkObject(pattern)
}

func checkObject(pattern map[string]any) error {
	for k, v := range pattern {
		switch v := v.(type) {
		case map[string]any:
			if len(v) == 0 {
				return invalidPattern("Empty objects are not allowed")
			}
			if err := checkObject(v); err != nil {
				return err
			}
		case []any:
			if len(v) == 0 {
				return invalidPattern("Empty arrays are not allowed")
			}
			for _, one := range v {
				if _, ok := matcher(one); !ok {
					return invalidPattern("Unrecognized match type in " + k)
				}
			}
		default:
			return invalidPattern(`"` + k + `" must be an object or an array`)
		}
	}
	return nil
}

// matcher is the test for one element of a list.
func matcher(one any) (func(any) bool, bool) {
	switch one := one.(type) {
	case string:
		return func(v any) bool { return v == one }, true
	case map[string]any:
		prefix, ok := one["prefix"].(string)
		return func(v any) bool { s, is := v.(string); return is && strings.HasPrefix(s, prefix) }, ok && len(one) == 1
	}
	return nil, false
}

func matches(text string, event map[string]any) bool {
	var pattern map[string]any
	return json.Unmarshal([]byte(text), &pattern) == nil && matchesObject(pattern, event)
}

// matchesObject: every field of the pattern must be in the event, with one of its values.
func matchesObject(pattern, event map[string]any) bool {
	for k, want := range pattern {
		switch want := want.(type) {
		case map[string]any:
			have, ok := event[k].(map[string]any)
			if !ok || !matchesObject(want, have) {
				return false
			}
		case []any:
			if !slices.ContainsFunc(want, func(one any) bool { f, ok := matcher(one); return ok && f(event[k]) }) {
				return false
			}
		}
	}
	return true
}
