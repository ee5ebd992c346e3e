package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// inventory lists by kind every object in an account that an environment could leave
// behind, whoever created it.
func inventory(t *testing.T, f *moto.Front) map[string][]string {
	t.Helper()
	cfg := f.Config("us-east-1")
	all := map[string][]string{}
	for _, list := range []func(context.Context, aws.Config, map[string][]string) error{
		listIAM, listEC2, listStorage, listECS, listEvents,
	} {
		if err := list(t.Context(), cfg, all); err != nil {
			t.Fatalf("inventory: %v", err)
		}
	}
	for _, names := range all {
		slices.Sort(names)
	}
	return all
}

func listIAM(ctx context.Context, cfg aws.Config, all map[string][]string) error {
	api := iam.NewFromConfig(cfg)
	roles, err := api.ListRoles(ctx, &iam.ListRolesInput{})
	if err != nil {
		return err
	}
	for _, r := range roles.Roles {
		all["role"] = append(all["role"], *r.RoleName)
	}
	profiles, err := api.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{})
	if err != nil {
		return err
	}
	for _, p := range profiles.InstanceProfiles {
		all["profile"] = append(all["profile"], *p.InstanceProfileName)
	}
	return nil
}

func listEC2(ctx context.Context, cfg aws.Config, all map[string][]string) error {
	api := ec2.NewFromConfig(cfg)
	instances, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{{
		Name: aws.String("instance-state-name"), Values: []string{"pending", "running", "stopping", "stopped", "shutting-down"}}}})
	if err != nil {
		return err
	}
	for _, r := range instances.Reservations {
		for _, i := range r.Instances {
			all["instance"] = append(all["instance"], *i.InstanceId)
		}
	}
	volumes, err := api.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{})
	if err != nil {
		return err
	}
	for _, v := range volumes.Volumes {
		all["volume"] = append(all["volume"], *v.VolumeId)
	}
	groups, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		return err
	}
	for _, g := range groups.SecurityGroups {
		rules := fmt.Sprintf("%s with %d+%d rules", *g.GroupName, len(g.IpPermissions), len(g.IpPermissionsEgress))
		all["group"] = append(all["group"], rules)
	}
	keys, err := api.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{})
	if err != nil {
		return err
	}
	for _, k := range keys.KeyPairs {
		all["key pair"] = append(all["key pair"], *k.KeyName)
	}
	return nil
}

func listStorage(ctx context.Context, cfg aws.Config, all map[string][]string) error {
	buckets, err := s3.NewFromConfig(cfg).ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return err
	}
	for _, b := range buckets.Buckets {
		all["bucket"] = append(all["bucket"], *b.Name)
	}
	groups, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	if err != nil {
		return err
	}
	for _, g := range groups.LogGroups {
		all["log group"] = append(all["log group"], *g.LogGroupName)
	}
	return listParameters(ctx, ssm.NewFromConfig(cfg), all)
}

// listParameters omits AWS's own parameters, which moto lists with the account's.
func listParameters(ctx context.Context, api *ssm.Client, all map[string][]string) error {
	for pages := ssm.NewDescribeParametersPaginator(api, &ssm.DescribeParametersInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, p := range page.Parameters {
			if !strings.HasPrefix(*p.Name, "/aws/") {
				all["parameter"] = append(all["parameter"], *p.Name)
			}
		}
	}
	return nil
}

func listEvents(ctx context.Context, cfg aws.Config, all map[string][]string) error {
	queues, err := sqs.NewFromConfig(cfg).ListQueues(ctx, &sqs.ListQueuesInput{})
	if err != nil {
		return err
	}
	for _, url := range queues.QueueUrls {
		all["queue"] = append(all["queue"], url[strings.LastIndex(url, "/")+1:])
	}
	rules, err := eventbridge.NewFromConfig(cfg).ListRules(ctx, &eventbridge.ListRulesInput{})
	if err != nil {
		return err
	}
	for _, r := range rules.Rules {
		all["event rule"] = append(all["event rule"], *r.Name)
	}
	return nil
}

// listECS omits deleted clusters, which ECS shows for a while as INACTIVE.
func listECS(ctx context.Context, cfg aws.Config, all map[string][]string) error {
	api := ecs.NewFromConfig(cfg)
	clusters, err := api.ListClusters(ctx, &ecs.ListClustersInput{})
	if err != nil || len(clusters.ClusterArns) == 0 {
		return err
	}
	out, err := api.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: clusters.ClusterArns})
	if err != nil {
		return err
	}
	for _, c := range out.Clusters {
		if *c.Status != "INACTIVE" {
			all["cluster"] = append(all["cluster"], *c.ClusterName)
		}
	}
	return nil
}
