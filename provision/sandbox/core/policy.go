package core

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Policy is an IAM or S3 policy document. The grammar:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type Policy struct {
	Version   string
	ID        string `json:"Id"`
	Statement Statements
}

// Statement is one of a policy's statements.
type Statement struct {
	Sid                   string
	Effect                string
	Principal             *Principal
	NotPrincipal          *Principal
	Action, NotAction     Texts
	Resource, NotResource Texts
	Condition             map[string]map[string]any
}

// Statements is one statement or a list of statements.
type Statements []Statement

// UnmarshalJSON reads either.
func (s *Statements) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return strictJSON(b, (*[]Statement)(s))
	}
	*s = make(Statements, 1)
	return strictJSON(b, &(*s)[0])
}

// Texts is one string or a list of strings.
type Texts []string

// UnmarshalJSON reads either.
func (t *Texts) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return json.Unmarshal(b, (*[]string)(t))
	}
	*t = make(Texts, 1)
	return json.Unmarshal(b, &(*t)[0])
}

// Principal says whom a statement applies to, by kind: "AWS", "Service", …
type Principal map[string]Texts

// UnmarshalJSON also reads "*", which means everybody.
func (p *Principal) UnmarshalJSON(b []byte) error {
	if string(bytes.TrimSpace(b)) == `"*"` {
		*p = Principal{"AWS": {"*"}}
		return nil
	}
	return json.Unmarshal(b, (*map[string]Texts)(p))
}

func strictJSON(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("text after the document")
	}
	return nil
}

// PolicyKind says which elements a document must have, and which it must not.
type PolicyKind int

// The kinds: identity policies, trust policies, resource policies and the policies of KMS keys.
const (
	IdentityPolicy PolicyKind = iota
	TrustPolicy
	ResourcePolicy
	KeyPolicy
)

var (
	policySid      = regexp.MustCompile(`^[A-Za-z0-9]*$`)
	policyAction   = regexp.MustCompile(`^(\*|[A-Za-z0-9-]+:[\w*?-]+)$`)
	policyResource = regexp.MustCompile(`^(\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+)$`)
	policyService  = regexp.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$`)
)

// ParsePolicy parses a document. If the document is not valid, wrong says why, in
// AWS's own words where we know them. known reports whether a principal exists; it
// may be nil for an identity policy, which has no principals.
func ParsePolicy(text string, kind PolicyKind, known func(principal string) bool) (p Policy, wrong string) {
	if err := strictJSON([]byte(text), &p); err != nil {
		return p, "Syntax errors in policy."
	}
	if p.Version != "" && p.Version != "2012-10-17" && p.Version != "2008-10-17" {
		return p, "Syntax errors in policy."
	}
	if len(p.Statement) == 0 {
		return p, "Syntax errors in policy."
	}
	sids := map[string]bool{}
	for _, s := range p.Statement {
		if s.Sid != "" && sids[s.Sid] {
			return p, "Statement IDs (SID) in a single policy must be unique."
		}
		sids[s.Sid] = true
		if wrong := s.check(kind, known); wrong != "" {
			return p, wrong
		}
	}
	return p, ""
}

// check returns the first error in a statement, or "".
func (s Statement) check(kind PolicyKind, known func(string) bool) string {
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return "Syntax errors in policy."
	}
	if kind < ResourcePolicy && !policySid.MatchString(s.Sid) {
		return "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	}
	return cmp.Or(s.checkActions(), s.misplaced(kind), s.checkResources(kind), s.checkPrincipals(kind, known))
}

func (s Statement) checkActions() string {
	if (len(s.Action) == 0) == (len(s.NotAction) == 0) {
		return "Policy statement must contain actions."
	}
	for _, a := range append(s.Action, s.NotAction...) {
		if !policyAction.MatchString(a) {
			return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
		}
	}
	return ""
}

// misplaced rejects the element that a policy of this kind must not have, because
// the policy is attached to what that element would name.
func (s Statement) misplaced(kind PolicyKind) string {
	switch {
	case kind == IdentityPolicy && (s.Principal != nil || s.NotPrincipal != nil):
		return "Policy document should not specify a principal."
	case kind == TrustPolicy && (s.Resource != nil || s.NotResource != nil):
		return "Has prohibited field Resource"
	}
	return ""
}

func (s Statement) checkResources(kind PolicyKind) string {
	// KMS accepts a statement without a resource, which then has no effect:
	// https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
	if kind == TrustPolicy || kind == KeyPolicy && len(s.Resource)+len(s.NotResource) == 0 {
		return ""
	}
	if (len(s.Resource) == 0) == (len(s.NotResource) == 0) {
		return "Policy statement must contain resources."
	}
	for _, a := range append(s.Resource, s.NotResource...) {
		if !policyResource.MatchString(a) {
			return fmt.Sprintf("Resource %s must be in ARN format or \"*\".", a)
		}
	}
	return ""
}

func (s Statement) checkPrincipals(kind PolicyKind, known func(string) bool) string {
	if kind == IdentityPolicy {
		return ""
	}
	if (s.Principal == nil) == (s.NotPrincipal == nil) {
		return "Missing required field Principal"
	}
	return cmp.Or(s.Principal.check(known), s.NotPrincipal.check(known))
}

func (p *Principal) check(known func(string) bool) string {
	if p == nil {
		return ""
	}
	for kind, names := range *p {
		for _, n := range names {
			ok := n != ""
			switch kind {
			case "AWS":
				ok = known(n)
			case "Service":
				ok = policyService.MatchString(n)
			case "Federated", "CanonicalUser":
			default:
				return "Syntax errors in policy."
			}
			if !ok {
				return fmt.Sprintf("Invalid principal in policy: %q:%q", strings.ToUpper(kind), n)
			}
		}
	}
	return ""
}
