package awserr

import (
	"errors"

	"github.com/aws/smithy-go"
)

// hints tells what to do about a code, for any operation.
var hints = map[string]string{
	"ExpiredToken":                "the credentials have expired: log in again (for SSO: aws sso login) and run the same command to continue",
	"ExpiredTokenException":       "the credentials have expired: log in again (for SSO: aws sso login) and run the same command to continue",
	"RequestExpired":              "the credentials have expired, or this machine's clock is wrong: log in again and run the same command",
	"InvalidClientTokenId":        "AWS does not know this access key: check the profile; if this is an opt-in region, check that it is enabled in the account",
	"UnrecognizedClientException": "AWS does not know this access key in this region: check the profile, and that the region is enabled in the account",
	"AuthFailure":                 "AWS does not accept the credentials in this region: check that the region is enabled in the account",
	"SignatureDoesNotMatch":       "the secret access key does not belong to the access key, or this machine's clock is wrong",
	"RequestTimeTooSkewed":        "this machine's clock is wrong: set it and run the same command",
	"InvalidAMIID.NotFound":       "the account has no access to this AMI in this region: every region has its own AMI ids; correct agent.image",
	"InvalidAMIID.Unavailable":    "the AMI is no longer available: choose another agent.image",
	"OperationNotPermitted":       "somebody turned on protection for the instance: turn it off (aws ec2 modify-instance-attribute --instance-id i-… --no-disable-api-termination, or --no-disable-api-stop) and run the same command",
	"InvalidBlockDeviceMapping":   "the AMI needs a larger volume: increase agent.volume_gib",
	"OptInRequired":               "enable the region, or complete the sign-up of the account, in the AWS console",
	"BucketAlreadyExists":         "another account owns this bucket name: set another bucket.name, or namespace = \"account-regional\"",
	"TooManyBuckets":              "the account is at its bucket quota: delete a bucket, or request an increase (Service Quotas, S3)",
	"VcpuLimitExceeded":           "the account is at its vCPU quota for this instance family: request an increase (Service Quotas, EC2)",
	"InstanceLimitExceeded":       "the account is at its instance quota: terminate an instance, or request an increase (Service Quotas, EC2)",
	"PendingVerification":         "AWS is still verifying the account for this region: wait for the email from AWS, then run the same command",
	"OperationAborted":            "S3 is still processing another change to this bucket name, which can take up to an hour after a deletion: run the same command later",
	"MalformedPolicyDocument":     "IAM does not accept the policy: check the statement blocks of task_role",
	"VPCIdNotSpecified":           "the region has no default VPC: create one (aws ec2 create-default-vpc), or set network.vpc",
}

// Hint is what the user can do about an error: a phrase without a final period. It is
// empty if nothing is known.
func Hint(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if r, ok := ruleFor(err, api); ok && r.hint != "" {
			return r.hint
		}
	}
	code := Code(err)
	if h, ok := hints[code]; ok {
		return h
	}
	switch Classify(err) {
	case Denied:
		r, _ := RefusalOf(err)
		return r.String()
	case Credentials:
		return "provide AWS credentials: a profile (--profile, AWS_PROFILE), `aws sso login`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case Quota:
		return "the account is at a quota: request an increase (Service Quotas), or delete unused resources"
	case Capacity:
		return "AWS has no capacity for this right now: run the same command later, or set another agent.instance_type"
	case Transient:
		if code == "" {
			return "check the network connection and run the same command to continue"
		}
		return "run the same command again to continue"
	}
	if unknownHost(err) {
		return "check the network connection, and the name of the region or the endpoint"
	}
	return ""
}
