package kms

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// Trouble is why a key cannot be used to encrypt and decrypt, whoever asks. It is empty if it
// can.
type Trouble string

// The troubles. A key of another region does not exist in this one.
const (
	NotFound   Trouble = "NotFound"
	Disabled   Trouble = "Disabled"
	Invalid    Trouble = "InvalidState"    // it will be deleted
	Asymmetric Trouble = "InvalidKeyUsage" // or it does not encrypt
)

// Look returns what is wrong with a key, given by its ARN or its id, in the region of the call.
func Look(call *core.Request, id string) Trouble {
	k := (&request{call}).find(id)
	switch {
	case k == nil:
		return NotFound
	case k.State == string(types.KeyStateDisabled):
		return Disabled
	case k.State != string(types.KeyStateEnabled):
		return Invalid
	case k.Spec != string(types.KeySpecSymmetricDefault) || k.Usage != string(types.KeyUsageTypeEncryptDecrypt):
		return Asymmetric
	}
	return ""
}

// Use is what a service does with a key.
type Use struct {
	Key string // its ARN or its id

	// Service is the first label of the service's endpoint, such as "s3".
	Service string

	// Context has further condition keys: those of the encryption context, for example.
	Context map[string]string
}

// Access returns the access to a key of somebody who calls a service, which uses the key for
// them. Both their own policies and the key's must allow it. A key that does not exist is
// nobody's to forbid: the service says that it does not.
//
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
func (u Use) Access(call *core.Request, actions ...string) []core.Access {
	r := &request{call}
	arn := u.Key
	k := r.find(u.Key)
	switch {
	case k != nil:
		arn = k.ARN
	case !strings.HasPrefix(arn, "arn:"):
		arn = r.ARN("kms", r.Region, "key/"+arn)
	}
	a := core.Access{Resource: arn}.WithContext("kms:ViaService", u.Service+"."+r.Region+".amazonaws.com")
	for name, value := range u.Context {
		a = a.WithContext(name, value)
	}
	if k != nil {
		a.KeyPolicy = &k.Policy
	}
	all := make([]core.Access, len(actions))
	for i, action := range actions {
		all[i] = a.WithAction(action)
	}
	return all
}

// ByService reports whether a service may use a key by itself, such as "events.amazonaws.com".
// Only the key's policy can allow that.
func (u Use) ByService(call *core.Request, principal string, actions ...string) (bool, error) {
	if Look(call, u.Key) != "" {
		return false, nil
	}
	k := (&request{call}).find(u.Key)
	for _, action := range actions {
		a := core.Access{Action: action, Resource: k.ARN}
		for name, value := range u.Context {
			a = a.WithContext(name, value)
		}
		v, err := core.JudgeService(k.Policy, principal, a)
		if err != nil || v != core.Allowed {
			return false, err
		}
	}
	return true, nil
}
