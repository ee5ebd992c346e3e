package logs

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/flowbed/flowbed/provision/sandbox/kms"
)

// keyActions are what the policy of a key must allow CloudWatch Logs.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
var keyActions = []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"}

// checkKey checks whether CloudWatch Logs can encrypt a log group with a key. It does so by
// itself, with the ARN of the group in the encryption context.
func (r *request) checkKey(group string, key *string) error {
	if key == nil {
		return nil
	}
	u := kms.Use{Key: *key, Service: "logs", Context: map[string]string{"kms:EncryptionContext:aws:logs:arn": r.groupARN(group)}}
	may, err := u.ByService(r.Request, "logs."+r.Region+".amazonaws.com", keyActions...)
	if err == nil && !may {
		err = invalid("The specified KMS Key Id could not be found or cannot be used with log group '%s'.", r.groupARN(group))
	}
	return err
}

func associateKey(r *request, in *cloudwatchlogs.AssociateKmsKeyInput) (*cloudwatchlogs.AssociateKmsKeyOutput, error) {
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if err := r.checkKey(g.Name, in.KmsKeyId); err != nil {
		return nil, err
	}
	g.Key = aws.ToString(in.KmsKeyId)
	return &cloudwatchlogs.AssociateKmsKeyOutput{}, nil
}

func disassociateKey(r *request, in *cloudwatchlogs.DisassociateKmsKeyInput) (*cloudwatchlogs.DisassociateKmsKeyOutput, error) {
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	g.Key = ""
	return &cloudwatchlogs.DisassociateKmsKeyOutput{}, nil
}
