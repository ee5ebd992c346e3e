package ec2

import (
	"cmp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/kms"
)

func init() {
	core.Register(service, getEbsDefaultKmsKeyID, core.Anything)
	core.Register(service, modifyEbsDefaultKmsKeyID, core.Anything)
	core.Register(service, resetEbsDefaultKmsKeyID, core.Anything)
}

// ownKey is AWS's own key for volumes, which everybody in the account may use.
const ownKey = "alias/aws/ebs"

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

// getEbsDefaultKmsKeyID returns the alias of AWS's own key if nobody has set another.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsDefaultKmsKeyId.html
func getEbsDefaultKmsKeyID(r *request, _ *ec2.GetEbsDefaultKmsKeyIdInput) (*ec2.GetEbsDefaultKmsKeyIdOutput, error) {
	return &ec2.GetEbsDefaultKmsKeyIdOutput{KmsKeyId: aws.String(cmp.Or(r.db().VolumeKey, ownKey))}, nil
}

// modifyEbsDefaultKmsKeyID takes any key: EC2 looks at it later, if at all.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyEbsDefaultKmsKeyId.html
func modifyEbsDefaultKmsKeyID(r *request, in *ec2.ModifyEbsDefaultKmsKeyIdInput) (*ec2.ModifyEbsDefaultKmsKeyIdOutput, error) {
	if aws.ToString(in.KmsKeyId) == "" {
		return nil, core.Fail("MissingParameter", "The request must contain the parameter KmsKeyId")
	}
	r.db().VolumeKey = *in.KmsKeyId
	return &ec2.ModifyEbsDefaultKmsKeyIdOutput{KmsKeyId: in.KmsKeyId}, nil
}

func resetEbsDefaultKmsKeyID(r *request, _ *ec2.ResetEbsDefaultKmsKeyIdInput) (*ec2.ResetEbsDefaultKmsKeyIdOutput, error) {
	r.db().VolumeKey = ""
	return &ec2.ResetEbsDefaultKmsKeyIdOutput{KmsKeyId: aws.String(ownKey)}, nil
}
