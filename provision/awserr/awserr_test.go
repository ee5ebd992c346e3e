package awserr_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/awserr"
)

func failed(service, operation, code, message string) error {
	return fmt.Errorf("do it: %w", &smithy.OperationError{
		ServiceID: service, OperationName: operation,
		Err: &smithy.GenericAPIError{Code: code, Message: message},
	})
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want awserr.Class
	}{
		{"nothing", nil, awserr.Unknown},
		{"cancelled", fmt.Errorf("x: %w", context.Canceled), awserr.Unknown},
		{"typed", &types.NoSuchEntityException{}, awserr.Absent},
		{"a quota of IAM", failed("IAM", "CreateRole", "LimitExceeded", ""), awserr.Quota},
		{"a role in the profile already", failed("IAM", "AddRoleToInstanceProfile", "LimitExceeded", ""), awserr.Conflict},
		{"a profile that EC2 does not know yet", failed("EC2", "RunInstances", "InvalidParameterValue", "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"), awserr.Transient},
		{"a profile made again, for an instance that runs", failed("EC2", "ReplaceIamInstanceProfileAssociation", "InvalidParameterValue", "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"), awserr.Transient},
		{"a profile whose role EC2 does not see yet", failed("EC2", "AssociateIamInstanceProfile", "InvalidParameterValue", "IAM Instance Profile \"x\" has no associated IAM Roles"), awserr.Transient},
		{"an association that has just ended", failed("EC2", "ReplaceIamInstanceProfileAssociation", "InvalidAssociationID.NotFound", ""), awserr.Absent},
		{"an image that nobody has", failed("EC2", "DescribeImages", "InvalidAMIID.NotFound", ""), awserr.Invalid},
		{"an image of somebody else", failed("EC2", "RunInstances", "AuthFailure", "Not authorized for images: [ami-0a1b2c3d]"), awserr.Invalid},
		{"a region that is not enabled", failed("EC2", "DescribeVpcs", "AuthFailure", "AWS was not able to validate the provided access credentials"), awserr.Credentials},
		{"policies that are too long for their role", failed("IAM", "PutRolePolicy", "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role x"), awserr.Invalid},
		{"a clock that is wrong", failed("S3", "CreateBucket", "RequestTimeTooSkewed", ""), awserr.Credentials},
		{"a wrong parameter", failed("EC2", "RunInstances", "InvalidParameterValue", "The architecture does not match"), awserr.Invalid},
		{"the first cluster of an account", failed("ECS", "CreateCluster", "InvalidParameterException", "Unable to assume the service linked role. Please verify"), awserr.Transient},
		{"a wrong cluster", failed("ECS", "CreateCluster", "InvalidParameterException", "Invalid identifier"), awserr.Invalid},
		{"a group in use", failed("EC2", "DeleteSecurityGroup", "DependencyViolation", ""), awserr.Transient},
		{"a permission", failed("EC2", "RunInstances", "UnauthorizedOperation", ""), awserr.Denied},
		{"expired", failed("ECS", "CreateCluster", "ExpiredTokenException", ""), awserr.Credentials},
		{"another's bucket", failed("S3", "CreateBucket", "BucketAlreadyExists", ""), awserr.Invalid},
		{"an unknown code", failed("S3", "CreateBucket", "SomethingNew", ""), awserr.Unknown},
		{"no connection", &net.OpError{Op: "dial", Err: errors.New("refused")}, awserr.Transient},
		{"no such host", &net.DNSError{IsNotFound: true}, awserr.Unknown},
	} {
		if have := awserr.Classify(c.err); have != c.want {
			t.Errorf("%s: class %d, want %d", c.name, have, c.want)
		}
	}
}

func TestRetryLooksAgainOnlyWhereTheStateMayHaveMoved(t *testing.T) {
	for code, want := range map[string]bool{
		"EntityAlreadyExists": true, "NoSuchEntity": true, "Throttling": true, "DeleteConflict": true,
		"AccessDenied": false, "ExpiredToken": false, "ValidationError": false, "VcpuLimitExceeded": false,
	} {
		if have := awserr.Retry(failed("IAM", "CreateRole", code, "")); have != want {
			t.Errorf("%s: retry %t, want %t", code, have, want)
		}
	}
}

func TestGone(t *testing.T) {
	if err := awserr.Gone(failed("IAM", "DeleteRole", "NoSuchEntity", "")); err != nil {
		t.Errorf("an absent role is deleted already, but: %v", err)
	}
	if err := awserr.Gone(failed("IAM", "DeleteRole", "DeleteConflict", "")); err == nil {
		t.Error("a conflict is no success")
	}
}

func TestHint(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want []string
	}{
		{"identity", failed("IAM", "CreateRole", "AccessDenied", "is not authorized"), []string{"iam:CreateRole", "identity's policies"}},
		{"organization", failed("EC2", "RunInstances", "UnauthorizedOperation", "with an explicit deny in a service control policy"), []string{"ec2:RunInstances", "service control policy"}},
		{"boundary", failed("S3", "GetBucketEncryption", "AccessDenied", "no permissions boundary allows"), []string{"s3:GetEncryptionConfiguration", "boundary"}},
		{"logs", failed("CloudWatch Logs", "CreateLogGroup", "AccessDeniedException", ""), []string{"logs:CreateLogGroup"}},
		{"expired", failed("SSM", "PutParameter", "ExpiredTokenException", ""), []string{"expired", "to continue"}},
		{"a long policy", failed("IAM", "PutRolePolicy", "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role x"), []string{"10,240", "policies ="}},
		{"another's image", failed("EC2", "RunInstances", "AuthFailure", "Not authorized for images: [ami-0a1b2c3d]"), []string{"agent.image", "share"}},
		{"no image", failed("EC2", "DescribeImages", "InvalidAMIID.NotFound", ""), []string{"agent.image", "region"}},
		{"a protected instance", failed("EC2", "TerminateInstances", "OperationNotPermitted", "The instance 'i-1' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."), []string{"--no-disable-api-termination"}},
		{"a small volume", failed("EC2", "RunInstances", "InvalidBlockDeviceMapping", "Volume of size 8GB is smaller than snapshot 'snap-1', expect size >= 30GB"), []string{"agent.volume_gib"}},
		{"the clock", failed("S3", "CreateBucket", "RequestTimeTooSkewed", ""), []string{"clock"}},
		{"quota", failed("IAM", "CreateRole", "LimitExceeded", ""), []string{"quota"}},
	} {
		for _, w := range c.want {
			if have := awserr.Hint(c.err); !strings.Contains(have, w) {
				t.Errorf("%s: hint %q does not say %q", c.name, have, w)
			}
		}
	}
	if have := awserr.Hint(errors.New("something else")); have != "" {
		t.Errorf("an unknown error has the hint %q", have)
	}
}
