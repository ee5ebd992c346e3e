package doctor_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/flowbed/flowbed/provision/doctor"
)

// exampleKey is the key that the sandbox has.
const exampleKey = "arn:aws:kms:" + region + ":123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// TestVolumeKey: the account's key for volumes is a finding if it is a customer's, and the file names
// no other.
func TestVolumeKey(t *testing.T) {
	of := func(k *clinic) (list []doctor.Finding) {
		for _, f := range k.look() {
			if f.Check == "volume key" {
				list = append(list, f)
			}
		}
		return list
	}
	k := newClinic(t)
	if list := of(k); len(list) > 0 {
		t.Errorf("AWS's own key: %s", text(list))
	}
	cfg := k.account.Config(region)
	k.must(ec2.NewFromConfig(cfg).ModifyEbsDefaultKmsKeyId(t.Context(), &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: aws.String(exampleKey)}))
	if list := of(k); doctor.Worst(list) != doctor.Warn || !strings.Contains(text(list), exampleKey) {
		t.Errorf("a customer's key: %s", text(list))
	}
	k.must(kms.NewFromConfig(cfg).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: aws.String(exampleKey)}))
	if list := of(k); doctor.Worst(list) != doctor.Fail || !strings.Contains(text(list), "the key is disabled") {
		t.Errorf("a disabled key: %s", text(list))
	}
	k.text = "kms_key = \"" + exampleKey + "\"\n" + k.text
	if list := of(k); len(list) > 0 {
		t.Errorf("with the key of the file: %s", text(list))
	}
}

// TestKMSKey has one case for each thing that can be found of a key.
func TestKMSKey(t *testing.T) {
	const root = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}`
	put := func(statements string) func(*clinic, *kms.Client) {
		return func(c *clinic, api *kms.Client) {
			c.must(api.PutKeyPolicy(context.Background(), &kms.PutKeyPolicyInput{
				KeyId: aws.String(exampleKey), Policy: aws.String(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)}))
		}
	}
	for name, c := range map[string]struct {
		prepare func(*clinic, *kms.Client)
		status  doctor.Status
		says    string // in the text or in what to do
	}{
		"good": {func(*clinic, *kms.Client) {}, doctor.OK, "can be used by all that need it"},
		"disabled": {func(c *clinic, api *kms.Client) {
			c.must(api.DisableKey(context.Background(), &kms.DisableKeyInput{KeyId: aws.String(exampleKey)}))
		}, doctor.Fail, "aws kms enable-key"},
		"missing":              {func(c *clinic, _ *kms.Client) { c.text = strings.Replace(c.text, "1234abcd", "00000000", 1) }, doctor.Fail, "does not exist"},
		"without the services": {put(root), doctor.Fail, "does not let logs." + region + ".amazonaws.com use it"},
		"with a condition": {put(root + `,{"Effect":"Allow","Principal":{"Service":["logs.` + region + `.amazonaws.com","events.amazonaws.com"]},"Action":"kms:*","Resource":"*",` +
			`"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}}`), doctor.Warn, "a condition decides"},
		"unseen policy": {func(c *clinic, _ *kms.Client) { c.account.Policy = but("kms:GetKeyPolicy") }, doctor.Warn, "reading it needs kms:GetKeyPolicy"},
		"unseen key":    {func(c *clinic, _ *kms.Client) { c.account.Policy = but("kms:DescribeKey") }, doctor.Warn, "whether the key is enabled"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newClinic(t)
			k.text = "kms_key = \"" + exampleKey + "\"\nprefect {\napi_url = \"http://prefect.example/api\"\n}\n"
			c.prepare(k, kms.NewFromConfig(k.account.Config(region)))
			var of []doctor.Finding
			for _, f := range k.look() {
				if f.Check == "kms key" {
					of = append(of, f)
				}
			}
			if len(of) == 0 || doctor.Worst(of) != c.status || !strings.Contains(text(of), c.says) {
				t.Errorf("have\n%s\nwant %s with %q", text(of), c.status, c.says)
			}
		})
	}
}
