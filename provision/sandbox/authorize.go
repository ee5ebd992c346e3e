package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/flowbed/flowbed/provision/awserr"
)

// access is one thing that the caller must be allowed for a call: AWS may look
// at several resources, and at several actions.
type access struct {
	action, resource string
	context          map[string][]string // condition keys in lower case → values
}

// verdict is the outcome of a policy.
type verdict int

const (
	implicitDeny verdict = iota // no statement allows it
	explicitDeny
	allowed
)

// caller is the ARN of who calls.
func (r *request) caller() string {
	if r.a.Caller != "" {
		return r.a.Caller
	}
	return r.arn("iam", "", "user/sandbox")
}

// permitted looks for all that a call needs in the caller's policy.
func (r *request) permitted(c Call, in any) error {
	if r.a.Policy == "" || c.String() == "sts:GetCallerIdentity" { // to which everybody is entitled
		return nil
	}
	for _, a := range r.accesses(c, in) {
		v, err := r.judge(r.a.Policy, a)
		if err != nil {
			return err
		}
		if v != allowed {
			return r.refuse(c.Service, a, v)
		}
	}
	return nil
}

// refuse says it as AWS does: EC2 in its own way, with more of it encoded.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (r *request) refuse(service string, a access, v verdict) error {
	resource := a.resource
	if service == "s3" {
		resource = `"` + resource + `"`
	}
	text := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", r.caller(), a.action, resource)
	if v == explicitDeny {
		text += " with an explicit deny in an identity-based policy"
	} else {
		text += fmt.Sprintf(" because no identity-based policy allows the %s action", a.action)
	}
	switch service {
	case "ec2":
		return fail("UnauthorizedOperation", "You are not authorized to perform this operation. %s. Encoded authorization failure message: %s", text, r.encode(a, v))
	case "iam", "s3", "sts":
		return fail("AccessDenied", "%s", text)
	}
	return fail("AccessDeniedException", "%s", text)
}

// encode hides what was refused, as far as the words of a sandbox are worth hiding.
func (r *request) encode(a access, v verdict) string {
	b, err := json.Marshal(map[string]any{
		"allowed": false, "explicitDeny": v == explicitDeny,
		"context": map[string]any{"principal": map[string]string{"arn": r.caller()}, "action": a.action, "resource": a.resource},
	})
	if err != nil {
		panic(err) // plain data
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// judge applies an identity's policy.
func (r *request) judge(document string, a access) (v verdict, err error) {
	p, wrong := r.parsePolicy(document, identityPolicy)
	if wrong != "" {
		return v, fail("MalformedPolicyDocument", "%s", wrong)
	}
	for _, s := range p.Statement {
		applies, err := s.applies(a)
		switch {
		case err != nil:
			return v, err
		case applies && s.Effect == "Deny":
			return explicitDeny, nil
		case applies:
			v = allowed
		}
	}
	return v, nil
}

func (s statement) applies(a access) (bool, error) {
	if len(s.NotAction) > 0 || len(s.NotResource) > 0 {
		return false, fail("NotImplemented", "the sandbox does not know NotAction and NotResource")
	}
	action := slices.ContainsFunc(s.Action, func(p string) bool { return wild(strings.ToLower(p), strings.ToLower(a.action)) })
	if !action || !slices.ContainsFunc(s.Resource, func(p string) bool { return wild(p, a.resource) }) {
		return false, nil
	}
	for operator, keys := range s.Condition {
		for key, want := range keys {
			ok, err := holds(operator, list(want), a.context[strings.ToLower(key)])
			if err != nil || !ok {
				return false, err
			}
		}
	}
	return true, nil
}

// holds compares in the ways that are used here.
func holds(operator string, want, have []string) (bool, error) {
	same := func(want, have string) bool { return want == have }
	switch operator {
	case "StringEquals":
	case "StringLike", "ArnLike", "ArnEquals": // of ARNs, AWS makes no difference between them
		same = wild
	default:
		return false, fail("NotImplemented", "the sandbox does not know the condition operator %s", operator)
	}
	return slices.ContainsFunc(have, func(h string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return same(w, h) })
	}), nil
}

// list is one text or a list of them.
func list(v any) (texts []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			texts = append(texts, fmt.Sprint(e))
		}
	}
	return texts
}

// accesses is what AWS looks at for a call:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
func (r *request) accesses(c Call, in any) []access {
	a := access{action: awserr.Action(c.Service, c.Operation), resource: "*", context: map[string][]string{}}
	switch c.Service {
	case "iam":
		return r.iamAccess(a, in)
	case "s3":
		return r.s3Access(a, in)
	case "cloudwatchlogs":
		return r.logsAccess(a, in)
	case "ssm":
		return r.ssmAccess(a, in)
	case "ecs":
		return r.ecsAccess(a, in)
	case "ec2":
		return r.ec2Access(a, in)
	}
	return []access{a}
}

// text is a member of a request; empty if it has none of that name, or no value.
func text(in any, member string) string {
	f := reflect.ValueOf(in).Elem().FieldByName(member)
	if !f.IsValid() {
		return ""
	}
	if p, ok := f.Interface().(*string); ok {
		return aws.ToString(p)
	}
	return ""
}

// also is the same access under another action.
func (a access) also(action string) access {
	a.action = action
	return a
}

// on is the same access to another resource.
func (a access) on(resource string) access {
	a.resource = resource
	return a
}

// with is the same access with more in its context.
func (a access) with(key string, values ...string) access {
	c := map[string][]string{strings.ToLower(key): values}
	for k, v := range a.context {
		if _, ok := c[k]; !ok {
			c[k] = v
		}
	}
	a.context = c
	return a
}

// tagged is the same access with tags in its context: those of the request, or
// of the resource.
func (a access) tagged(kind string, t tags) access {
	for k, v := range t {
		a = a.with(kind+"/"+k, v)
	}
	return a
}

const (
	requestTag  = "aws:RequestTag"
	resourceTag = "aws:ResourceTag"
)
