package permissions_test

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// tamper changes what only another hand can change.
func (w *world) tamper() {
	ctx, cfg := context.Background(), w.account.Config(region)
	compute, roles, files := ec2.NewFromConfig(cfg), iam.NewFromConfig(cfg), s3.NewFromConfig(cfg)
	i, group, bucket := w.instance(), w.group("flowbed-dev-agent"), environment(w.T, full, false).Bucket.Name
	var errs []error
	did := func(_ any, err error) { errs = append(errs, err) }
	did(files.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &bucket, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
		Rules: []s3types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms"}}}}}))
	did(files.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &bucket}))
	did(files.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &bucket}))
	did(files.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: &bucket}))
	did(files.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: &bucket, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{
		{Key: aws.String("flowbed:managed-by"), Value: aws.String("flowbed")}, {Key: aws.String("flowbed:environment"), Value: aws.String("dev")},
		{Key: aws.String("flowbed:region"), Value: aws.String(region)}}}}))
	did(files.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: &bucket, OwnershipControls: &s3types.OwnershipControls{
		Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: s3types.ObjectOwnershipBucketOwnerPreferred}}}}))
	did(roles.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("flowbed-dev-agent"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com"},"Action":"sts:AssumeRole"}}`)}))
	did(roles.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("flowbed-dev-task"), PolicyName: aws.String("more"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)}))
	did(compute.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: i.InstanceId, HttpTokens: "optional"}))
	did(compute.DisassociateIamInstanceProfile(ctx, &ec2.DisassociateIamInstanceProfileInput{AssociationId: w.association(i)}))
	did(compute.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: i.NetworkInterfaces[0].NetworkInterfaceId, Groups: []string{*w.group("default").GroupId}}))
	did(compute.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: group.GroupId, IpPermissions: group.IpPermissionsEgress}))
	did(compute.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: group.IpPermissions}))
	group.IpPermissions[0].IpRanges[0].Description = aws.String("somebody")
	did(compute.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: group.IpPermissions}))
	for _, err := range errs {
		w.check(err)
	}
	w.retype()
	clusters := ecs.NewFromConfig(cfg)
	_, err := clusters.UntagResource(ctx, &ecs.UntagResourceInput{
		ResourceArn: aws.String(identity.ARN("ecs", region, "cluster/default")), TagKeys: []string{"flowbed:claim:dev@" + region}})
	w.check(err)
	_, err = clusters.PutClusterCapacityProviders(ctx, &ecs.PutClusterCapacityProvidersInput{
		Cluster: aws.String("default"), CapacityProviders: []string{"FARGATE"}, DefaultCapacityProviderStrategy: []ecstypes.CapacityProviderStrategyItem{}})
	w.check(err)
}

func (w *world) association(i ec2types.Instance) *string {
	out, err := ec2.NewFromConfig(w.account.Config(region)).DescribeIamInstanceProfileAssociations(context.Background(),
		&ec2.DescribeIamInstanceProfileAssociationsInput{})
	w.check(err)
	at := slices.IndexFunc(out.IamInstanceProfileAssociations, func(a ec2types.IamInstanceProfileAssociation) bool { return *a.InstanceId == *i.InstanceId })
	return out.IamInstanceProfileAssociations[at].AssociationId
}

// retype makes the token a parameter that is no secret.
func (w *world) retype() {
	api, ctx, name := ssm.NewFromConfig(w.account.Config(region)), context.Background(), aws.String("/flowbed/dev/prefect-api-key")
	_, err := api.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: name})
	w.check(err)
	tag := func(k, v string) ssmtypes.Tag { return ssmtypes.Tag{Key: &k, Value: &v} }
	_, err = api.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("plain"), Type: ssmtypes.ParameterTypeString, Tags: []ssmtypes.Tag{
		tag("flowbed:managed-by", "flowbed"), tag("flowbed:environment", "dev"), tag("flowbed:region", region)}})
	w.check(err)
}

// tamperMore changes what cannot be changed at the same time.
func (w *world) tamperMore() {
	ctx, cfg := context.Background(), w.account.Config(region)
	compute, roles := ec2.NewFromConfig(cfg), iam.NewFromConfig(cfg)
	i := w.instance()
	var errs []error
	did := func(_ any, err error) { errs = append(errs, err) }
	profile := aws.String("flowbed-dev-agent")
	did(roles.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("other")}))
	did(roles.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("other"), RoleName: aws.String("flowbed-dev-task")}))
	did(compute.ReplaceIamInstanceProfileAssociation(ctx, &ec2.ReplaceIamInstanceProfileAssociationInput{
		AssociationId: w.association(i), IamInstanceProfile: &ec2types.IamInstanceProfileSpecification{Name: aws.String("other")}}))
	did(roles.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile, RoleName: profile}))
	did(roles.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: aws.String("flowbed-dev-task")}))
	did(compute.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{*i.InstanceId}}))
	for _, err := range errs {
		w.check(err)
	}
	time.Sleep(time.Minute) // until it has stopped
}
