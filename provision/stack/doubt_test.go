package stack_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

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
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// complete is an environment with its own cluster and execution role, and all that an agent has.
const complete = `environment "dev" {
	cluster { name = "farm" }
	execution_role { name = "runner" }
	agent {
		ssh { public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUIYn1YGdJy3fjdeBmGYe5DfMoKVmiOnIoA96BiQV+3" }
	}
	prefect {
		api_url = "https://prefect.example.com/api"
		api_key = "pnu_0123456789"
	}
}`

// untag removes the tag by which flowbed knows that an object is its own.
type untag func(ctx context.Context, c stack.Clients, arn func(service, object string) string) error

func untagRole(name string) untag {
	return func(ctx context.Context, c stack.Clients, _ func(string, string) string) error {
		_, err := c.IAM.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: []string{resource.KeyManagedBy}})
		return err
	}
}

func untagGroup(name string) untag {
	return func(ctx context.Context, c stack.Clients, _ func(string, string) string) error {
		out, err := c.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
			Filters: []types.Filter{{Name: aws.String("group-name"), Values: []string{name}}}})
		if err != nil {
			return err
		}
		return untagEC2(ctx, c, *out.SecurityGroups[0].GroupId)
	}
}

func untagEC2(ctx context.Context, c stack.Clients, id string) error {
	_, err := c.EC2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String(resource.KeyManagedBy)}}})
	return err
}

func untagQueue(name string) untag {
	return func(ctx context.Context, c stack.Clients, _ func(string, string) string) error {
		out, err := c.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		if err != nil {
			return err
		}
		_, err = c.SQS.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: out.QueueUrl, TagKeys: []string{resource.KeyManagedBy}})
		return err
	}
}

// An object under a name of ours that has lost its tags is not certainly ours, whatever its
// kind: down leaves it, with what it needs, and names both. Everything else goes. Up stops.
func TestLostTags(t *testing.T) {
	keys := []string{resource.KeyManagedBy}
	for step, c := range map[string]struct {
		untag untag
		keeps []string // the other steps that down leaves
	}{
		"log group": {func(ctx context.Context, c stack.Clients, arn func(string, string) string) error {
			_, err := c.Logs.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: aws.String(arn("logs", "log-group:/flowbed/dev")), TagKeys: keys})
			return err
		}, nil},
		"bucket": {func(ctx context.Context, c stack.Clients, _ func(string, string) string) error {
			_, err := c.S3.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: aws.String("flowbed-dev-" + sandbox.DefaultAccount + "-" + region + "-an")})
			return err
		}, nil},
		"api key parameter": {func(ctx context.Context, c stack.Clients, _ func(string, string) string) error {
			_, err := c.SSM.RemoveTagsFromResource(ctx, &ssm.RemoveTagsFromResourceInput{
				ResourceType: ssmtypes.ResourceTypeForTaggingParameter, ResourceId: aws.String("/flowbed/dev/prefect-api-key"), TagKeys: keys})
			return err
		}, nil},
		"task role":           {untagRole("flowbed-dev-task"), nil},
		"execution role":      {untagRole("runner"), nil},
		"task security group": {untagGroup("flowbed-dev-tasks"), nil},
		"cluster": {func(ctx context.Context, c stack.Clients, arn func(string, string) string) error {
			_, err := c.ECS.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: aws.String(arn("ecs", "cluster/farm")), TagKeys: keys})
			return err
		}, nil},
		"event rule": {func(ctx context.Context, c stack.Clients, arn func(string, string) string) error {
			_, err := c.Events.UntagResource(ctx, &eventbridge.UntagResourceInput{ResourceARN: aws.String(arn("events", "rule/flowbed-dev-events")), TagKeys: keys})
			return err
		}, nil},
		"event queue":          {untagQueue("flowbed-dev-events"), nil},
		"dead-letter queue":    {untagQueue("flowbed-dev-events-dlq"), nil},
		"agent security group": {untagGroup("flowbed-dev-agent"), nil},
		"agent role":           {untagRole("flowbed-dev-agent"), nil},
		"agent instance profile": {func(ctx context.Context, c stack.Clients, _ func(string, string) string) error {
			_, err := c.IAM.UntagInstanceProfile(ctx, &iam.UntagInstanceProfileInput{InstanceProfileName: aws.String("flowbed-dev-agent"), TagKeys: keys})
			return err
		}, []string{"agent role"}},
		"key pair": {func(ctx context.Context, c stack.Clients, _ func(string, string) string) error {
			out, err := c.EC2.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{})
			if err != nil {
				return err
			}
			return untagEC2(ctx, c, *out.KeyPairs[0].KeyPairId)
		}, nil},
		"agent instance": {func(ctx context.Context, c stack.Clients, _ func(string, string) string) error {
			out, err := c.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
			if err != nil {
				return err
			}
			return untagEC2(ctx, c, *out.Reservations[0].Instances[0].InstanceId)
		}, []string{"agent instance profile", "agent role", "agent security group"}},
	} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				up := stack.Options{Transport: sandbox.Prefect(account)}
				down := stack.Options{Transport: sandbox.Prefect(account), Destroy: true}
				if err := build(t, account, complete, up).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				arn := func(service, object string) string {
					return strings.Join([]string{"arn", "aws", service, region, sandbox.DefaultAccount, object}, ":")
				}
				if err := c.untag(t.Context(), stack.NewClients(account.Config(region)), arn); err != nil {
					t.Fatal(err)
				}
				writes := len(account.Writes())
				err := build(t, account, complete, up).Graph.Up(t.Context())
				if failed, ok := errors.AsType[*provision.StepError](err); !ok || failed.Step != step || len(account.Writes()) > writes {
					t.Errorf("up: %v, and wrote %v", err, account.Writes()[writes:])
				}
				want := append([]string{step}, c.keeps...)
				slices.Sort(want)
				plan, err := build(t, account, complete, down).Graph.PlanDown(t.Context())
				if err != nil || plan.Err() != nil {
					t.Fatal(err, plan.Err())
				}
				if d := cmp.Diff(want, leaves(plan)); d != "" {
					t.Errorf("the plan leaves -want +have:\n%s", d)
				}
				left, err := build(t, account, complete, down).Graph.Down(t.Context())
				if err != nil {
					t.Fatalf("down: %v", err)
				}
				if d := cmp.Diff(want, leaves(left)); d != "" {
					t.Errorf("down leaves -want +have:\n%s", d)
				}
				for _, a := range left.Actions {
					if a.Op != provision.None && a.Op != provision.Leave {
						t.Errorf("after down: %+v", a)
					}
				}
			})
		})
	}
}

// leaves are the steps that a plan of down leaves, sorted.
func leaves(p provision.Plan) []string {
	all := map[string]bool{}
	for _, a := range p.Actions {
		if a.Op == provision.Leave {
			all[a.Step] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
