package resource_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// forLooking lets nobody use the key.
const forLooking = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Describe*","kms:Get*","kms:Put*"],"Resource":"*",
	"Principal":{"AWS":"arn:aws:iam::` + sandbox.DefaultAccount + `:root"}}]}`

// EC2 launches an instance with a key that it cannot use, and ends it right away. up says why, and
// soon gives up. When the key can be used, up goes on.
func TestVolumeKeyThatEC2CannotUse(t *testing.T) {
	for name, c := range map[string]struct {
		spoil, mend func(*testing.T, *kms.Client, *string)
		want        string
	}{
		"disabled": {
			spoil: func(t *testing.T, api *kms.Client, key *string) {
				_, err := api.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: key})
				must(t, err)
			},
			mend: func(t *testing.T, api *kms.Client, key *string) {
				_, err := api.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: key})
				must(t, err)
			},
			want: "is terminated: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state",
		},
		"not allowed": {
			spoil: func(t *testing.T, api *kms.Client, key *string) {
				_, err := api.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{
					KeyId: key, Policy: aws.String(forLooking)})
				must(t, err)
			},
			mend: func(t *testing.T, api *kms.Client, key *string) {
				_, err := api.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{
					KeyId: key, Policy: aws.String(strings.Replace(forLooking, `["kms:Describe*","kms:Get*","kms:Put*"]`, `"kms:*"`, 1))})
				must(t, err)
			},
			want: "is terminated: Client.InternalError: Client error on launch",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newAgent(sandbox.New())
				e.account.BootTime = 15 * time.Second
				api := kms.NewFromConfig(e.account.Config(e.region))
				made, err := api.CreateKey(t.Context(), &kms.CreateKeyInput{})
				must(t, err)
				e.kms = *made.KeyMetadata.Arn
				c.spoil(t, api, &e.kms)
				g, _ := e.graph()
				err = g.Up(t.Context())
				failed, ok := errors.AsType[*provision.StepError](err)
				if !ok || !strings.Contains(failed.Cause, c.want) || !strings.Contains(failed.Cause, "→ check that EC2 can use the key "+e.kms) {
					t.Errorf("up: %v, cause: %+v", err, failed)
				}
				launches := 0
				for _, w := range e.account.Writes() {
					if w.Operation == "RunInstances" {
						launches++
					}
				}
				if launches > 3 {
					t.Errorf("up launched %d instances, want at most 3", launches)
				}
				c.mend(t, api, &e.kms)
				if s := e.up(t); s.State != "running" {
					t.Errorf("with the key the instance is %s, want it to run", s.State)
				}
			})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
