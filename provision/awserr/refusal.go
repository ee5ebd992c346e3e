package awserr

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/smithy-go"
)

// Refusal is the reason why AWS denied a call. Parts that AWS does not tell are empty.
type Refusal struct {
	Caller   string // ARN
	Action   string // for example "iam:CreateRole"
	Resource string // an ARN, or what the message has instead, for example "role x"
	Kind     string // AWS's name of the kind of policy that denies: "identity-based policy"
	Policy   string // that policy's ARN
	Explicit bool   // a Deny statement denies the call; otherwise no Allow statement allows it
	Encoded  string // EC2's encoded message, for sts:DecodeAuthorizationMessage
}

// AWS's messages have three parts, and all but the first may be missing. S3 quotes the
// resource, and EC2 adds an encoded message:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
var (
	refusalWho      = regexp.MustCompile(`User: (\S+) is not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z0-9]+)`)
	refusalWhat     = regexp.MustCompile(` on resource: (.+?)(?: because no | with an explicit deny |\.? Encoded authorization|\.?\s*$)`)
	refusalExplicit = regexp.MustCompile(`with an explicit deny in an? ([A-Za-z -]*?policy|permissions boundary)(?:: ?(arn:\S+))?`)
	refusalImplicit = regexp.MustCompile(`\bno ([A-Za-z -]*?policy|permissions boundary) allows`)
	refusalEncoded  = regexp.MustCompile(`Encoded authorization failure message: ([A-Za-z0-9_+/=-]+)`)
)

// ParseRefusal parses a message from AWS.
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

// RefusalOf returns the refusal in an error; ok is false if the error is not a refusal.
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

// Decoded adds the information in a decoded EC2 message, which is a JSON document:
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
		return r, fmt.Errorf("parse the decoded message: %w", err)
	}
	// The message may name the call, and the decoded form the part that was denied.
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

// whose tells where to find each kind of policy, and who can change it.
var whose = map[string]struct{ where, todo string }{
	"identity-based policy":   {"the identity's policies", toAllow},
	"permissions boundary":    {"the identity's permissions boundary", "ask the person who set the boundary to allow it there"},
	"session policy":          {"the session policy", "log in again without it, or with one that allows this action"},
	"service control policy":  {"a service control policy of the organization", organization},
	"resource control policy": {"a resource control policy of the organization", organization},
	"resource-based policy":   {"the resource's own policy", "ask the owner of the resource to change it"},
	"VPC endpoint policy":     {"the policy of the VPC endpoint that the call uses", "ask the owner of the endpoint to change it"},
	"":                        {"the identity's policies, or by a policy that AWS does not name", toAllow},
}

const (
	toAllow      = "`flowbed policy --for up` prints the policy to attach"
	organization = "ask the administrators of the organization to change it"
)

// String names the missing permission, the resource, the policy that denies it, and
// who can change that policy.
func (r Refusal) String() string {
	what := "you need another permission"
	if r.Action != "" {
		what = "you need the permission " + r.Action
	}
	if r.Resource != "" && r.Resource != "*" {
		what += " on " + r.Resource
	}
	w, known := whose[r.Kind]
	if !known {
		w.where = "a " + r.Kind
	}
	by := "; denied by " + w.where
	if r.Explicit {
		by += ", with an explicit Deny"
		if w.todo == toAllow {
			w.todo = "no Allow statement overrides it"
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
