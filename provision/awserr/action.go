package awserr

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// prefixes lists the IAM prefixes that differ from the service's id in lowercase.
var prefixes = map[string]string{
	"cloudwatch logs": "logs", "cloudwatchlogs": "logs", "eventbridge": "events",
	"resource groups tagging api": "tag", "resourcegroupstaggingapi": "tag",
}

// actions lists the operations whose IAM action has another name, from the service
// authorization reference:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
var actions = map[string]string{
	"s3:HeadBucket": "s3:ListBucket", "s3:ListObjectsV2": "s3:ListBucket", "s3:DeleteObjects": "s3:DeleteObject",
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

// Action is the main IAM action that a call needs. The service is its id ("CloudWatch
// Logs") or the SDK's package name ("cloudwatchlogs").
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

// Permission is the IAM action that a refused call needs, or empty. AWS's message
// takes precedence over the operation's name: AWS may refuse RunInstances because of
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
