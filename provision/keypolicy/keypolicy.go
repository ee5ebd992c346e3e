// Package keypolicy says what the policy of a KMS key must allow, whether it does, and how to
// write what is missing.
//
// Services use a key in two ways: some by themselves, under their own name, and others in the
// name of whoever calls them. The second kind is a question to the policies of IAM, too, but a
// key's policy must admit them. What a policy says may depend on conditions that flowbed does
// not know; then the answer is that it cannot tell, which is neither yes nor no.
package keypolicy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Use is a way in which a key is used.
type Use struct {
	For string // what for, in words that can follow "for"
	By  string // the principal of a service; empty for roles and users of the key's account

	// Role is the ARN of the role that uses the key; empty for whoever runs flowbed, or a service.
	Role string

	Actions []string

	// Written are the actions as AWS's documentation has them in a policy, if that is not Actions.
	Written []string

	// Context has the values of condition keys that AWS sends with the use.
	Context map[string]string
}

// Via is the condition key with which AWS names the service that uses a key in somebody's name.
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
const Via = "kms:ViaService"

// Service is the value of Via for a service, such as "s3".
func Service(partition, region, service string) string {
	name := service + "." + region + ".amazonaws.com"
	if partition == "aws-cn" {
		name += ".cn"
	}
	return name
}

// Who is the user of the key, in words.
func (u Use) Who() string {
	switch {
	case u.By != "":
		return u.By
	case u.Role != "":
		return u.Role
	}
	return "whoever runs flowbed"
}

// Verdict is what a policy says of a use.
type Verdict int

// The verdicts.
const (
	Denied  Verdict = iota // no statement allows it, or one denies it
	Unsure                 // it depends on a condition that flowbed cannot evaluate
	Allowed                // for users and roles: if IAM's policies allow it, too
)

// Policy is the policy of one key.
type Policy struct {
	key        string // its ARN
	account    string
	statements []statement
}

type statement struct {
	Effect                string
	Principal             principal
	NotPrincipal          json.RawMessage
	Action, NotAction     texts
	Resource, NotResource texts
	Condition             map[string]map[string]texts
}

// principal has names by kind, such as "AWS" or "Service".
type principal map[string]texts

// UnmarshalJSON also reads "*", which means everybody.
func (p *principal) UnmarshalJSON(b []byte) error {
	if string(b) == `"*"` {
		*p = principal{"AWS": {"*"}}
		return nil
	}
	return json.Unmarshal(b, (*map[string]texts)(p))
}

// texts is one value or a list of values. Booleans and numbers may stand without quotes.
type texts []string

// UnmarshalJSON reads either.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one any
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	all, many := one.([]any)
	if !many {
		all = []any{one}
	}
	*t = nil
	for _, v := range all {
		switch v := v.(type) {
		case string:
			*t = append(*t, v)
		case bool:
			*t = append(*t, strconv.FormatBool(v))
		case float64: // of a numeric condition, such as the age of the MFA in seconds
			*t = append(*t, strconv.FormatFloat(v, 'f', -1, 64))
		default:
			return fmt.Errorf("unexpected value %v", v)
		}
	}
	return nil
}

// Parse reads the policy of a key.
func Parse(key, document string) (Policy, error) {
	p := Policy{key: key}
	if f := strings.Split(key, ":"); len(f) == 6 {
		p.account = f[4]
	}
	var doc struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return p, fmt.Errorf("read key policy: %w", err)
	}
	if json.Unmarshal(doc.Statement, &p.statements) == nil {
		return p, nil
	}
	p.statements = make([]statement, 1)
	if err := json.Unmarshal(doc.Statement, &p.statements[0]); err != nil {
		return p, fmt.Errorf("read key policy: %w", err)
	}
	return p, nil
}

// Judge tells which of the actions of a use the policy does not certainly allow, in the order of
// the use: those that it denies, and those of which flowbed cannot tell.
func (p Policy) Judge(u Use) (denied, unsure []string) {
	for _, a := range u.Actions {
		switch p.judge(u, a) {
		case Denied:
			denied = append(denied, a)
		case Unsure:
			unsure = append(unsure, a)
		case Allowed:
		}
	}
	return denied, unsure
}

func (p Policy) judge(u Use, action string) Verdict {
	v := Denied
	for _, s := range p.statements {
		covers := p.covers(s, u, action)
		if s.Effect != "Deny" {
			v = max(v, covers)
		} else if covers == Allowed { // it applies, so nothing else counts
			return Denied
		}
	}
	if v == Allowed && p.mayDeny(u, action) {
		return Unsure
	}
	return v
}

// mayDeny reports whether a statement may deny a use.
func (p Policy) mayDeny(u Use, action string) bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool {
		return s.Effect == "Deny" && p.covers(s, u, action) == Unsure
	})
}

