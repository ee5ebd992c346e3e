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

// wrongKey is the reason in the state of an instance whose volume cannot be decrypted. The call
// that launches or starts it has succeeded by then.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
const wrongKey = "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"

// decrypts reports whether EC2 can use the volumes of an instance.
func (r *request) decrypts(i *instance) bool {
	for _, v := range r.db().sortedVolumes(i.ID) {
		if v.Key != "" && !r.usable(v.Key) {
			return false
		}
	}
	return true
}

func (r *request) usable(key string) bool {
	if kms.Look(r.Request, key) != "" {
		return false
	}
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
