package awserr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
)

// hints holds what to do about a code, whatever the operation.
var hints = map[string]string{
	"ExpiredToken":                "the credentials have expired: log in again (for SSO: aws sso login), and run the same command; it goes on from here",
	"ExpiredTokenException":       "the credentials have expired: log in again (for SSO: aws sso login), and run the same command; it goes on from here",
	"RequestExpired":              "the credentials have expired, or this machine's clock is wrong; log in again, and run the same command",
	"InvalidClientTokenId":        "AWS does not know this access key: check the profile; in a region that must be enabled first, enable it in the account",
	"UnrecognizedClientException": "AWS does not know this access key here: check the profile, and that the region is enabled in the account",
	"AuthFailure":                 "AWS does not accept the credentials here: check that the region is enabled in the account",
	"SignatureDoesNotMatch":       "the secret access key does not belong to the access key, or this machine's clock is wrong",
	"OptInRequired":               "enable the region, or finish the registration of the account, in the AWS console",
	"BucketAlreadyExists":         "another account has a bucket of this name: set another bucket.name, or namespace = \"account-regional\"",
	"TooManyBuckets":              "the account has as many buckets as it may: delete one, or ask AWS for more (Service Quotas, S3)",
	"VcpuLimitExceeded":           "the account may not run so many instances of this family: ask AWS for more (Service Quotas, EC2)",
	"InstanceLimitExceeded":       "the account may not run so many instances: terminate one, or ask AWS for more (Service Quotas, EC2)",
	"PendingVerification":         "AWS is still verifying the account for this region: wait for its mail, and run the same command",
	"OperationAborted":            "S3 is still at work on a bucket of this name, as for up to an hour after its deletion: run the same command later",
	"MalformedPolicyDocument":     "look at the statement blocks of task_role: IAM does not accept the policy",
	"VPCIdNotSpecified":           "the region has no default VPC: create one (aws ec2 create-default-vpc), or set network.vpc",
}

// Hint says what a person can do about an error; empty if nothing is known.
func Hint(err error) string {
	code := Code(err)
	if h, ok := hints[code]; ok {
		return h
	}
	switch Classify(err) {
	case Denied:
		return deniedHint(err)
	case Credentials:
		return "give AWS credentials: a profile (--profile, AWS_PROFILE), `aws sso login`, or AWS_ACCESS_KEY_ID and its companions"
	case Quota:
		return "a limit of the account is reached: ask AWS for more (Service Quotas), or remove what is not used"
	case Capacity:
		return "AWS has no room for this at present: run the same command later, or set another agent.instance_type"
	case Transient:
		if code == "" {
			return "check the network connection, and run the same command; it goes on from here"
		}
		return "run the same command again; it goes on from here"
	}
	return ""
}

// deniedHint names the permission, and who denies it as far as the message tells.
func deniedHint(err error) string {
	by := "the identity's policies"
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch m := api.ErrorMessage(); {
		case strings.Contains(m, "service control policy"):
			by = "a service control policy of the organization"
		case strings.Contains(m, "resource control policy"):
			by = "a resource control policy of the organization"
		case strings.Contains(m, "permissions boundary"):
			by = "the identity's permissions boundary"
		case strings.Contains(m, "session policy"):
			by = "the session policy"
		case strings.Contains(m, "explicit deny"):
			by = "an explicit deny in a policy"
		}
	}
	if p := Permission(err); p != "" {
		return fmt.Sprintf("needs the permission %s; it is denied by %s", p, by)
	}
	return "a permission is missing; it is denied by " + by
}

// prefixes are those IAM prefixes that are not the service's id in lower case.
var prefixes = map[string]string{"cloudwatch logs": "logs"}

// permissions are the operations whose permission has another name.
var permissions = map[string]string{
	"s3:HeadBucket": "s3:ListBucket", "s3:DeleteObjects": "s3:DeleteObject",
	"s3:ListObjectVersions": "s3:ListBucketVersions", "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
	"s3:GetBucketEncryption": "s3:GetEncryptionConfiguration", "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
	"s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
	"s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
	"s3:GetPublicAccessBlock":            "s3:GetBucketPublicAccessBlock",
	"s3:PutPublicAccessBlock":            "s3:PutBucketPublicAccessBlock",
	"s3:DeleteBucketLifecycle":           "s3:PutLifecycleConfiguration",
}

// Permission is the IAM action that the failed call needs, or empty.
func Permission(err error) string {
	service, op := strings.ToLower(Service(err)), Operation(err)
	if service == "" {
		return ""
	}
	if p, ok := prefixes[service]; ok {
		service = p
	}
	action := service + ":" + op
	if p, ok := permissions[action]; ok {
		return p
	}
	return action
}
