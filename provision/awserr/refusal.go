package awserr

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/smithy-go"
)

// Refusal is what AWS says about a call that it does not allow, as far as it
// says anything: its parts may be empty.
type Refusal struct {
	Caller   string // ARN
	Action   string // for example "iam:CreateRole"
	Resource string // an ARN, or what the message has instead, as "role x"
	Kind     string // of the policy that denies, in AWS's words: "identity-based policy"
	Policy   string // that policy's ARN
	Explicit bool   // a Deny statement denies, as opposed to no Allow statement allowing
	Encoded  string // EC2's message, for sts:DecodeAuthorizationMessage
}

// AWS's messages have one form in all services that follow it, in three parts
// of which all but the first may be missing; S3 puts the resource in quotes, and
// EC2 adds an encoded message:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
var (
	refusalWho      = regexp.MustCompile(`User: (\S+) is not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z0-9]+)`)
	refusalWhat     = regexp.MustCompile(` on resource: (.+?)(?: because no | with an explicit deny |\.? Encoded authorization|\.?\s*$)`)
	refusalExplicit = regexp.MustCompile(`with an explicit deny in an? ([A-Za-z -]*?policy|permissions boundary)(?:: ?(arn:\S+))?`)
	refusalImplicit = regexp.MustCompile(`\bno ([A-Za-z -]*?policy|permissions boundary) allows`)
	refusalEncoded  = regexp.MustCompile(`Encoded authorization failure message: ([A-Za-z0-9_+/=-]+)`)
)

// ParseRefusal takes a message of AWS apart.
func ParseRefusal(message string) (r Refusal) {
	if m := refusalWho.FindStringSubmatch(message); m != nil {
		r.Caller, r.Action = m[1], m[2]
	}
	if m := refusalWhat.FindStringSubmatch(message); m != nil {
		r.Resource = strings.Trim(m[1], `"' `)
	}
	if m := refusalEncoded.FindStringSubmatch(message); m != nil {
		r.Encoded = m[1]
	}
	if m := refusalExplicit.FindStringSubmatch(message); m != nil {
		r.Kind, r.Policy, r.Explicit = m[1], strings.TrimRight(m[2], ".,"), true
	} else if m := refusalImplicit.FindStringSubmatch(message); m != nil {
		r.Kind = m[1]
	}
	return r
}

// RefusalOf is the refusal that an error is; ok is false if it is none.
func RefusalOf(err error) (r Refusal, ok bool) {
	if Classify(err) != Denied {
		return r, false
	}
	if api, is := errors.AsType[smithy.APIError](err); is {
		r = ParseRefusal(api.ErrorMessage())
	}
	if r.Action == "" && Service(err) != "" {
		r.Action = Action(Service(err), Operation(err))
	}
	return r, true
}

// Decoded adds what the decoded form of an EC2 message says, a JSON document:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
func (r Refusal) Decoded(document string) (Refusal, error) {
	var d struct {
		ExplicitDeny bool `json:"explicitDeny"`
		Context      struct {
			Principal struct {
				ARN string `json:"arn"`
			} `json:"principal"`
			Action   string `json:"action"`
			Resource string `json:"resource"`
		} `json:"context"`
	}
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return r, fmt.Errorf("read the decoded message: %w", err)
	}
	// The message may name a call, the decoded form the part of it that was refused.
	if d.Context.Action != "" {
		r.Action = d.Context.Action
	}
	if d.Context.Resource != "" {
		r.Resource = d.Context.Resource
	}
	if r.Caller == "" {
		r.Caller = d.Context.Principal.ARN
	}
	r.Explicit = r.Explicit || d.ExplicitDeny
	return r, nil
}

// whose says where a kind of policy is to be looked for, and who can change it.
var whose = map[string]struct{ where, todo string }{
	"identity-based policy":   {"the identity's policies", toAllow},
	"permissions boundary":    {"the identity's permissions boundary", "whoever set the boundary has to allow it there, too"},
	"session policy":          {"the session policy", "log in again without it, or with one that allows this"},
	"service control policy":  {"a service control policy of the organization", organization},
	"resource control policy": {"a resource control policy of the organization", organization},
	"resource-based policy":   {"a policy of the resource itself", "whoever owns the resource has to change it"},
	"VPC endpoint policy":     {"the policy of the VPC endpoint that the call goes through", "whoever manages the endpoint has to change it"},
	"":                        {"the identity's policies, or others that AWS does not name", toAllow},
}

const (
	toAllow      = "`flowbed policy --for up` prints what they have to allow"
	organization = "only those who manage the organization can change that"
)

// String says which permission is missing, on what, who denies it, and who can
// change that.
func (r Refusal) String() string {
	what := "a permission is missing"
	if r.Action != "" {
		what = "needs the permission " + r.Action
	}
	if r.Resource != "" && r.Resource != "*" {
		what += " on " + r.Resource
	}
	w, known := whose[r.Kind]
	if !known {
		w.where = "a " + r.Kind
	}
	by := "; it is denied by " + w.where
	if r.Explicit {
		by += ", with an explicit Deny"
		if w.todo == toAllow {
			w.todo = "as long as that statement is there, no other helps"
		}
	}
	if r.Policy != "" {
		by += " (" + r.Policy + ")"
	}
	if w.todo != "" {
		by += ": " + w.todo
	}
	return what + by
}