// covers tells whether a statement is about a use: Allowed means that it is.
func (p Policy) covers(s statement, u Use, action string) Verdict {
	if !slices.ContainsFunc(s.Action, func(a string) bool { return matches(strings.ToLower(a), strings.ToLower(action)) }) && len(s.NotAction) == 0 {
		return Denied
	}
	// In a key's policy, the only resource is the key. Without one, a statement has no effect.
	if !slices.ContainsFunc(s.Resource, func(r string) bool { return matches(r, p.key) }) && len(s.NotResource) == 0 {
		return Denied
	}
	v := min(p.names(s, u), conditions(s.Condition, p.context(u, action)))
	if v == Allowed && (len(s.NotAction) > 0 || len(s.NotResource) > 0) {
		return Unsure
	}
	return v
}

// names tells whether a statement names the user of the key.
func (p Policy) names(s statement, u Use) Verdict {
	if len(s.NotPrincipal) > 0 {
		return Unsure
	}
	if u.By != "" {
		if slices.Contains(s.Principal["Service"], u.By) || slices.Contains(s.Principal["AWS"], "*") {
			return Allowed
		}
		return Denied
	}
	v := Denied
	for _, name := range s.Principal["AWS"] {
		switch {
		case name == "*", name == p.account, strings.HasSuffix(name, ":iam::"+p.account+":root"), name == u.Role && name != "":
			return Allowed
		case u.Role == "" && strings.Contains(name, "::"+p.account+":"): // perhaps whoever runs flowbed
			v = Unsure
		}
	}
	return v
}

// context has the condition keys of a use, in lower case. Some are sent with all uses by users
// and roles, and one with grants that a service makes.
func (p Policy) context(u Use, action string) map[string]string {
	c := map[string]string{}
	if u.By == "" {
		c["kms:calleraccount"], c["aws:principalaccount"] = p.account, p.account
	}
	for k, v := range u.Context {
		c[strings.ToLower(k)] = v
	}
	if action != "kms:CreateGrant" {
		delete(c, "kms:grantisforawsresource")
	}
	return c
}

// conditions evaluates the conditions of a statement.
func conditions(all map[string]map[string]texts, context map[string]string) Verdict {
	v := Allowed
	for operator, keys := range all {
		for key, want := range keys {
			v = min(v, condition(operator, key, want, context))
		}
	}
	return v
}

// never are the condition keys that AWS does not send with the uses that flowbed knows, if it
// does not say so in the context of the use.
func never(key string) bool {
	return key == "kms:viaservice" || key == "kms:grantisforawsresource" || key == "kms:calleraccount"
}

func condition(operator, key string, want texts, context map[string]string) Verdict {
	key = strings.ToLower(key)
	have, sent := context[key]
	operator, optional := strings.CutSuffix(operator, "IfExists")
	same, known := operators[operator]
	switch {
	case !known: // those that are negated also hold for a key that is not sent
		return Unsure
	case !sent && !never(key):
		return Unsure
	case !sent && optional:
		return Allowed
	case !sent:
		return Denied
	}
	v := Denied
	for _, w := range want {
		switch {
		case strings.Contains(w, "${"): // a policy variable
			v = max(v, Unsure)
		case same(w, have):
			v = Allowed
		}
	}
	return v
}

// operators are those that flowbed can evaluate.
var operators = map[string]func(want, have string) bool{
	"StringEquals": func(want, have string) bool { return want == have }, "StringEqualsIgnoreCase": strings.EqualFold, "Bool": strings.EqualFold,
	"StringLike": matches, "ArnLike": matches, "ArnEquals": matches,
}

// matches reports whether a text matches a pattern, in which * stands for any text and ? for
// any character. After a mismatch, only the last * takes more: a pattern with many of them would
// otherwise take for ever.
func matches(pattern, text string) bool {
	star, from := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// Statements returns the statements of a key's policy that allow the uses, as JSON with indented
// lines: one for the account, whose IAM policies then decide, and one for each service. They are
// to be added to the policy of the key.
func Statements(partition, account string, uses []Use) string {
	type written struct {
		Sid       string
		Effect    string
		Principal map[string]string
		Action    []string
		Resource  string
		Condition map[string]map[string]string `json:",omitempty"`
	}
	list := []written{{
		Sid: "Account", Effect: "Allow", Principal: map[string]string{"AWS": "arn:" + partition + ":iam::" + account + ":root"},
		Action: []string{"kms:*"}, Resource: "*",
	}}
	for _, u := range uses {
		if u.By == "" {
			continue
		}
		first, _, _ := strings.Cut(u.By, ".")
		s := written{
			Sid: strings.ToUpper(first[:1]) + first[1:], Effect: "Allow", Principal: map[string]string{"Service": u.By}, Action: u.Written, Resource: "*",
		}
		if len(s.Action) == 0 {
			s.Action = u.Actions
		}
		for _, k := range slices.Sorted(maps.Keys(u.Context)) {
			if !strings.HasPrefix(k, "kms:EncryptionContext:") {
				continue
			}
			if s.Condition == nil {
				s.Condition = map[string]map[string]string{"ArnEquals": {}}
			}
			s.Condition["ArnEquals"][k] = u.Context[k]
		}
		list = append(list, s)
	}
	b, err := json.MarshalIndent(struct {
		Version   string
		Statement []written
	}{"2012-10-17", list}, "", "  ")
	if err != nil {
		panic("keypolicy: " + err.Error()) // plain data
	}
	return string(b) + "\n"
}
