// Package kms is the sandbox's Key Management Service: symmetric and asymmetric keys, their
// states and their policies. It keeps no key material: other services ask whether a key can be
// used, by whom and for what. It asks iam which principals a key's policy may name.
//
// Keys are not in the account's inventory, because flowbed never creates one.
package kms

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

var service = core.NewService("kms", func(r *core.Request) *request { return &request{r} }, core.Rules{})

var part = core.Regional("kms",
	func(string) *database { return &database{} },
	func(*core.Request, *database) any { return nil })

// request is a call in the hands of one of KMS's operations.
type request struct{ *core.Request }

// database is a region's part of KMS.
type database struct {
	Keys map[string]*key `json:"keys,omitempty"` // by ARN; also those of other accounts
}

type key struct {
	ID      string    `json:"id"`
	Account string    `json:"account"`
	ARN     string    `json:"arn"`
	Spec    string    `json:"spec"`
	Usage   string    `json:"usage"`
	State   string    `json:"state"`
	Policy  string    `json:"policy"`
	Created time.Time `json:"created"`
	Deleted time.Time `json:"deleted,omitzero"` // when it will be
}

func (r *request) db() *database {
	d := part.In(r.Request)
	if d.Keys == nil { // new, or empty when it was saved
		arn := r.ARN("kms", r.Region, "key/"+ExampleID)
		d.Keys = map[string]*key{arn: {
			ID: ExampleID, Account: r.AccountID, ARN: arn, State: string(types.KeyStateEnabled), Policy: r.examplePolicy(),
			Spec: string(types.KeySpecSymmetricDefault), Usage: string(types.KeyUsageTypeEncryptDecrypt),
		}}
	}
	return d
}

// ExampleID is the id of the key that each region has from the start, so that a config file can
// name one: nobody can create a key from the command line.
const ExampleID = "1234abcd-12ab-34cd-56ef-1234567890ab"

// examplePolicy lets the account's IAM policies decide, and admits the services that use a key
// by themselves.
func (r *request) examplePolicy() string {
	allow := func(principal, actions string) string {
		return `{"Effect":"Allow","Principal":{` + principal + `},"Action":[` + actions + `],"Resource":"*"}`
	}
	return `{"Version":"2012-10-17","Statement":[` + allow(`"AWS":"`+r.ARN("iam", "", "root")+`"`, `"kms:*"`) + "," +
		allow(`"Service":"logs.`+r.Region+`.amazonaws.com"`, `"kms:Encrypt*","kms:Decrypt*","kms:ReEncrypt*","kms:GenerateDataKey*","kms:Describe*"`) + "," +
		allow(`"Service":"events.amazonaws.com"`, `"kms:GenerateDataKey","kms:Decrypt"`) + `]}`
}

func init() {
	core.Register(service, createKey, core.Anything)
	core.Register(service, describeKey, keyAccess)
	core.Register(service, getKeyPolicy, keyAccess)
	core.Register(service, putKeyPolicy, keyAccess)
	core.Register(service, enableKey, keyAccess)
	core.Register(service, disableKey, keyAccess)
	core.Register(service, scheduleKeyDeletion, keyAccess)
	core.Register(service, cancelKeyDeletion, keyAccess)
}

// keyAccess: the key's own policy decides, too.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
func keyAccess[I any](r *request, a core.Access, in *I) []core.Access {
	id := core.Text(in, "KeyId")
	k := r.find(id)
	if k == nil {
		if !strings.HasPrefix(id, "arn:") {
			id = r.ARN("kms", r.Region, "key/"+id)
		}
		return a.To(id)
	}
	a = a.WithResource(k.ARN)
	a.KeyPolicy = &k.Policy
	return []core.Access{a}
}

// find finds a key by its id or its ARN.
func (r *request) find(id string) *key {
	if k := r.db().Keys[id]; k != nil {
		return k
	}
	return r.db().Keys[r.ARN("kms", r.Region, "key/"+id)]
}

// key finds a key as KMS does: a key of another region is in another place, under the same ARN.
func (r *request) key(id *string) (*key, error) {
	text := aws.ToString(id)
	if k := r.find(text); k != nil {
		return k, nil
	}
	if f := strings.Split(text, ":"); len(f) == 6 && f[3] != r.Region {
		return nil, &types.NotFoundException{Message: aws.String("Invalid arn " + f[3])}
	}
	if !strings.HasPrefix(text, "arn:") {
		text = r.ARN("kms", r.Region, "key/"+text)
	}
	return nil, &types.NotFoundException{Message: aws.String(fmt.Sprintf("Key '%s' does not exist", text))}
}

