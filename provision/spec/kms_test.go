package spec

import (
	"strings"
	"testing"
)

// TestKMSKey: only the ARN of a key in the environment's own place is accepted.
func TestKMSKey(t *testing.T) {
	const good = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	place := Place{Account: "123456789012", Region: "us-east-1"}
	for _, c := range []struct {
		arn, want string // part of the error; empty if there is none
		place     Place
	}{
		{good, "", place},
		{"", "", place},
		{"arn:aws:kms:us-east-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab", "", place},
		{"arn:aws:kms:us-east-1:123456789012:alias/data", "is an alias: it can be moved to another key", place},
		{"alias/data", "is an alias", place},
		{"1234abcd-12ab-34cd-56ef-1234567890ab", "is not the ARN of a KMS key", place},
		{"arn:aws:kms:us-east-1:123456789012:key/*", "is not the ARN of a KMS key", place},
		{"arn:aws:s3:::bucket", "is not the ARN of a KMS key", place},
		{strings.Replace(good, "us-east-1", "eu-west-1", 1), "is in eu-west-1, and the environment is in us-east-1", place},
		{strings.Replace(good, "123456789012", "210987654321", 1), "is in the account 210987654321", place},
		{strings.NewReplacer(":aws:", ":aws-cn:", "us-east-1", "cn-north-1").Replace(good), "is not in the partition", place},
	} {
		f, err := load("environment \"dev\" {\nkms_key = \""+c.arn+"\"\n}", Options{})
		if err == nil {
			_, err = f.Environment(c.place)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(strings.Join(strings.Fields(err.Error()), " "), c.want)) {
			t.Errorf("%q in %+v: have %v, want %q", c.arn, c.place, err, c.want)
		}
	}
}
