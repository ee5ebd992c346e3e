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

// executionPolicy is AWS's managed policy for execution roles. executionAllows are its
// actions; it allows them on all resources. It is the only managed policy whose content we
// know without reading it.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSTaskExecutionRolePolicy.html
const executionPolicy = "policy/service-role/AmazonECSTaskExecutionRolePolicy"

var (
	executionAllows = slices.Concat([]string{"logs:CreateLogStream", "logs:PutLogEvents", pullToken}, pullActions)

	pullActions = []string{"ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"}
)

const pullToken = "ecr:GetAuthorizationToken" // AWS offers no narrower scope than all resources

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
	notes = append(notes, r.foreignBoundary(have)...)
	return append(notes, r.room(have)...)
}

// CheckUse implements provision.UseChecker. It compares the permissions of an external role
// with what the environment needs. It does not read the role's managed policies, so what
// they may allow is only a warning, as is what flowbed may not read: a person must decide
// whether it is missing.
func (r Role) CheckUse(have RoleState) []provision.Note {
	notes := r.lacks(have)
	if have.Boundary != "" {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(
			"%s has the permissions boundary %s, which may deny what its policies allow", r.Name, have.Boundary)})
	}
	return notes
}

// lacks returns what a role lacks, as far as flowbed can tell.
func (r Role) lacks(have RoleState) (notes []provision.Note) {
	if have.Hidden != "" {
		return []provision.Note{{Severity: provision.Warn, Text: fmt.Sprintf(
			"cannot tell whether %s allows what flows need: reading it needs %s", r.Name, have.Hidden)}}
	}
	granted, others := have.granted()
	severity := provision.Warn
	if r.Named && !others {
		severity = provision.Error
	}
	warn := func(format string, args ...any) {
		notes = append(notes, r.lack(severity, fmt.Sprintf(format, args...)))
	}
	notes = r.lacksTrust(have, severity)
	for _, arn := range r.Managed {
		if !slices.Contains(have.Managed, arn) && !strings.HasSuffix(arn, executionPolicy) {
			warn("%s lacks the managed policy %s", r.Name, arn)
		}
	}
	unless := ""
	if others {
		unless = ", unless one of its other managed policies does"
	}
	for _, need := range r.needs() {
		for _, missing := range need.missingFrom(granted) {
			warn("%s", r.Name+" does not allow "+missing+unless)
		}
	}
	if r.Pull == "" && r.forExecution() && !allowed(granted, pullToken, "*") {
		notes = append(notes, provision.Note{Severity: provision.Info, Text: r.Name + " does not allow to pull images from ECR" + unless + ": flows with such an image cannot start"})
	}
	return notes
}

// lack is a note about something that the role lacks.
func (r Role) lack(severity provision.Severity, text string) provision.Note {
	if severity == provision.Error {
		text += r.cure()
	}
	return provision.Note{Severity: severity, Text: text}
}

// lacksTrust returns who may not assume the role. For the agent's, that is an error, because no
// policy of the role makes up for it.
func (r Role) lacksTrust(have RoleState, severity provision.Severity) (notes []provision.Note) {
	if r.Named && r.Advice != "" {
		severity = provision.Error
	}
	for _, s := range untrusted(services(r.Trust), services(have.Trust)) {
		notes = append(notes, r.lack(severity, r.Name+" does not allow "+s+" to assume it, so flows cannot start"))
	}
	return notes
}

// untrusted returns those services that may not assume the role.
func untrusted(want, have []string) []string {
	return slices.DeleteFunc(want, func(s string) bool { return slices.Contains(have, s) })
}

// granted returns the statements of the role's policies, and whether it has managed policies
// whose content is unknown.
func (s RoleState) granted() (list []grant, others bool) {
	for _, name := range slices.Sorted(maps.Keys(s.Inline)) {
		list = append(list, grants(s.Inline[name])...)
	}
	for _, arn := range s.Managed {
		if !strings.HasSuffix(arn, executionPolicy) {
			others = true
			continue
		}
		list = append(list, grant{Effect: "Allow", Action: executionAllows, Resource: stringList{"*"}})
	}
	return list, others
}

// needs returns what the environment needs: the content of its own inline policies, and to
// pull its image.
//
// It leaves out to decrypt secrets of others: only secrets with a customer key need that, and
// flowbed does not read which key a secret has. With the key of the file, it does know.
func (r Role) needs() (list []grant) {
	want := r.inline()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		list = append(list, slices.DeleteFunc(grants(want[name]), func(g grant) bool {
			return slices.Contains(g.Action, "kms:Decrypt") && slices.ContainsFunc(g.Resource, func(r string) bool { return strings.HasSuffix(r, ":key/*") })
		})...)
	}
	if r.Pull != "" {
		list = append(list, pulling(r.Pull)...)
	}
	return list
}

// pulling is what ECS needs to pull an image from a repository.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/ECR_on_ECS.html
func pulling(repository string) []grant {
	return []grant{
		{Action: stringList{pullToken}, Resource: stringList{"*"}}, {Action: pullActions, Resource: stringList{repository}},
	}
}

// forExecution reports whether this is an execution role.
func (r Role) forExecution() bool {
	return slices.ContainsFunc(r.Managed, func(arn string) bool { return strings.HasSuffix(arn, executionPolicy) })
}

// cure is the hint for a role that lacks a permission without which no flow runs.
func (r Role) cure() string {
	if r.Advice != "" {
		return " → " + r.Advice
	}
	return ` → name another role in the file, for example: execution_role { name = "` + r.ID.Names().ExecutionRole() + `" }, or allow it in ` + r.Name
}

// Suffices returns what a role that somebody else created lacks of this one; empty if it
// lacks nothing as far as flowbed can tell.
func (r Role) Suffices(have RoleState) string {
	for _, n := range r.lacks(have) {
		text, _, _ := strings.Cut(n.Text, " → ")
		return text
	}
	return ""
}

// CheckDelete implements provision.DeleteChecker. IAM deletes a role even if others use it.
// Only policies that flowbed did not add show that others use an account-wide role. IAM does
// not delete a role in an instance profile.
func (r Role) CheckDelete(ctx context.Context, have RoleState) ([]provision.Note, error) {
	notes, err := r.foreignProfiles(ctx)
	if !r.Shared || err != nil {
		return notes, err
	}
	want, others := r.inline(), slices.Clone(have.Managed)
	for name := range have.Inline {
		if _, ours := want[name]; !ours && !derived(name) {
			others = append(others, name)
		}
	}
	others = slices.DeleteFunc(others, func(p string) bool { return slices.Contains(r.Managed, p) })
	if len(others) == 0 {
		return notes, nil
	}
	return append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(
		"flowbed did not add the policy %[2]s to %[1]s, so others may use this role, which will be deleted → to keep it, set ownership = \"external\"",
		r.Name, setText(others))}), nil
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

// statementsOf returns the statements of a policy, of which there may be one without a list.
func statementsOf(policy string) (list []json.RawMessage) {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(policy), &doc) != nil {
		return nil
	}
	if json.Unmarshal(doc.Statement, &list) != nil {
		list = []json.RawMessage{doc.Statement}
	}
	return list
}

// grants returns the statements of a policy. It leaves out statements in forms that flowbed
// never writes.
func grants(policy string) (list []grant) {
	for _, s := range statementsOf(policy) {
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
