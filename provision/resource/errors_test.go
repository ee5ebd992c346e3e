package resource_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/awserr"
)

// failed is an error as the SDK returns it from a call.
func failed(service, operation, code, message string) error {
	return fmt.Errorf("do it: %w", &smithy.OperationError{
		ServiceID: service, OperationName: operation,
		Err: &smithy.GenericAPIError{Code: code, Message: message},
	})
}

// TestErrors is about what the kinds declare of their errors.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want awserr.Class
	}{
		{"typed", &types.NoSuchEntityException{}, awserr.Absent},
		{"a role in the profile already", failed("IAM", "AddRoleToInstanceProfile", "LimitExceeded", ""), awserr.Conflict},
		{"a profile that EC2 does not know yet", failed("EC2", "RunInstances", "InvalidParameterValue", "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"), awserr.Transient},
		{"a profile made again, for an instance that runs", failed("EC2", "ReplaceIamInstanceProfileAssociation", "InvalidParameterValue", "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"), awserr.Transient},
		{"a profile whose role EC2 does not see yet", failed("EC2", "AssociateIamInstanceProfile", "InvalidParameterValue", "IAM Instance Profile \"x\" has no associated IAM Roles"), awserr.Transient},
		{"an association that has just ended", failed("EC2", "ReplaceIamInstanceProfileAssociation", "InvalidAssociationID.NotFound", ""), awserr.Absent},
		{"an image that nobody has", failed("EC2", "DescribeImages", "InvalidAMIID.NotFound", ""), awserr.Invalid},
		{"an image of somebody else", failed("EC2", "RunInstances", "AuthFailure", "Not authorized for images: [ami-0a1b2c3d]"), awserr.Invalid},
		{"policies that are too long for their role", failed("IAM", "PutRolePolicy", "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role x"), awserr.Invalid},
		{"the first cluster of an account", failed("ECS", "CreateCluster", "InvalidParameterException", "Unable to assume the service linked role. Please verify"), awserr.Transient},
		{"a group in use", failed("EC2", "DeleteSecurityGroup", "DependencyViolation", ""), awserr.Transient},
		{"another's bucket", failed("S3", "CreateBucket", "BucketAlreadyExists", ""), awserr.Invalid},
		{"a wrong cluster", failed("ECS", "CreateCluster", "InvalidParameterException", "Invalid identifier"), awserr.Invalid},
		{"a quota of IAM", failed("IAM", "CreateRole", "LimitExceeded", ""), awserr.Quota},
		{"a region that is not enabled", failed("EC2", "DescribeVpcs", "AuthFailure", "AWS was not able to validate the provided access credentials"), awserr.Credentials},
		{"a wrong parameter", failed("EC2", "RunInstances", "InvalidParameterValue", "The architecture does not match"), awserr.Invalid},
		{"a policy that IAM does not accept", failed("IAM", "PutRolePolicy", "MalformedPolicyDocument", "Syntax errors in policy."), awserr.Invalid},
		{"a principal that IAM does not know yet", failed("IAM", "CreateRole", "MalformedPolicyDocument", "Invalid principal in policy"), awserr.Transient},
		{"a principal that S3 does not know yet", failed("S3", "PutBucketPolicy", "MalformedPolicy", "Invalid principal in policy"), awserr.Transient},
		{"a role that ECS cannot assume yet", failed("ECS", "RunTask", "ClientException", "ECS was unable to assume the role"), awserr.Transient},
		{"a cluster that is being created", failed("ECS", "RunTask", "ClientException", "Cluster was not ACTIVE."), awserr.Transient},
		{"a wrong definition", failed("ECS", "RegisterTaskDefinition", "ClientException", "Family contains invalid characters"), awserr.Invalid},
		{"ECS's own role", failed("IAM", "CreateServiceLinkedRole", "InvalidInput", "Service role name AWSServiceRoleForECS has been taken"), awserr.Conflict},
		{"a log group that is gone", failed("CloudWatch Logs", "ListTagsForResource", "ResourceNotFoundException", ""), awserr.Absent},
		{"a key pair that is there", failed("EC2", "ImportKeyPair", "InvalidKeyPair.Duplicate", ""), awserr.Conflict},
		{"no default VPC", failed("EC2", "RunInstances", "VPCIdNotSpecified", ""), awserr.Invalid},
		{"a queue that is gone", failed("SQS", "GetQueueUrl", "AWS.SimpleQueueService.NonExistentQueue", ""), awserr.Absent},
		{"the name of a queue that rests", failed("SQS", "CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", ""), awserr.Transient},
		{"a dead-letter queue that SQS does not see yet", failed("SQS", "CreateQueue", "InvalidParameterValue", "Value {} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."), awserr.Transient},
		{"a wrong attribute", failed("SQS", "CreateQueue", "InvalidParameterValue", "Invalid value for the parameter VisibilityTimeout."), awserr.Invalid},
		{"a rule that got another target", failed("EventBridge", "DeleteRule", "ValidationException", "Rule can't be deleted since it has targets."), awserr.Conflict},
		{"a wrong name of a rule", failed("EventBridge", "PutRule", "ValidationException", "1 validation error detected"), awserr.Invalid},
		{"no room", failed("EC2", "RunInstances", "InsufficientInstanceCapacity", ""), awserr.Capacity},
	} {
		if have := awserr.Classify(c.err); have != c.want {
			t.Errorf("%s: class %d, want %d", c.name, have, c.want)
		}
	}
}

