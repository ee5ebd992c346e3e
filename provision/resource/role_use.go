package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// executionPolicy is AWS's policy for execution roles, and what it allows on all
// resources, as far as flows need it. It is the one managed policy whose content
// we know without reading it.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSTaskExecutionRolePolicy.html
const executionPolicy = "policy/service-role/AmazonECSTaskExecutionRolePolicy"

var executionAllows = []string{"logs:CreateLogStream", "logs:PutLogEvents"}

// CheckUse implements provision.UseChecker. It compares what a role that is not ours
// allows with what ours would, as far as its own policies tell: what is in the
// managed policies that somebody attached is not looked at. Only a person can
// say whether a lack is meant, so nothing here stops a run.
func (r Role) CheckUse(have RoleState) (notes []provision.Note) {
	warn := func(format string, args ...any) {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(format, args...)})
	}
	trusted := services(have.Trust)
	for _, s := range services(r.Trust) {
		if !slices.Contains(trusted, s) {
			warn("%s does not let %s assume it: flows cannot start with it", r.Name, s)
		}
	}
	for _, arn := range r.Managed {
		if !slices.Contains(have.Managed, arn) {
			warn("%s lacks the managed policy %s", r.Name, arn)
		}
	}
	var granted []grant
	for _, name := range slices.Sorted(maps.Keys(have.Inline)) {
		granted = append(granted, grants(have.Inline[name])...)
	}
	others := 0
	for _, arn := range have.Managed {
		if strings.HasSuffix(arn, executionPolicy) {
			granted = append(granted, grant{Effect: "Allow", Action: executionAllows, Resource: words{"*"}})
		} else {
			others++
		}
	}
	want := r.inline()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		for _, g := range grants(want[name]) {
			for _, lack := range g.notIn(granted) {
				text := r.Name + " does not allow " + lack
				if others > 0 {
					text += ", unless one of its other managed policies does"
				}
				warn("%s", text)
			}
		}
	}
	return notes
}

// CheckDelete implements provision.DeleteChecker. IAM deletes a role whoever uses it.
// That others use the account's role shows only in what they have put on it.
func (r Role) CheckDelete(_ context.Context, have RoleState) ([]provision.Note, error) {
	if !r.Shared {
		return nil, nil
	}
	want, others := r.inline(), slices.Clone(have.Managed)
	for name := range have.Inline {
		if _, ours := want[name]; !ours && !derived(name) {
			others = append(others, name)
		}
	}
	others = slices.DeleteFunc(others, func(p string) bool { return slices.Contains(r.Managed, p) })
	if len(others) == 0 {
		return nil, nil
	}
	return []provision.Note{{Severity: provision.Warn, Text: fmt.Sprintf(
		"%s has the policy %s, which flowbed did not put there: whoever uses the role besides loses it; ownership = \"external\" leaves it",
		r.Name, setText(others))}}, nil
}

// grant is one statement of a policy, as far as it is looked at here. A
// statement with a condition counts as if the condition held.
type grant struct {
	Effect    string
	Action    words
	Resource  words
	Principal struct{ Service words }
}

// words are one text or a list of them.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

// grants are the statements of a policy; those that are written in ways that we
// do not write are left out, and so count as if they were not there.
func grants(policy string) (list []grant) {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(policy), &doc) != nil {
		return nil
	}
	statements := []json.RawMessage{doc.Statement}
	var many []json.RawMessage
	if json.Unmarshal(doc.Statement, &many) == nil {
		statements = many
	}
	for _, s := range statements {
		var g grant
		if json.Unmarshal(s, &g) == nil {
			list = append(list, g)
		}
	}
	return list
}

// services are those that a trust policy lets assume the role.
func services(trust string) (list []string) {
	for _, g := range grants(trust) {
		if g.Effect == "Allow" {
			list = append(list, g.Principal.Service...)
		}
	}
	return list
}

// notIn lists the actions that others do not allow, with their resources.
func (g grant) notIn(others []grant) (lacks []string) {
	for _, a := range g.Action {
		for _, r := range g.Resource {
			if !allowed(others, a, r) {
				lacks = append(lacks, a+" on "+r)
			}
		}
	}
	return lacks
}

func allowed(by []grant, action, resource string) bool {
	yes := false
	for _, g := range by {
		if !g.Action.match(strings.ToLower(action), true) || !g.Resource.match(resource, false) {
			continue
		}
		if g.Effect == "Deny" {
			return false
		}
		yes = true
	}
	return yes
}

// match reports whether one of the patterns, with * and ? for any text and any
// character, is right for a name.
func (w words) match(name string, lower bool) bool {
	return slices.ContainsFunc(w, func(pattern string) bool {
		if lower {
			pattern = strings.ToLower(pattern)
		}
		text := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		ok, err := regexp.MatchString("^"+text+"$", name)
		return err == nil && ok
	})
}
