package resource

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/flowbed/flowbed/provision"
)

// DefaultVolumeKey is the key with which EC2 encrypts a volume whose launch names none. Each account
// chooses one in each region: AWS's own, unless somebody has set another. The zero value looks for
// nothing.
// https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html
type DefaultVolumeKey struct {
	API *ec2.Client
	Key KMSKey // how to read and judge the key, without its ARN
}

func (d DefaultVolumeKey) asks() bool { return d.Key.Uses != nil }

// volumeActions are what EC2 needs of the key of a volume, in the name of whoever launches or
// starts the instance. Without it, the call succeeds, and the instance ends.
// https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
var volumeActions = []string{"kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"}

// VolumeActions are all that whoever launches an instance must be allowed on the key of its volume.
func VolumeActions() []string { return append([]string{"kms:CreateGrant"}, volumeActions...) }

// Look returns the ARN of the key if it is a customer's, and notes about it: an error if EC2 cannot
// use it, or else a warning, because no policy that flowbed prints is for a key that the file does
// not name. It returns neither for AWS's own key, which everybody in the account may use, and if
// the caller may not know the key.
func (d DefaultVolumeKey) Look(ctx context.Context) (arn string, notes []provision.Note) {
	if !d.asks() {
		return "", nil
	}
	out, err := d.API.GetEbsDefaultKmsKeyId(ctx, &ec2.GetEbsDefaultKmsKeyIdInput{})
	if err != nil {
		return "", nil
	}
	d.Key.ARN = deref(out.KmsKeyId)
	if d.Key.ARN == "" || strings.HasSuffix(d.Key.ARN, "alias/aws/ebs") {
		return "", nil
	}
	have, err := d.Key.Read(ctx)
	if err == nil && have.OfAWS { // by its id instead of its alias
		return "", nil
	}
	uses := "EC2 encrypts the volume with the account's default key for EBS, " + d.Key.ARN
	if err == nil {
		for _, n := range d.Key.CheckUse(have) {
			if n.Severity == provision.Error {
				n.Text = uses + ": " + n.Text
				notes = append(notes, n)
			}
		}
	}
	if len(notes) == 0 {
		notes = []provision.Note{{Severity: provision.Warn, Text: fmt.Sprintf(
			"%s: EC2 ends the new instance if whoever runs up lacks %s on this key, which `flowbed policy` does not print → allow that, or set kms_key in the file",
			uses, strings.Join(VolumeActions(), ", "))}}
	}
	return d.Key.ARN, notes
}
