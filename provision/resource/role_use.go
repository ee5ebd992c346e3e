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

// executionPolicy is AWS's managed policy for execution roles. executionAllows are those of
// its actions that flows need; it allows them on all resources. It is the only managed
// policy whose content we know without reading it.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSTaskExecutionRolePolicy.html
const executionPolicy = "policy/service-role/AmazonECSTaskExecutionRolePolicy"

var executionAllows = []string{"logs:CreateLogStream", "logs:PutLogEvents"}

// Validate implements provision.Validator. It tells why the environment has a role of its
// own, and what keeps it from writing to the role.
func (r Role) Validate(have RoleState, found bool) (notes []provision.Note) {
	if !found && r.Chosen != "" {
		notes = append(notes, provision.Note{Severity: provision.Info, Text: "a role of its own, because " + r.Chosen})
	}
	if found && r.Unsafe != nil {
		if why := r.Unsafe(have); why != "" {
			notes = append(notes, provision.Note{Severity: provision.Error, Text: why + " → run `flowbed up` again: it then uses a role of its own"})
		}
	}
	return append(notes, r.room(have)...)
}

// CheckUse implements provision.UseChecker. It compares the permissions of an external role
// with those that our own role would have. It does not read the role's managed policies, so
// what they may allow is only a warning: a person must decide whether it is missing.
func (r Role) CheckUse(have RoleState) (notes []provision.Note) {
	severity := provision.Warn
	if r.Named && r.knownManaged(have) {
		severity = provision.Error
	}
	warn := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if severity == provision.Error {
			text += r.cure()
		}
		notes = append(notes, provision.Note{Severity: severity, Text: text})
	}
	trusted := services(have.Trust)
	for _, s := range services(r.Trust) {
		if !slices.Contains(trusted, s) {
			warn("%s does not allow %s to assume it, so flows cannot start", r.Name, s)
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
			granted = append(granted, grant{Effect: "Allow", Action: executionAllows, Resource: stringList{"*"}})
		} else {
			others++
		}
	}
	want := r.inline()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		for _, g := range grants(want[name]) {
			for _, missing := range g.missingFrom(granted) {
				text := r.Name + " does not allow " + missing
				if others > 0 {
					text += ", unless one of its other managed policies does"
				}
				warn("%s", text)
			}
		}
	}
	return notes
}

// knownManaged reports whether the content of all managed policies of the role is known.
func (r Role) knownManaged(have RoleState) bool {
	return !slices.ContainsFunc(have.Managed, func(arn string) bool { return !strings.HasSuffix(arn, executionPolicy) })
}

// cure is the hint for a role that lacks a permission without which no flow runs.
func (r Role) cure() string {
	return ` → name another role in the file, for example: execution_role { name = "` + r.ID.Names().ExecutionRole() + `" }, or allow it in ` + r.Name
}

// Suffices returns what a role that somebody else created lacks of this one; empty if it
// lacks nothing as far as flowbed can tell.
func (r Role) Suffices(have RoleState) string {
	for _, n := range r.CheckUse(have) {
		text, _, _ := strings.Cut(n.Text, " → ")
		return text
	}
	return ""
}

// CheckDelete implements provision.DeleteChecker. IAM deletes a role even if others use it.
// Only policies that flowbed did not add show that others use an account-wide role.
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
		"flowbed did not add the policy %[2]s to %[1]s, so others may use this role, which will be deleted → to keep it, set ownership = \"external\"",
		r.Name, setText(others))}}, nil
}

// grant is one statement of a policy. CheckUse ignores conditions, as if they always held.
type grant struct {
	Effect    string
	Action    stringList
	Resource  stringList
	Principal struct{ Service stringList }
}

// stringList is one string or a list of strings in JSON.
type stringList []string

func (w *stringList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = stringList{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

// grants returns the statements of a policy. It leaves out statements in forms that flowbed
// never writes.
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

// services returns the services that a trust policy allows to assume the role.
func services(trust string) (list []string) {
	for _, g := range grants(trust) {
		if g.Effect == "Allow" {
			list = append(list, g.Principal.Service...)
		}
	}
	return list
}

// missingFrom lists the actions that others do not allow, with their resources.
func (g grant) missingFrom(others []grant) (missing []string) {
	for _, a := range g.Action {
		for _, r := range g.Resource {
			if !allowed(others, a, r) {
				missing = append(missing, a+" on "+r)
			}
		}
	}
	return missing
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

// match reports whether a name matches one of the patterns. In a pattern, * matches any
// text and ? any character.
func (w stringList) match(name string, lower bool) bool {
	return slices.ContainsFunc(w, func(pattern string) bool {
		if lower {
			pattern = strings.ToLower(pattern)
		}
		text := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		ok, err := regexp.MatchString("^"+text+"$", name)
		return err == nil && ok
	})
}
