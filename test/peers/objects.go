package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// objects are the AWS objects of an account, each with its kind and its name. Policies and
// settings of an object count with the object.
type objects []string

func (o objects) without(others objects) (list objects) {
	for _, one := range o {
		if !slices.Contains(others, one) {
			list = append(list, one)
		}
	}
	return list
}

func (o *objects) add(kind string, name *string) { *o = append(*o, kind+" "+aws.ToString(name)) }

// objects lists what is in the account.
func (l *life) objects(ctx context.Context) (objects, error) {
	var all objects
	c := l.look.Config("us-east-1")
	for _, list := range []func(context.Context, aws.Config, *objects) error{listIAM, listEC2, listStorage, listQueues, listECS} {
		if err := list(ctx, c, &all); err != nil {
			return nil, fmt.Errorf("list the objects of the account: %w", err)
		}
	}
	slices.Sort(all)
	return all, nil
}

func listIAM(ctx context.Context, c aws.Config, all *objects) error {
	api := iam.NewFromConfig(c)
	roles, err := api.ListRoles(ctx, &iam.ListRolesInput{})
	if err != nil {
		return err
	}
	for _, r := range roles.Roles {
		all.add("role", r.RoleName)
	}
	profiles, err := api.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{})
	if err != nil {
		return err
	}
	for _, p := range profiles.InstanceProfiles {
		all.add("instance profile", p.InstanceProfileName)
	}
	policies, err := api.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal})
	if err != nil {
		return err
	}
	for _, p := range policies.Policies {
		all.add("policy", p.PolicyName)
	}
	users, err := api.ListUsers(ctx, &iam.ListUsersInput{})
	if err != nil {
		return err
	}
	for _, u := range users.Users {
		all.add("user", u.UserName)
		keys, err := api.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: u.UserName})
		if err != nil {
			return err
		}
		for range keys.AccessKeyMetadata {
			all.add("access key of", u.UserName)
		}
	}
	return nil
}

func listEC2(ctx context.Context, c aws.Config, all *objects) error {
	api := ec2.NewFromConfig(c)
	groups, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		return err
	}
	for _, g := range groups.SecurityGroups {
		all.add("security group", g.GroupName)
	}
	keys, err := api.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{})
	if err != nil {
		return err
	}
	for _, k := range keys.KeyPairs {
		all.add("key pair", k.KeyName)
	}
	vpcs, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if err != nil {
		return err
	}
	for _, v := range vpcs.Vpcs {
		all.add("VPC", v.VpcId)
	}
	machines, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	if err != nil {
		return err
	}
	for _, r := range machines.Reservations {
		for _, i := range r.Instances {
			if i.State != nil && i.State.Name != ec2types.InstanceStateNameTerminated {
				all.add("instance", i.InstanceId)
			}
		}
	}
	return nil
}

func listStorage(ctx context.Context, c aws.Config, all *objects) error {
	buckets, err := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }).ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return err
	}
	for _, b := range buckets.Buckets {
		all.add("bucket", b.Name)
	}
	groups, err := cloudwatchlogs.NewFromConfig(c).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	if err != nil {
		return err
	}
	for _, g := range groups.LogGroups {
		all.add("log group", g.LogGroupName)
	}
	for pages := ssm.NewDescribeParametersPaginator(ssm.NewFromConfig(c), &ssm.DescribeParametersInput{MaxResults: aws.Int32(50)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, p := range page.Parameters {
			if !strings.HasPrefix(aws.ToString(p.Name), "/aws/") { // AWS's own
				all.add("parameter", p.Name)
			}
		}
	}
	repositories, err := ecr.NewFromConfig(c).DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{})
	if err != nil {
		return err
	}
	for _, r := range repositories.Repositories {
		all.add("repository", r.RepositoryName)
	}
	return nil
}

func listQueues(ctx context.Context, c aws.Config, all *objects) error {
	queues, err := sqs.NewFromConfig(c).ListQueues(ctx, &sqs.ListQueuesInput{})
	if err != nil {
		return err
	}
	for _, url := range queues.QueueUrls {
		all.add("queue", &url)
	}
	rules, err := eventbridge.NewFromConfig(c).ListRules(ctx, &eventbridge.ListRulesInput{})
	if err != nil {
		return err
	}
	for _, r := range rules.Rules {
		all.add("event rule", r.Name)
	}
	return nil
}

func listECS(ctx context.Context, c aws.Config, all *objects) error {
	api := ecs.NewFromConfig(c)
	listed, err := api.ListClusters(ctx, &ecs.ListClustersInput{})
	if err != nil || len(listed.ClusterArns) == 0 {
		return err
	}
	clusters, err := api.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: listed.ClusterArns})
	if err != nil {
		return err
	}
	for _, cl := range clusters.Clusters {
		if aws.ToString(cl.Status) == "ACTIVE" {
			all.add("cluster", cl.ClusterName)
		}
	}
	return nil
}
