package core

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/flowbed/flowbed/provision/awserr"
)

// authorize checks the region and the permissions before an operation runs.
func (a *Account) authorize(op *operation, c Call, region string, in any) error {
	if slices.Contains(a.Off, region) && !op.rules.Global {
		if op.rules.RegionOff != nil {
			return op.rules.RegionOff
		}
		return Fail("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	r := a.request(region)
	if a.Policy == "" && a.ControlPolicy == "" {
		return op.allowByKeys(r, c, in)
	}
	return op.allow(r, r.Self(), c, in)
}

// Self is who makes the calls to the account.
func (r *Request) Self() Identity {
	return Identity{ARN: r.Caller(), Policies: []string{cmp.Or(r.Account.Policy, allowAll)}}
}

const allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// Identity is who makes a call.
type Identity struct {
	ARN      string
	Policies []string // in JSON; without one, nothing is allowed

	// Boundary is the document of the permissions boundary, which must allow a call as well;
	// nil if the identity has none.
	Boundary *string
}

// As makes a call as another identity of the account, such as the role of an instance.
// The call is not one of the caller's: it is neither counted nor delayed nor made to
// fail.
func (r *Request) As(who Identity, in any) (any, error) {
	c := describe(reflect.TypeOf(in))
	op, ok := operations[reflect.TypeOf(in)]
	if !ok {
		return nil, Fail("NotImplemented", "the sandbox does not support the operation %s", c)
	}
	if err := op.allow(r, who, c, in); err != nil {
		return nil, err
	}
	return op.execute(r, in)
}

// allow checks whether an identity has every permission that a call needs.
func (op *operation) allow(r *Request, who Identity, c Call, in any) error {
	first := Access{Action: awserr.Action(c.Service, c.Operation), Resource: "*"}
	return op.judge(r, who, op.access(r, first, in))
}

// allowByKeys checks a call of somebody who may do everything: only the policies of keys can
// deny it.
func (op *operation) allowByKeys(r *Request, c Call, in any) error {
	first := Access{Action: awserr.Action(c.Service, c.Operation), Resource: "*"}
	wanted := op.access(r, first, in)
	return op.judge(r, r.Self(), slices.DeleteFunc(wanted, func(a Access) bool { return a.KeyPolicy == nil }))
}

func (op *operation) judge(r *Request, who Identity, wanted []Access) error {
	for _, want := range wanted {
		denial, err := r.Judge(who, want)
		switch {
		case err != nil:
			return err
		case denial == nil:
			continue
		case op.rules.Denied != nil:
			return op.rules.Denied(*denial)
		}
		return Fail("AccessDeniedException", "%s", denial.Text())
	}
	return nil
}

// Judge returns why an identity is denied an access; nil if it is allowed. The account's
// control policy, the identity's policies and its boundary must all allow it. A Deny
// statement in one of them overrides whatever the others allow.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func (r *Request) Judge(who Identity, want Access) (*Denial, error) {
	layers := []struct {
		kind      string
		documents []string
	}{
		{"service control policy", []string{allowAll, cmp.Or(r.Account.ControlPolicy, allowAll)}},
		{"identity-based policy", who.Policies},
		{"permissions boundary", []string{aws.ToString(who.Boundary)}},
	}
	if who.Boundary == nil {
		layers = layers[:2]
	}
	var denial *Denial
	for _, l := range layers {
		v, err := JudgeAll(l.documents, want)
		switch {
		case err != nil:
			return nil, err
		case v == ExplicitDeny:
			return &Denial{Access: want, Caller: who.ARN, Kind: l.kind, Explicit: true}, nil
		case v == ImplicitDeny && denial == nil:
			denial = &Denial{Access: want, Caller: who.ARN, Kind: l.kind}
		}
	}
	if want.KeyPolicy == nil {
		return denial, nil
	}
	return r.judgeKey(who, want, denial)
}

// judgeKey is the part of a key's policy in the decision: denied is what the others say. A
// statement that names the identity suffices, whatever IAM's policies leave out. One that names
// the account lets those decide.
// https://docs.aws.amazon.com/kms/latest/developerguide/determining-access-key-policy.html
func (r *Request) judgeKey(who Identity, want Access, denied *Denial) (*Denial, error) {
	named, account, err := JudgeKey(*want.KeyPolicy, r.AccountID, who.ARN, want)
	const kind = "resource-based policy"
	switch {
	case err != nil:
		return nil, err
	case named == ExplicitDeny || account == ExplicitDeny:
		return &Denial{Access: want, Caller: who.ARN, Kind: kind, Explicit: true}, nil
	case named == Allowed && (denied == nil || denied.Kind == "identity-based policy"):
		return nil, nil
	case account == Allowed, denied != nil:
		return denied, nil
	}
	return &Denial{Access: want, Caller: who.ARN, Kind: kind}, nil
}

// Denial is the permission that a caller lacks.
type Denial struct {
	Access
	Caller   string
	Kind     string // of the policy that denies it, in AWS's words
	Explicit bool   // a statement denies it
}

// Text returns AWS's message:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (d Denial) Text() string {
	text := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", d.Caller, d.Action, d.Resource)
	article := "a "
	if d.Kind == "identity-based policy" {
		article = "an "
	}
	if d.Explicit {
		return text + " with an explicit deny in " + article + d.Kind
	}
	return text + fmt.Sprintf(" because no %s allows the %s action", d.Kind, d.Action)
}

// Encoded returns the denial in an encoded form that stands in for EC2's encrypted
// message.
func (d Denial) Encoded() string {
	b, err := json.Marshal(map[string]any{
		"allowed": false, "explicitDeny": d.Explicit,
		"context": map[string]any{"principal": map[string]string{"arn": d.Caller}, "action": d.Action, "resource": d.Resource},
	})
	if err != nil {
		panic(err) // plain data
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// AccessDenied returns the error code of the older services. It is for Rules.Denied.
func AccessDenied(d Denial) error { return Fail("AccessDenied", "%s", d.Text()) }