func TestRetryLooksAgainOnlyWhereTheStateMayHaveMoved(t *testing.T) {
	for code, want := range map[string]bool{
		"EntityAlreadyExists": true, "NoSuchEntity": true, "DeleteConflict": true, "VcpuLimitExceeded": false,
	} {
		if have := awserr.Retry(failed("IAM", "CreateRole", code, "")); have != want {
			t.Errorf("%s: retry %t, want %t", code, have, want)
		}
	}
}

// TestServiceRoleHint: ECS does not say that a permission is missing.
func TestServiceRoleHint(t *testing.T) {
	for _, op := range []string{"CreateCluster", "PutClusterCapacityProviders"} {
		hint := awserr.Hint(failed("ECS", op, "InvalidParameterException", "Unable to assume the service linked role. Please verify that the ECS service linked role exists."))
		if !strings.Contains(hint, "iam:CreateServiceLinkedRole") || !strings.Contains(hint, "aws iam create-service-linked-role") {
			t.Errorf("%s: have hint %q", op, hint)
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

func TestHints(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want []string
	}{
		{"a long policy", failed("IAM", "PutRolePolicy", "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role x"), []string{"10,240", "policies ="}},
		{"another's image", failed("EC2", "RunInstances", "AuthFailure", "Not authorized for images: [ami-0a1b2c3d]"), []string{"agent.image", "share"}},
		{"no image", failed("EC2", "DescribeImages", "InvalidAMIID.NotFound", ""), []string{"agent.image", "region"}},
		{"the name of a queue that rests", failed("SQS", "CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", ""), []string{"60 seconds"}},
		{"a protected instance", failed("EC2", "TerminateInstances", "OperationNotPermitted", "The instance 'i-1' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."), []string{"--no-disable-api-termination"}},
		{"a small volume", failed("EC2", "RunInstances", "InvalidBlockDeviceMapping", "Volume of size 8GB is smaller than snapshot 'snap-1', expect size >= 30GB"), []string{"agent.volume_gib"}},
		{"another's bucket", failed("S3", "CreateBucket", "BucketAlreadyExists", ""), []string{"bucket.name", "account-regional"}},
		{"a quota of VPCs", failed("EC2", "CreateVpc", "VpcLimitExceeded", ""), []string{"quota of VPCs", "--service-code vpc --quota-code L-F678F1CE", "network.vpc"}},
		{"a quota of addresses", failed("EC2", "AllocateAddress", "AddressLimitExceeded", ""), []string{"quota of Elastic IP addresses", "--service-code ec2 --quota-code L-0263D0A3", "release one"}},
		{"a quota of NAT gateways", failed("EC2", "CreateNatGateway", "NatGatewayLimitExceeded", ""), []string{"--service-code vpc --quota-code L-FE5A380F", "delete one"}},
		{"a quota of internet gateways", failed("EC2", "CreateInternetGateway", "InternetGatewayLimitExceeded", ""), []string{"L-A4707A72", "--service-code vpc --quota-code L-F678F1CE"}},
		{"a quota of subnets", failed("EC2", "CreateSubnet", "SubnetLimitExceeded", ""), []string{"--service-code vpc --quota-code L-407747CB"}},
		{"a quota of route tables", failed("EC2", "CreateRouteTable", "RouteTableLimitExceeded", ""), []string{"--service-code vpc --quota-code L-589F43AA"}},
		{"a quota of routes", failed("EC2", "CreateRoute", "RouteLimitExceeded", ""), []string{"--service-code vpc --quota-code L-93826ACB"}},
		{"a quota of groups", failed("EC2", "CreateSecurityGroup", "SecurityGroupLimitExceeded", ""), []string{"--service-code vpc --quota-code L-E79EC296"}},
		{"a quota of rules", failed("EC2", "AuthorizeSecurityGroupEgress", "RulesPerSecurityGroupLimitExceeded", ""), []string{"--service-code vpc --quota-code L-0EA8095F"}},
		{"a quota of endpoints", failed("EC2", "CreateVpcEndpoint", "VpcEndpointLimitExceeded", ""), []string{"--service-code vpc --quota-code L-29B6F2EB", "L-1B52E74A"}},
		{"a quota of vCPUs", failed("EC2", "RunInstances", "VcpuLimitExceeded", ""), []string{"--service-code ec2 --quota-code L-1216C47A"}},
		{"no default VPC", failed("EC2", "RunInstances", "VPCIdNotSpecified", ""), []string{"create-default-vpc"}},
	} {
		for _, w := range c.want {
			if have := awserr.Hint(c.err); !strings.Contains(have, w) {
				t.Errorf("%s: hint %q does not say %q", c.name, have, w)
			}
		}
	}
}
