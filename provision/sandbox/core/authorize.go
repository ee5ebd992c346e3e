package core

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	first := Access{Action: awserr.Action(c.Service, c.Operation), Resource: "*"}
	for _, want := range op.access(r, first, in) {
		v, err := Judge(a.Policy, want)
		if err != nil {
			return err
		}
		if v == Allowed {
			continue
		}
		denial := Denial{Access: want, Caller: r.Caller(), Explicit: v == ExplicitDeny}
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
