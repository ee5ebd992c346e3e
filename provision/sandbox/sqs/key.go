package sqs

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/kms"
)

// ownKey is the key of SQS itself in KMS, which everybody in the account may use.
const ownKey = "alias/aws/sqs"

// keyOf is the customer's key of a queue; empty if it has none.
func (q *queue) keyOf() string {
	if key := q.Attributes["KmsMasterKeyId"]; key != ownKey {
		return key
	}
	return ""
}

// keyAccess is the access to the key of a queue, if it has one. SQS does not look at the key
// when a queue gets it, but only when a message is sent or received.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
func (r *request) keyAccess(url *string, actions ...string) []core.Access {
	q := r.db().Queues[nameIn(aws.ToString(url))]
	if q == nil || q.keyOf() == "" {
		return nil
	}
	return kms.Use{Key: q.keyOf(), Service: "sqs"}.Access(r.Request, actions...)
}

func (r *request) checkKey(q *queue) error {
	if q.keyOf() == "" {
		return nil
	}
	switch kms.Look(r.Request, q.keyOf()) {
	case kms.NotFound:
		return &types.KmsNotFound{Message: aws.String("The specified key does not exist."), ErrorCodeOverride: coded("KMS.NotFoundException")}
	case kms.Disabled:
		return &types.KmsDisabled{Message: aws.String(q.keyOf() + " is disabled."), ErrorCodeOverride: coded("KMS.DisabledException")}
	case kms.Invalid:
		return &types.KmsInvalidState{Message: aws.String(q.keyOf() + " is pending deletion."), ErrorCodeOverride: coded("KMS.InvalidStateException")}
	case kms.Asymmetric:
		return &types.KmsInvalidKeyUsage{Message: aws.String(q.keyOf() + " cannot be used for encryption."), ErrorCodeOverride: coded("KMS.InvalidKeyUsageException")}
	}
	return nil
}
