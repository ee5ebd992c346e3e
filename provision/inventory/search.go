package inventory

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/resource"
)

const kindLogGroup = "log group"

func (c Clients) logGroups(ctx context.Context) ([]seen, error) {
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(c.Logs, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/flowbed/")})
	var list []seen
	var arns []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, g := range page.LogGroups {
			list = append(list, seen{
				Object: Object{kindLogGroup, aws.ToString(g.LogGroupName)}, created: time.UnixMilli(aws.ToInt64(g.CreationTime)),
			})
			arns = append(arns, strings.TrimSuffix(aws.ToString(g.Arn), ":*"))
		}
	}
	return tagged(ctx, list, func(ctx context.Context, i int) (resource.Tags, error) {
		out, err := c.Logs.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &arns[i]})
		if err != nil {
			return nil, err
		}
		return out.Tags, nil
	})
}

// ours finds what EC2 has of any environment.
func ours() types.Filter {
	return types.Filter{Name: aws.String("tag-key"), Values: []string{resource.KeyEnvironment}}
}

func (c Clients) instances(ctx context.Context) (list []seen, err error) {
	live := types.Filter{Name: aws.String("instance-state-name"), Values: []string{"pending", "running", "stopping", "stopped"}}
	pages := ec2.NewDescribeInstancesPaginator(c.EC2, &ec2.DescribeInstancesInput{Filters: []types.Filter{ours(), live}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				list = append(list, seen{Object{"instance", aws.ToString(i.InstanceId)}, aws.ToTime(i.LaunchTime), ec2Tags(i.Tags)})
			}
		}
	}
	return list, nil
}

func (c Clients) groups(ctx context.Context) (list []seen, err error) {
	pages := ec2.NewDescribeSecurityGroupsPaginator(c.EC2, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{ours()}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, g := range page.SecurityGroups {
			list = append(list, seen{Object: Object{"security group", aws.ToString(g.GroupId)}, tags: ec2Tags(g.Tags)})
		}
	}
	return list, nil
}

func (c Clients) keys(ctx context.Context) (list []seen, err error) {
	out, err := c.EC2.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: []types.Filter{ours()}})
	if err != nil {
		return nil, err
	}
	for _, k := range out.KeyPairs {
		list = append(list, seen{Object{"key pair", aws.ToString(k.KeyName)}, aws.ToTime(k.CreateTime), ec2Tags(k.Tags)})
	}
	return list, nil
}

func ec2Tags(list []types.Tag) resource.Tags {
	t := resource.Tags{}
	for _, e := range list {
		t[aws.ToString(e.Key)] = aws.ToString(e.Value)
	}
	return t
}

// clusters describes each page of the list: 100 is the most for both calls.
func (c Clients) clusters(ctx context.Context) (list []seen, err error) {
	pages := ecs.NewListClustersPaginator(c.ECS, &ecs.ListClustersInput{MaxResults: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		if len(page.ClusterArns) == 0 {
			continue
		}
		out, err := c.ECS.DescribeClusters(ctx, &ecs.DescribeClustersInput{
			Clusters: page.ClusterArns, Include: []ecstypes.ClusterField{ecstypes.ClusterFieldTags},
		})
		if err != nil {
			return nil, err
		}
		for _, o := range out.Clusters {
			if aws.ToString(o.Status) == "INACTIVE" {
				continue
			}
			t := resource.Tags{}
			for _, e := range o.Tags {
				t[aws.ToString(e.Key)] = aws.ToString(e.Value)
			}
			list = append(list, seen{Object: Object{"cluster", aws.ToString(o.ClusterName)}, tags: t})
		}
	}
	return list, nil
}
