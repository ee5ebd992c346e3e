package awserr

import (
	"errors"

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
	"RequestTimeTooSkewed":        "this machine's clock is wrong: set it, and run the same command",
	"InvalidAMIID.NotFound":       "there is no such image for this account in this region: AMIs have another id in each region; correct agent.image",
	"InvalidAMIID.Unavailable":    "the image was withdrawn: choose another agent.image",
	"OperationNotPermitted":       "somebody has protected the instance on purpose: take that away (aws ec2 modify-instance-attribute --instance-id i-… --no-disable-api-termination, or --no-disable-api-stop), and run the same command",
	"InvalidBlockDeviceMapping":   "the image needs a larger volume: set agent.volume_gib",
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
	if unknownHost(err) {
		return "check the network connection, and the name of the region (or of the endpoint)"
	}
	return ""
}
