package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/keypolicy"
)

// KMSKey is the customer's key that encrypts the environment's objects. flowbed never makes or
// changes one. It only checks the key, because most of what a wrong key breaks breaks without an
// error: EC2 ends an instance whose volume it cannot decrypt, EventBridge drops the events that
// it cannot encrypt, and S3 takes any key and then refuses each upload.
type KMSKey struct {
	API *kms.Client
	ID  Identity
	ARN string

	// Uses are the ways in which the environment uses the key. The roles in them may be known
	// only by their names.
	Uses func() []keypolicy.Use
	Cure string // how to see the statements that a policy lacks, for messages
}

// KMSKeyState is the state of a key, as far as the caller may read it.
type KMSKeyState struct {
	ARN    string
	State  string // "Enabled"
	Spec   string // "SYMMETRIC_DEFAULT"
	Usage  string // "ENCRYPT_DECRYPT"
	OfAWS  bool   // AWS manages the key
	Policy string // JSON

	Hidden []string // the permissions that the caller lacks to read the rest
}

var (
	_              Kind[KMSKeyState]                 = KMSKey{}
	_              provision.Predictor[KMSKeyState]  = KMSKey{}
	_              provision.UseChecker[KMSKeyState] = KMSKey{}
	_              provision.Labelled                = KMSKeyState{}
	errKeyOfOthers                                   = errors.New("flowbed does not create or delete keys")
)

var _ = awserr.Declare(awserr.Errors{Codes: awserr.Codes{
	awserr.Transient: `DependencyTimeoutException KMSInternalException`,
}})

// Owner implements provision.State. A key is never ours.
func (s KMSKeyState) Owner() provision.Owner { return provision.Owner{} }

// Label is the ARN.
func (s KMSKeyState) Label() string { return s.ARN }

// Predicted implements provision.Predictor.
func (k KMSKey) Predicted() KMSKeyState { return KMSKeyState{ARN: k.ARN} }

// Read implements provision.Resource. What the caller may not read is no error, because others
// may see to it.
func (k KMSKey) Read(ctx context.Context) (KMSKeyState, error) {
	s := KMSKeyState{ARN: k.ARN}
	var hiddenKey, hiddenPolicy string
	err := parallel(ctx,
		func(ctx context.Context) error {
			out, err := k.API.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.ARN})
			if hidden, err := k.unread("kms:DescribeKey", err); err != nil || hidden != "" {
				hiddenKey = hidden
				return err
			}
			m := deref(out.KeyMetadata)
			s.State, s.Spec, s.Usage = string(m.KeyState), string(m.KeySpec), string(m.KeyUsage)
			s.OfAWS = m.KeyManager == types.KeyManagerTypeAws
			return nil
		},
		func(ctx context.Context) error {
			out, err := k.API.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.ARN})
			if hidden, err := k.unread("kms:GetKeyPolicy", err); err != nil || hidden != "" {
				hiddenPolicy = hidden
				return err
			}
			s.Policy = deref(out.Policy)
			return nil
		},
	)
	if err != nil {
		return KMSKeyState{}, err
	}
	s.Hidden = slices.DeleteFunc([]string{hiddenKey, hiddenPolicy}, func(p string) bool { return p == "" })
	return s, nil
}

// unread returns the permission that the caller lacks, or the error of a call.
func (k KMSKey) unread(permission string, err error) (string, error) {
	_, missing := errors.AsType[*types.NotFoundException](err)
	switch {
	case err == nil:
		return "", nil
	case missing:
		return "", fmt.Errorf("the key %s does not exist → correct kms_key in the file", k.ARN)
	case awserr.Classify(err) == awserr.Denied:
		return permission, nil
	}
	return "", fmt.Errorf("read key: %w", err)
}

// Create implements provision.Resource. The engine calls neither it nor Delete for an external
// object.
func (KMSKey) Create(context.Context) (*KMSKeyState, error) { return nil, errKeyOfOthers }

// Changes implements provision.Resource.
func (KMSKey) Changes(KMSKeyState) []provision.Change { return nil }

// Delete implements provision.Resource.
func (KMSKey) Delete(context.Context, KMSKeyState) error { return errKeyOfOthers }

