package awserr_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

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
		{"a quota of IAM", failed("IAM", "CreateRole", "LimitExceeded", ""), awserr.Quota},
		{"a region that is not enabled", failed("EC2", "DescribeVpcs", "AuthFailure", "AWS was not able to validate the provided access credentials"), awserr.Credentials},
		{"a clock that is wrong", failed("S3", "CreateBucket", "RequestTimeTooSkewed", ""), awserr.Credentials},
		{"a wrong parameter", failed("EC2", "RunInstances", "InvalidParameterValue", "The architecture does not match"), awserr.Invalid},
		{"a wrong cluster", failed("ECS", "CreateCluster", "InvalidParameterException", "Invalid identifier"), awserr.Invalid},
		{"a permission", failed("EC2", "RunInstances", "UnauthorizedOperation", ""), awserr.Denied},
		{"expired", failed("ECS", "CreateCluster", "ExpiredTokenException", ""), awserr.Credentials},
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
		"Throttling": true, "InternalFailure": true,
		"AccessDenied": false, "ExpiredToken": false, "ValidationError": false, "LimitExceeded": false,
	} {
		if have := awserr.Retry(failed("IAM", "CreateRole", code, "")); have != want {
			t.Errorf("%s: retry %t, want %t", code, have, want)
		}
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
