package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
)

// policy is a policy document of IAM or S3, as far as its grammar goes:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type policy struct {
	Version   string
	ID        string `json:"Id"`
	Statement statements
}

type statement struct {
	Sid                   string
	Effect                string
	Principal             *principal
	NotPrincipal          *principal
	Action, NotAction     texts
	Resource, NotResource texts
	Condition             map[string]map[string]any
}

// statements are one statement or a list of them.
type statements []statement

func (s *statements) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return strictJSON(b, (*[]statement)(s))
	}
	*s = make(statements, 1)
	return strictJSON(b, &(*s)[0])
}

// texts are one text or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return json.Unmarshal(b, (*[]string)(t))
	}
	*t = make(texts, 1)
	return json.Unmarshal(b, &(*t)[0])
}

// principal is who a statement is about, by kind: "AWS", "Service", …
type principal map[string]texts

func (p *principal) UnmarshalJSON(b []byte) error {
	if string(bytes.TrimSpace(b)) == `"*"` {
		*p = principal{"AWS": {"*"}}
		return nil
	}
	return json.Unmarshal(b, (*map[string]texts)(p))
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

// policyKind says which elements a document must and must not have.
type policyKind int

const (
	identityPolicy policyKind = iota
	trustPolicy
	bucketPolicy
)

var (
	policySid      = regexp.MustCompile(`^[A-Za-z0-9]*$`)
	policyAction   = regexp.MustCompile(`^(\*|[A-Za-z0-9-]+:[\w*?-]+)$`)
	policyResource = regexp.MustCompile(`^(\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+)$`)
	policyService  = regexp.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$`)
)

// parsePolicy reads a document. If it is not valid, the text says why, in AWS's
// words as far as they are known.
func (r *request) parsePolicy(text string, kind policyKind) (p policy, wrong string) {
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
		if wrong := r.checkStatement(s, kind); wrong != "" {
			return p, wrong
		}
	}
	return p, ""
}

// checkStatement says what is wrong with a statement; of several things only one.
func (r *request) checkStatement(s statement, kind policyKind) string {
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return "Syntax errors in policy."
	}
	if kind != bucketPolicy && !policySid.MatchString(s.Sid) {
		return "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	}
	return cmp.Or(s.checkActions(), s.misplaced(kind), s.checkResources(kind), r.checkPrincipals(s, kind))
}

func (s statement) checkActions() string {
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
func (s statement) misplaced(kind policyKind) string {
	switch {
	case kind == identityPolicy && (s.Principal != nil || s.NotPrincipal != nil):
		return "Policy document should not specify a principal."
	case kind == trustPolicy && (s.Resource != nil || s.NotResource != nil):
		return "Has prohibited field Resource"
	}
	return ""
}

func (s statement) checkResources(kind policyKind) string {
	if kind == trustPolicy {
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

func (r *request) checkPrincipals(s statement, kind policyKind) string {
	if kind == identityPolicy {
		return ""
	}
	if (s.Principal == nil) == (s.NotPrincipal == nil) {
		return "Missing required field Principal"
	}
	return cmp.Or(r.checkPrincipal(s.Principal), r.checkPrincipal(s.NotPrincipal))
}

func (r *request) checkPrincipal(p *principal) string {
	if p == nil {
		return ""
	}
	for kind, names := range *p {
		for _, n := range names {
			ok := n != ""
			switch kind {
			case "AWS":
				ok = r.knownPrincipal(n)
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

// knownPrincipal reports whether a name can be a principal: AWS refuses the
// roles of this account that it does not know, those just deleted included.
func (r *request) knownPrincipal(name string) bool {
	if name == "*" || len(name) == 12 && strings.Trim(name, "0123456789") == "" {
		return true
	}
	part := strings.SplitN(name, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[2] != "iam" && part[2] != "sts" {
		return false
	}
	if part[4] != r.Account || !strings.HasPrefix(part[5], "role/") {
		return true
	}
	_, role, _ := strings.Cut(name, ":role")
	known := r.IAM.role(role[strings.LastIndex(role, "/")+1:])
	return known != nil && known.ARN == name
}

// sizeWithoutSpace is how IAM measures a policy: without white space.
func sizeWithoutSpace(text string) (n int) {
	for _, c := range text {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}
