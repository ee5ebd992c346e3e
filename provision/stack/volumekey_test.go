package stack_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// TestAccountsVolumeKey: EC2 encrypts a volume with the account's key if the file names none. The plan
// says so if that is a customer's, and stops up if nobody can use it. A launch that EC2 ends because of
// the key says which key it is.
func TestAccountsVolumeKey(t *testing.T) {
	const with = "EC2 encrypts the volume with the account's default key for EBS, arn:aws:kms:"
	const lacks = ": EC2 ends the new instance if whoever runs up lacks kms:CreateGrant, "
	deny := func(actions string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":` + actions + `,"Resource":"*"}]}`
	}
	for name, c := range map[string]struct {
		key    *kms.CreateKeyInput // nil leaves AWS's own
		spoil  func(*testing.T, *kms.Client, *string)
		policy string // of the caller; empty allows all
		file   string // kms_key, if not the account's key
		notes  []string
		stops  bool   // up changes nothing
		fails  string // up fails later, with this cause
	}{
		"AWS's own":           {},
		"AWS's own, unseen":   {policy: deny(`["ec2:GetEbsDefaultKmsKeyId"]`)},
		"a customer's":        {key: &kms.CreateKeyInput{}, notes: []string{with, lacks, " → allow that, or set kms_key"}},
		"another in the file": {key: &kms.CreateKeyInput{}, file: customerKey},
		"disabled": {key: &kms.CreateKeyInput{}, spoil: func(t *testing.T, api *kms.Client, key *string) {
			t.Helper()
			if _, err := api.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: key}); err != nil {
				t.Fatal(err)
			}
		}, notes: []string{with, ": the key is disabled → "}, stops: true},
		"for nobody": {key: &kms.CreateKeyInput{Policy: aws.String(strings.Replace(goodPolicy, `"kms:*"`, `["kms:Describe*","kms:Get*","kms:Put*"]`, 1))},
			notes: []string{with, "does not let whoever runs flowbed use it for the volume of the agent: it does not allow kms:CreateGrant"}, stops: true},
		"not for the caller": {key: &kms.CreateKeyInput{}, policy: deny(`"kms:*"`), notes: []string{with, lacks},
			fails: "is terminated: Client.InternalError: Client error on launch → check that EC2 can use the key arn:aws:kms:"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				account.BootTime = 10 * time.Second
				if c.key != nil {
					key := newKey(t, account, *c.key)
					if _, err := ec2.NewFromConfig(account.Config(region)).ModifyEbsDefaultKmsKeyId(t.Context(), &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &key}); err != nil {
						t.Fatal(err)
					}
					if c.spoil != nil {
						c.spoil(t, kms.NewFromConfig(account.Config(region)), &key)
					}
				}
				account.Policy = c.policy
				text, o := onPath(""), stack.Options{Transport: sandbox.Prefect(account)}
				if c.file != "" {
					text = encryptedWith(text, c.file)
				}
				p, err := build(t, account, text, o).Graph.Plan(t.Context())
				if err != nil || (p.Err() != nil) != c.stops {
					t.Fatalf("the plan has %v, %v", err, p.Err())
				}
				said := ""
				for _, a := range p.Actions {
					for _, n := range a.Notes {
						if a.Step == "agent instance" && n.Severity != provision.Info {
							said += n.Text
						}
					}
				}
				for _, want := range c.notes {
					if strings.Count(said, want) != 1 {
						t.Errorf("the plan says %q, want %q", said, want)
					}
				}
				if len(c.notes) == 0 && said != "" {
					t.Errorf("the plan says %q", said)
				}
				before := len(account.Writes())
				err = build(t, account, text, o).Graph.Up(t.Context())
				failed, _ := errors.AsType[*provision.StepError](err)
				switch {
				case c.stops && (err == nil || len(account.Writes()) > before):
					t.Errorf("up: %v, with %d writes", err, len(account.Writes())-before)
				case c.fails != "" && (failed == nil || !strings.Contains(failed.Cause, c.fails)):
					t.Errorf("up: %+v, want %q", failed, c.fails)
				case !c.stops && c.fails == "" && err != nil:
					t.Errorf("up: %v", err)
				}
			})
		})
	}
}
