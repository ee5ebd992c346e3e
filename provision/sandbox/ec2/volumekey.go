package ec2

import (
	"github.com/flowbed/flowbed/provision/sandbox/kms"
)

// volumeActions are what whoever launches or starts an instance must be allowed on the key of
// its volumes. EC2 makes a grant in their name.
// https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
var volumeActions = []string{
	"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo",
}

// The reasons in the state of an instance whose volume cannot be decrypted. The call that launches
// or starts it has succeeded by then.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
const (
	wrongKey     = "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"
	forbiddenKey = "Client.InternalError: Client error on launch"
)

// undecrypted is why EC2 cannot use the volumes of an instance; empty if it can.
func (r *request) undecrypted(i *instance) string {
	for _, v := range r.db().sortedVolumes(i.ID) {
		switch {
		case v.Key == "":
		case kms.Look(r.Request, v.Key) != "":
			return wrongKey
		case !r.mayUse(v.Key):
			return forbiddenKey
		}
	}
	return ""
}

// mayUse reports whether the caller may let EC2 use a key that can be used.
func (r *request) mayUse(key string) bool {
	for _, a := range (kms.Use{Key: key, Service: "ec2"}).Access(r.Request, volumeActions...) {
		if a.Action == "kms:CreateGrant" {
			a = a.WithContext("kms:GrantIsForAWSResource", "true")
		}
		if denied, err := r.Judge(r.Self(), a); err != nil || denied != nil {
			return false
		}
	}
	return true
}