// CheckUse implements provision.UseChecker. What the key or its policy certainly does not allow
// is an error; what flowbed cannot tell is a warning that says what must hold.
func (k KMSKey) CheckUse(have KMSKeyState) []provision.Note {
	if text := k.unusable(have); text != "" {
		return []provision.Note{{Severity: provision.Error, Text: text}}
	}
	if len(have.Hidden) > 0 && have.Policy == "" {
		return []provision.Note{{Severity: provision.Warn, Text: fmt.Sprintf(
			"cannot tell whether the policy of the key allows what the environment needs: reading it needs %s → check that it allows %s (%s)",
			strings.Join(have.Hidden, " and "), strings.Join(k.needs(), "; "), k.Cure)}}
	}
	notes := k.judge(have.Policy)
	if have.State == "" {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: "cannot tell whether the key is enabled: reading it needs kms:DescribeKey"})
	}
	return notes
}

// unusable says why nobody can encrypt and decrypt with the key; empty if somebody can.
func (k KMSKey) unusable(have KMSKeyState) string {
	switch {
	case have.State == "":
		return "" // unknown
	case have.OfAWS:
		return "AWS manages this key, so no policy can let other services use it → use a key of your own in kms_key"
	case have.Spec != string(types.KeySpecSymmetricDefault) || have.Usage != string(types.KeyUsageTypeEncryptDecrypt):
		return fmt.Sprintf("it is a key of the kind %s for %s, and AWS's services need a symmetric one that encrypts → use another in kms_key", have.Spec, have.Usage)
	case have.State == string(types.KeyStateDisabled):
		return "the key is disabled → enable it (aws kms enable-key --region " + k.ID.Region + " --key-id " + k.ARN + "), or use another in kms_key"
	case have.State == string(types.KeyStatePendingDeletion):
		return "the key will be deleted, and with it all that it has encrypted → cancel that (aws kms cancel-key-deletion, then enable-key), or use another in kms_key"
	case have.State != string(types.KeyStateEnabled):
		return "the key cannot be used: its state is " + have.State + " → use another in kms_key"
	}
	return ""
}

// judge compares the policy with the uses.
func (k KMSKey) judge(document string) (notes []provision.Note) {
	p, err := keypolicy.Parse(k.ARN, document)
	if err != nil {
		return []provision.Note{{Severity: provision.Warn, Text: fmt.Sprintf(
			"cannot read the policy of the key (%v) → check that it allows %s (%s)", err, strings.Join(k.needs(), "; "), k.Cure)}}
	}
	for _, u := range k.Uses() {
		denied, unsure := p.Judge(u)
		if len(denied) > 0 {
			notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
				"the policy of the key does not let %s use it for %s: it does not allow %s → add that to the key's policy (%s)",
				u.Who(), u.For, strings.Join(denied, ", "), k.Cure)})
		}
		if len(unsure) > 0 {
			notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(
				"cannot tell whether the policy of the key lets %s use it for %s: a condition decides on %s → check it (%s)",
				u.Who(), u.For, strings.Join(unsure, ", "), k.Cure)})
		}
	}
	return notes
}

// needs are the uses in words.
func (k KMSKey) needs() (list []string) {
	for _, u := range k.Uses() {
		list = append(list, strings.Join(u.Actions, ", ")+" to "+u.Who()+" for "+u.For)
	}
	return list
}

// Permissions are what Read needs.
func (k KMSKey) Permissions() Permissions {
	return Permissions{Read: []Permission{on(k.ARN, "kms:DescribeKey", "kms:GetKeyPolicy")}}
}

// KeyKMS is the tag with the ARN of the key with which flowbed encrypted an object whose key
// AWS does not show beside it, or which others may encrypt. Without a key in the file, only an
// object with this tag goes back to AWS's own.
const KeyKMS = "flowbed:kms-key"

// keyARN is the ARN of a key; empty if there is none.
func keyARN(k provision.Ref[KMSKeyState]) string {
	s, _ := k.Expect()
	return s.ARN
}

// UseKey is the permission to use a key through a service, given as the first label of its
// endpoint. AWS checks it as a part of the service's calls.
func (i Identity) UseKey(arn, service, why string, actions ...string) Permission {
	return on(arn, actions...).when("StringEquals", keypolicy.Via, keypolicy.Service(i.Partition, i.Region, service)).implied(why)
}

// Costs implements Kind: the key is somebody else's.
func (KMSKey) Costs() []cost.Usage { return nil }
