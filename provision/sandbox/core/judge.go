package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Verdict is the result of a policy evaluation.
type Verdict int

// The verdicts.
const (
	ImplicitDeny Verdict = iota // no statement allows it
	ExplicitDeny
	Allowed
)

// stored parses a policy that the account accepted before, so its principals exist. The
// same few documents judge every call, and parsing one costs more than judging by it, so each
// is parsed once. Callers share the policy and must not change it.
func stored(document string, kind PolicyKind) (Policy, string) {
	type key struct {
		document string
		kind     PolicyKind
	}
	type result struct {
		policy Policy
		wrong  string
	}
	if r, is := policies.Load(key{document, kind}); is {
		return r.(result).policy, r.(result).wrong
	}
	p, wrong := ParsePolicy(document, kind, func(string) bool { return true })
	policies.Store(key{document, kind}, result{p, wrong})
	return p, wrong
}

// policies are the results of stored, by document and kind.
var policies sync.Map

// Judge evaluates an identity's policy for an access.
func Judge(document string, a Access) (v Verdict, err error) {
	p, wrong := stored(document, IdentityPolicy)
	if wrong != "" {
		return v, Fail("MalformedPolicyDocument", "%s", wrong)
	}
	for _, s := range p.Statement {
		applies, err := s.applies(a)
		switch {
		case err != nil:
			return v, err
		case applies && s.Effect == "Deny":
			return ExplicitDeny, nil
		case applies:
			v = Allowed
		}
	}
	return v, nil
}

// JudgeAll evaluates all policies of an identity for an access. A statement that denies
// the access overrides those that allow it.
func JudgeAll(documents []string, a Access) (v Verdict, err error) {
	for _, d := range documents {
		one, err := Judge(d, a)
		switch {
		case err != nil:
			return v, err
		case one == ExplicitDeny:
			return ExplicitDeny, nil
		case one == Allowed:
			v = Allowed
		}
	}
	return v, nil
}

// JudgeService evaluates the policy of a resource for an access by an AWS service, such as
// "events.amazonaws.com". A service has no identity policy, so only this policy counts.
func JudgeService(document, service string, a Access) (v Verdict, err error) {
	p, wrong := stored(document, KeyPolicy)
	if wrong != "" {
		return v, Fail("MalformedPolicyDocument", "%s", wrong)
	}
	for _, s := range p.Statement {
		applies, err := s.applies(a)
		switch {
		case err != nil:
			return v, err
		case !applies || !s.isAbout(service):
		case s.Effect == "Deny":
			return ExplicitDeny, nil
		default:
			v = Allowed
		}
	}
	return v, nil
}

// JudgeKey evaluates the policy of a KMS key for an access by an identity of the account: what
// the statements say that name the identity, and what those say that name the account.
func JudgeKey(document, account, identity string, a Access) (named, whole Verdict, err error) {
	p, wrong := stored(document, KeyPolicy)
	if wrong != "" {
		return named, whole, Fail("MalformedPolicyDocumentException", "%s", wrong)
	}
	a = a.WithContext("kms:CallerAccount", account).WithContext("aws:PrincipalAccount", account)
	for _, s := range p.Statement {
		applies, err := s.applies(a)
		if err != nil {
			return named, whole, err
		}
		if !applies || s.Principal == nil {
			continue
		}
		for _, principal := range (*s.Principal)["AWS"] {
			v := &named
			switch {
			case principal == account || strings.HasSuffix(principal, ":iam::"+account+":root"):
				v = &whole
			case principal != "*" && principal != identity && !isRole(principal, identity):
				continue
			}
			if s.Effect == "Deny" {
				*v = ExplicitDeny
			} else if *v != ExplicitDeny {
				*v = Allowed
			}
		}
	}
	return named, whole, nil
}

// isRole reports whether an identity is a session of a role.
func isRole(arn, session string) bool {
	_, name, is := strings.Cut(session, ":assumed-role/")
	name, _, _ = strings.Cut(name, "/")
	return is && strings.Contains(arn, ":role/") && arn[strings.LastIndex(arn, "/")+1:] == name
}

// isAbout reports whether a statement is about a service, or about everybody.
func (s Statement) isAbout(service string) bool {
	if s.Principal == nil {
		return false
	}
	p := *s.Principal
	return slices.Contains(p["Service"], service) || slices.Contains(p["AWS"], "*")
}

func (s Statement) applies(a Access) (bool, error) {
	if len(s.NotAction) > 0 {
		return false, Fail("NotImplemented", "the sandbox does not support NotAction")
	}
	action := slices.ContainsFunc(s.Action, func(p string) bool { return Wild(strings.ToLower(p), strings.ToLower(a.Action)) })
	if !action || !s.covers(a.Resource) {
		return false, nil
	}
	for operator, keys := range s.Condition {
		for key, want := range keys {
			ok, err := holds(operator, list(want), a.Context[strings.ToLower(key)])
			if err != nil || !ok {
				return false, err
			}
		}
	}
	return true, nil
}

// covers reports whether a statement is about a resource.
func (s Statement) covers(resource string) bool {
	matches := func(p string) bool { return Wild(p, resource) }
	if len(s.NotResource) > 0 {
		return !slices.ContainsFunc(s.NotResource, matches)
	}
	return slices.ContainsFunc(s.Resource, matches)
}

// holds evaluates the condition operators that flowbed uses, and those with which an
// organization demands something. A negated operator also holds for a key that the call does
// not have.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func holds(operator string, want, have []string) (bool, error) {
	for _, kind := range []string{"String", "Arn"} {
		if rest, negated := strings.CutPrefix(operator, kind+"Not"); negated {
			ok, err := holds(kind+rest, want, have)
			return !ok, err
		}
	}
	same := func(want, have string) bool { return want == have }
	switch operator {
	case "Null":
		return slices.Contains(want, strconv.FormatBool(len(have) == 0)), nil
	case "StringEquals", "Bool":
	case "StringLike", "ArnLike", "ArnEquals": // AWS treats these the same for ARNs
		same = Wild
	default:
		return false, Fail("NotImplemented", "the sandbox does not support the condition operator %s", operator)
	}
	return slices.ContainsFunc(have, func(h string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return same(w, h) })
	}), nil
}

// list returns a JSON string, or a list of strings, as a list.
func list(v any) (texts []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case []any:
		for _, e := range v {
			texts = append(texts, fmt.Sprint(e))
		}
	}
	return texts
}
