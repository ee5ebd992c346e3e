package core

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

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
	if a.Policy == "" {
		return nil
	}
	r := a.request(region)
	return op.allow(r, Identity{ARN: r.Caller(), Policies: []string{a.Policy}}, c, in)
}

// Identity is who makes a call.
type Identity struct {
	ARN      string
	Policies []string // in JSON; without one, nothing is allowed
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
	for _, want := range op.access(r, first, in) {
		v, err := JudgeAll(who.Policies, want)
		if err != nil {
			return err
		}
		if v == Allowed {
			continue
		}
		denial := Denial{Access: want, Caller: who.ARN, Explicit: v == ExplicitDeny}
		if op.rules.Denied != nil {
			return op.rules.Denied(denial)
		}
		return Fail("AccessDeniedException", "%s", denial.Text())
	}
	return nil
}

// Denial is the permission that a caller lacks.
type Denial struct {
	Access
	Caller   string
	Explicit bool // a statement denies it
}

// Text returns AWS's message:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (d Denial) Text() string {
	text := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", d.Caller, d.Action, d.Resource)
	if d.Explicit {
		return text + " with an explicit deny in an identity-based policy"
	}
	return text + fmt.Sprintf(" because no identity-based policy allows the %s action", d.Action)
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