func createKey(r *request, in *kms.CreateKeyInput) (*kms.CreateKeyOutput, error) {
	k := &key{
		ID: fmt.Sprintf("00000000-0000-4000-8000-%012x", r.Next()), Account: r.AccountID, Spec: string(in.KeySpec), Usage: string(in.KeyUsage),
		State: string(types.KeyStateEnabled), Policy: aws.ToString(in.Policy), Created: r.Now.UTC(),
	}
	if aws.ToBool(in.MultiRegion) {
		k.ID = fmt.Sprintf("mrk-%032x", r.Serial())
	}
	k.ARN = r.ARN("kms", r.Region, "key/"+k.ID)
	if k.Spec == "" {
		k.Spec = string(types.KeySpecSymmetricDefault)
	}
	if k.Usage == "" {
		k.Usage = string(types.KeyUsageTypeEncryptDecrypt)
	}
	if k.Policy == "" {
		k.Policy = r.defaultPolicy()
	}
	if err := r.checkPolicy(k.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	r.db().Keys[k.ARN] = k
	return &kms.CreateKeyOutput{KeyMetadata: r.shown(k)}, nil
}

// defaultPolicy lets the account's IAM policies decide. No service may use such a key by itself.
// https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
func (r *request) defaultPolicy() string {
	return `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow",` +
		`"Principal":{"AWS":"` + r.ARN("iam", "", "root") + `"},"Action":"kms:*","Resource":"*"}]}`
}

// checkPolicy: whoever sets a policy must stay able to change it.
// https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
func (r *request) checkPolicy(text string, bypass bool) error {
	_, wrong := core.ParsePolicy(text, core.KeyPolicy, func(name string) bool { return iam.Principal(r.Request, name) })
	if wrong == "" && len(text) > 32<<10 {
		wrong = "The policy is longer than 32768 bytes"
	}
	if wrong != "" {
		return &types.MalformedPolicyDocumentException{Message: &wrong}
	}
	if bypass {
		return nil
	}
	a := core.Access{Action: "kms:PutKeyPolicy", Resource: "*", KeyPolicy: &text}
	denied, err := r.Judge(r.Self(), a)
	if err != nil || denied != nil {
		return &types.MalformedPolicyDocumentException{Message: aws.String("The new key policy will not allow you to update the key policy in the future.")}
	}
	return nil
}

func (r *request) shown(k *key) *types.KeyMetadata {
	m := &types.KeyMetadata{
		KeyId: &k.ID, Arn: &k.ARN, AWSAccountId: &k.Account, CreationDate: &k.Created, Enabled: k.State == string(types.KeyStateEnabled),
		KeyManager: types.KeyManagerTypeCustomer, KeySpec: types.KeySpec(k.Spec), KeyUsage: types.KeyUsageType(k.Usage),
		KeyState: types.KeyState(k.State), Origin: types.OriginTypeAwsKms,
	}
	if !k.Deleted.IsZero() {
		m.DeletionDate = &k.Deleted
	}
	return m
}

func describeKey(r *request, in *kms.DescribeKeyInput) (*kms.DescribeKeyOutput, error) {
	k, err := r.key(in.KeyId)
	if err != nil {
		return nil, err
	}
	return &kms.DescribeKeyOutput{KeyMetadata: r.shown(k)}, nil
}

// getKeyPolicy works only in the account of the key.
func getKeyPolicy(r *request, in *kms.GetKeyPolicyInput) (*kms.GetKeyPolicyOutput, error) {
	k, err := r.key(in.KeyId)
	if err != nil {
		return nil, err
	}
	if name := aws.ToString(in.PolicyName); name != "" && name != "default" {
		return nil, &types.NotFoundException{Message: aws.String("No such policy exists")}
	}
	return &kms.GetKeyPolicyOutput{Policy: &k.Policy, PolicyName: aws.String("default")}, nil
}

func putKeyPolicy(r *request, in *kms.PutKeyPolicyInput) (*kms.PutKeyPolicyOutput, error) {
	k, err := r.key(in.KeyId)
	if err != nil {
		return nil, err
	}
	if err := r.checkPolicy(aws.ToString(in.Policy), in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	k.Policy = aws.ToString(in.Policy)
	return &kms.PutKeyPolicyOutput{}, nil
}

func pending(k *key) error {
	return &types.KMSInvalidStateException{Message: aws.String(k.ARN + " is pending deletion.")}
}

func enableKey(r *request, in *kms.EnableKeyInput) (*kms.EnableKeyOutput, error) {
	k, err := r.key(in.KeyId)
	if err == nil && !k.Deleted.IsZero() {
		err = pending(k)
	}
	if err != nil {
		return nil, err
	}
	k.State = string(types.KeyStateEnabled)
	return &kms.EnableKeyOutput{}, nil
}

func disableKey(r *request, in *kms.DisableKeyInput) (*kms.DisableKeyOutput, error) {
	k, err := r.key(in.KeyId)
	if err == nil && !k.Deleted.IsZero() {
		err = pending(k)
	}
	if err != nil {
		return nil, err
	}
	k.State = string(types.KeyStateDisabled)
	return &kms.DisableKeyOutput{}, nil
}

func scheduleKeyDeletion(r *request, in *kms.ScheduleKeyDeletionInput) (*kms.ScheduleKeyDeletionOutput, error) {
	k, err := r.key(in.KeyId)
	if err == nil && !k.Deleted.IsZero() {
		err = pending(k)
	}
	if err != nil {
		return nil, err
	}
	days := aws.ToInt32(in.PendingWindowInDays)
	if in.PendingWindowInDays == nil {
		days = 30
	}
	if days < 7 || days > 30 {
		return nil, core.Fail("ValidationException", "PendingWindowInDays must be between 7 and 30")
	}
	k.State, k.Deleted = string(types.KeyStatePendingDeletion), r.Now.Add(time.Duration(days)*24*time.Hour)
	return &kms.ScheduleKeyDeletionOutput{KeyId: &k.ARN, DeletionDate: &k.Deleted, KeyState: types.KeyStatePendingDeletion}, nil
}

// cancelKeyDeletion leaves the key disabled.
func cancelKeyDeletion(r *request, in *kms.CancelKeyDeletionInput) (*kms.CancelKeyDeletionOutput, error) {
	k, err := r.key(in.KeyId)
	if err != nil {
		return nil, err
	}
	if k.Deleted.IsZero() {
		return nil, &types.KMSInvalidStateException{Message: aws.String(k.ARN + " is not pending deletion.")}
	}
	k.State, k.Deleted = string(types.KeyStateDisabled), time.Time{}
	return &kms.CancelKeyDeletionOutput{KeyId: &k.ARN}, nil
}
