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

// Policy is a policy document of IAM or S3, as far as its grammar goes:
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

// Statements are one statement or a list of them.
type Statements []Statement

// UnmarshalJSON reads either.
func (s *Statements) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return strictJSON(b, (*[]Statement)(s))
	}
	*s = make(Statements, 1)
	return strictJSON(b, &(*s)[0])
}

// Texts are one text or a list of them.
type Texts []string

// UnmarshalJSON reads either.
func (t *Texts) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return json.Unmarshal(b, (*[]string)(t))
	}
	*t = make(Texts, 1)
	return json.Unmarshal(b, &(*t)[0])
}

// Principal is who a statement is about, by kind: "AWS", "Service", …
type Principal map[string]Texts

// UnmarshalJSON also reads "*", which is everybody.
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

// PolicyKind says which elements a document must and must not have.
type PolicyKind int

// The kinds: what an identity may do, who may take a role, who may do what to a
// resource.
const (
	IdentityPolicy PolicyKind = iota
	TrustPolicy
	ResourcePolicy
)

var (
	policySid      = regexp.MustCompile(`^[A-Za-z0-9]*$`)
	policyAction   = regexp.MustCompile(`^(\*|[A-Za-z0-9-]+:[\w*?-]+)$`)
	policyResource = regexp.MustCompile(`^(\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+)$`)
	policyService  = regexp.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$`)
)

// ParsePolicy reads a document. If it is not valid, the text says why, in AWS's
// words as far as they are known. The account knows the names of principals by
// known, which a policy of an identity, having none, does without.
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

// check says what is wrong with a statement; of several things only one.
func (s Statement) check(kind PolicyKind, known func(string) bool) string {
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return "Syntax errors in policy."
	}
	if kind != ResourcePolicy && !policySid.MatchString(s.Sid) {
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

// misplaced are the elements which are left out of a policy that hangs on what
// they would name.
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
	if kind == TrustPolicy {
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
