package e2e

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// These tests check that the front adds the AWS rules that moto lacks.

func TestNewBucket(t *testing.T) {
	f := account(t)
	api := s3.NewFromConfig(f.Config("us-east-1"))
	name := aws.String("flowbed-front-" + f.Account)
	if _, err := api.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: name,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
			Tags: []s3types.Tag{{Key: aws.String("a"), Value: aws.String("b & c")}}},
	}); err != nil {
		t.Fatal(err)
	}
	tags, err := api.GetBucketTagging(t.Context(), &s3.GetBucketTaggingInput{Bucket: name})
	if err != nil || len(tags.TagSet) != 1 || *tags.TagSet[0].Key != "a" || *tags.TagSet[0].Value != "b & c" {
		t.Errorf("have tags %v, %v, want those of the create call", tags, err)
	}
	block, err := api.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: name})
	if err != nil || !*block.PublicAccessBlockConfiguration.BlockPublicPolicy {
		t.Errorf("have %v, %v, want all public access blocked", block, err)
	}
	if _, err := api.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: name}); err != nil {
		t.Errorf("read the encryption: have %v, want the default encryption", err)
	}
	if _, err := api.GetBucketOwnershipControls(t.Context(), &s3.GetBucketOwnershipControlsInput{Bucket: name}); err != nil {
		t.Errorf("read the object ownership: have %v, want the default", err)
	}
}

func TestClusterTwice(t *testing.T) {
	api := ecs.NewFromConfig(account(t).Config("us-east-1"))
	first := &ecs.CreateClusterInput{ClusterName: aws.String("one"), CapacityProviders: []string{"FARGATE"},
		Tags: []ecstypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}
	for _, in := range []*ecs.CreateClusterInput{first, {ClusterName: aws.String("one")}} {
		out, err := api.CreateCluster(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Cluster.Tags) != 1 || len(out.Cluster.CapacityProviders) != 1 {
			t.Errorf("have tags %v and providers %v, want those of the first call", out.Cluster.Tags, out.Cluster.CapacityProviders)
		}
	}
}

func TestRemoveMissingRole(t *testing.T) {
	api := iam.NewFromConfig(account(t).Config("us-east-1"))
	name := aws.String("empty")
	if _, err := api.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: name}); err != nil {
		t.Fatal(err)
	}
	_, err := api.RemoveRoleFromInstanceProfile(t.Context(), &iam.RemoveRoleFromInstanceProfileInput{
		InstanceProfileName: name, RoleName: aws.String("nobody")})
	if awserr.Code(err) != "NoSuchEntity" {
		t.Errorf("remove a missing role: have %v, want NoSuchEntity", err)
	}
}

func TestGroupInUseAndClientToken(t *testing.T) {
	api := ec2.NewFromConfig(account(t).Config("us-east-1"))
	group, err := api.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("used"), Description: aws.String("used"), VpcId: defaultVPC(t, api)})
	if err != nil {
		t.Fatal(err)
	}
	launch := ec2.RunInstancesInput{
		ImageId: image(t, api), InstanceType: ec2types.InstanceTypeT2Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SecurityGroupIds: []string{*group.GroupId}, ClientToken: aws.String("token-1"),
	}
	first, err := api.RunInstances(t.Context(), &launch)
	if err != nil {
		t.Fatal(err)
	}
	again, err := api.RunInstances(t.Context(), &launch)
	if err != nil || *again.Instances[0].InstanceId != *first.Instances[0].InstanceId {
		t.Errorf("repeat the request: have %v, want the same instance", err)
	}
	other := launch
	other.InstanceType = ec2types.InstanceTypeT3Micro
	if _, err := api.RunInstances(t.Context(), &other); awserr.Code(err) != "IdempotentParameterMismatch" {
		t.Errorf("same token, another type: have %v, want IdempotentParameterMismatch", err)
	}
	if _, err := api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: group.GroupId}); awserr.Code(err) != "DependencyViolation" {
		t.Errorf("delete a group in use: have %v, want DependencyViolation", err)
	}
	if _, err := api.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{
		InstanceIds: []string{*first.Instances[0].InstanceId}}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.RunInstances(t.Context(), &launch); awserr.Code(err) != "IdempotentInstanceTerminated" {
		t.Errorf("token of a terminated instance: have %v, want IdempotentInstanceTerminated", err)
	}
	if _, err := api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: group.GroupId}); err != nil {
		t.Errorf("delete an unused group: have %v, want no error", err)
	}
}

func TestQueueAttributes(t *testing.T) {
	api := sqs.NewFromConfig(account(t).Config("us-east-1"))
	const allow = `{"redrivePermission":"denyAll"}`
	out, err := api.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("one"), Attributes: map[string]string{
		"RedriveAllowPolicy": allow, "Policy": `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*"}]}`}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: out.QueueUrl, Attributes: map[string]string{"VisibilityTimeout": "60"}}); err != nil {
		t.Fatal(err)
	}
	have, err := api.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: out.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil || have.Attributes["RedriveAllowPolicy"] != allow || have.Attributes["Policy"] == "" || strings.Contains(have.Attributes["CreatedTimestamp"], ".") {
		t.Errorf("have %v, %v, want both policies, and the time in whole seconds", have, err)
	}
	have, err = api.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: out.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"RedriveAllowPolicy"}})
	if err != nil || have.Attributes["RedriveAllowPolicy"] != allow {
		t.Errorf("the redrive allow policy alone: have %v, %v", have, err)
	}
	if _, err := api.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("two")}); awserr.Code(err) != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Errorf("a queue that does not exist: have %v, want SQS's old code", err)
	}
}

func TestTagsOfRule(t *testing.T) {
	f := account(t)
	api := eventbridge.NewFromConfig(f.Config("us-east-1"))
	for _, v := range []string{"first", "second"} {
		if _, err := api.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("one"), EventPattern: aws.String(`{"source":["a"]}`),
			Tags: []ebtypes.Tag{{Key: aws.String("a"), Value: &v}}}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := api.ListTagsForResource(t.Context(), &eventbridge.ListTagsForResourceInput{
		ResourceARN: aws.String("arn:aws:events:us-east-1:" + f.Account + ":rule/one")})
	if err != nil || len(out.Tags) != 1 || *out.Tags[0].Value != "first" {
		t.Errorf("have %v, %v, want the tags of the first call", out, err)
	}
}

func defaultVPC(t *testing.T, api *ec2.Client) *string {
	t.Helper()
	out, err := api.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{
		Filters: []ec2types.Filter{{Name: aws.String("is-default"), Values: []string{"true"}}}})
	if err != nil || len(out.Vpcs) != 1 {
		t.Fatalf("find the default VPC: have %v, %v, want one", out, err)
	}
	return out.Vpcs[0].VpcId
}

func image(t *testing.T, api *ec2.Client) *string {
	t.Helper()
	out, err := api.DescribeImages(t.Context(), &ec2.DescribeImagesInput{Owners: []string{"amazon"}})
	if err != nil || len(out.Images) == 0 {
		t.Fatalf("find an image: %v", err)
	}
	return out.Images[0].ImageId
}
