package awserr

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// prefixes are those IAM prefixes that are not the service's id in lower case.
var prefixes = map[string]string{"cloudwatch logs": "logs", "cloudwatchlogs": "logs"}

// actions are the operations whose IAM action has another name. The service
// authorization reference lists them:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
var actions = map[string]string{
	"s3:HeadBucket": "s3:ListBucket", "s3:DeleteObjects": "s3:DeleteObject",
	"s3:ListBuckets":          "s3:ListAllMyBuckets",
	"s3:ListObjectVersions":   "s3:ListBucketVersions",
	"s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
	"s3:GetBucketEncryption":  "s3:GetEncryptionConfiguration", "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
	"s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
	"s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
	"s3:GetPublicAccessBlock":            "s3:GetBucketPublicAccessBlock",
	"s3:PutPublicAccessBlock":            "s3:PutBucketPublicAccessBlock",
	"s3:DeleteBucketLifecycle":           "s3:PutLifecycleConfiguration",
}

// Action is the IAM action that a call needs first of all; the service is named
// by its id ("CloudWatch Logs") or by the SDK's package ("cloudwatchlogs").
func Action(service, operation string) string {
	service = strings.ToLower(service)
	if p, ok := prefixes[service]; ok {
		service = p
	}
	action := service + ":" + operation
	if a, ok := actions[action]; ok {
		return a
	}
	return action
}

// Permission is the IAM action that the failed call lacked, or empty. AWS's
// message goes before the operation's name: a launch may be refused because of
// iam:PassRole.
func Permission(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if r := ParseRefusal(api.ErrorMessage()); r.Action != "" {
			return r.Action
		}
	}
	if Service(err) == "" {
		return ""
	}
	return Action(Service(err), Operation(err))
}
