package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// kind is a kind of objects that a run may leave behind. find finds those of this run
// by its name alone, so that a later run can clean up after a killed one.
type kind struct {
	what   string
	find   func(context.Context) ([]string, error)
	remove func(ctx context.Context, id string) error
}

// kinds are all kinds, in the order in which they can be removed.
func (r *run) kinds() []kind {
	return slices.Concat([]kind{
		{"task", r.findTasks, r.stopTask},                     // down does not delete a cluster that runs others' tasks
		{"deployment", r.findDeployments, r.removeDeployment}, // down does not delete a work pool that has one
		{"environment", r.findEnvironment, r.removeEnvironment},
		{"instance", r.findInstances, func(ctx context.Context, id string) error { return r.terminate(ctx, id) }},
		{"task definition", r.findDefinitions, r.removeDefinition},
		{"cluster", r.findClusters, func(ctx context.Context, id string) error {
			_, err := r.ecs.DeleteCluster(ctx, &ecs.DeleteClusterInput{Cluster: &id})
			return err
		}},
		{"rule", r.findRules, r.removeRule},
		{"queue", r.findQueues, func(ctx context.Context, id string) error {
			_, err := r.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &id})
			return err
		}},
		{"VPC endpoint", r.findEndpoints, r.deleteEndpoint},
		{"security group", r.findGroups, func(ctx context.Context, id string) error {
			_, err := r.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id})
			return err
		}},
	}, r.iamKinds(), []kind{
		{"parameter", r.findParameters, func(ctx context.Context, id string) error {
			_, err := r.ssm.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &id})
			return err
		}},
		{"log group", r.findLogs, func(ctx context.Context, id string) error {
			_, err := r.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &id})
			return err
		}},
		{"bucket", r.findBuckets, func(ctx context.Context, id string) error {
			_, err := r.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &id})
			return err
		}},
	})
}

// leftovers is what is there after cleaning.
type leftovers struct {
	Left   []string
	Blind  []string // kinds that could not be looked for, and why
	Failed []string // why something could not be removed
}

// clean removes everything of this run, and looks again at the end.
func (r *run) clean(ctx context.Context) (l leftovers) {
	kinds := r.kinds()
	for range 2 { // what was made last may not be visible at first
		l.Failed = nil
		for _, k := range kinds {
			ids, err := k.find(ctx)
			if err != nil {
				continue // the last look says so
			}
			for _, id := range ids {
				r.say("removing %s %s", k.what, id)
				if err := r.removeOne(ctx, k, id); err != nil {
					l.Failed = append(l.Failed, fmt.Sprintf("%s %s: %v", k.what, id, err))
				}
			}
		}
		if pause(ctx, 5*time.Second) != nil {
			break
		}
	}
	for _, k := range kinds {
		ids, err := k.find(ctx)
		if err != nil {
			l.Blind = append(l.Blind, fmt.Sprintf("%s: %s", k.what, codeOf(err)))
		}
		for _, id := range ids {
			l.Left = append(l.Left, k.what+" "+id)
		}
	}
	return l
}

// removeOne removes an object, for as long as AWS says that it may be possible later.
func (r *run) removeOne(ctx context.Context, k kind, id string) error {
	var last error
	_, err := until(ctx, 10*time.Minute, 5*time.Second, func() (bool, error) {
		last = awserr.Gone(k.remove(ctx, id))
		if awserr.Retry(last) {
			return false, nil
		}
		return last == nil, last
	})
	if tooLong(err) {
		return last
	}
	return err
}

// environments are the environments of the account, by name.
func (r *run) environments(ctx context.Context, args ...string) (names []string, err error) {
	out, err := r.program.run(ctx, nil, append([]string{"list", "--json", "--region", r.Region}, args...)...)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Environments []struct{ Environment string }
	}
	if err := json.Unmarshal([]byte(out.Results), &doc); err != nil || out.Code != 0 {
		return nil, failed("list", out)
	}
	for _, e := range doc.Environments {
		names = append(names, e.Environment)
	}
	return names, nil
}

func (r *run) findEnvironment(ctx context.Context) ([]string, error) {
	names, err := r.environments(ctx)
	return slices.DeleteFunc(names, func(n string) bool { return n != r.Name }), err
}

// removeEnvironment needs the file only for the work pool, which is not in AWS.
func (r *run) removeEnvironment(ctx context.Context, _ string) error {
	if err := r.write(r.config("t3.micro")); err != nil {
		return err
	}
	out, err := r.program.run(ctx, nil, "down", "--yes", "--force-destroy")
	if err == nil && out.Code != 0 {
		err = failed("down", out)
	}
	return err
}

// ours is a filter by this run's tag.
func (r *run) ours() ec2types.Filter {
	return ec2types.Filter{Name: aws.String("tag:" + tag), Values: []string{r.Name}}
}

// findInstances finds the instances that the questions launched: those of the
// environment have the tag, too, but go with it.
func (r *run) findInstances(ctx context.Context) (ids []string, err error) {
	pages := ec2.NewDescribeInstancesPaginator(r.ec2, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{r.ours(),
		{Name: aws.String("instance-state-name"), Values: []string{"pending", "running", "stopping", "stopped"}}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, res := range page.Reservations {
			for _, i := range res.Instances {
				ids = append(ids, aws.ToString(i.InstanceId))
			}
		}
	}
	return ids, nil
}

func (r *run) findGroups(ctx context.Context) (ids []string, err error) {
	out, err := r.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{r.ours()}})
	if err != nil {
		return nil, err
	}
	for _, g := range out.SecurityGroups {
		ids = append(ids, aws.ToString(g.GroupId))
	}
	return ids, nil
}

// findTasks finds all tasks of the two clusters that are this run's alone.
func (r *run) findTasks(ctx context.Context) (arns []string, err error) {
	for _, cluster := range []string{r.object("probe"), "flowbed-" + r.Name} {
		pages := ecs.NewListTasksPaginator(r.ecs, &ecs.ListTasksInput{Cluster: &cluster})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if awserr.Classify(err) == awserr.Absent { // there is no such cluster
				break
			}
			if err != nil {
				return nil, err
			}
			arns = append(arns, page.TaskArns...)
		}
	}
	return arns, nil
}

// stopTask takes the cluster from the task's ARN: …:task/CLUSTER/ID.
func (r *run) stopTask(ctx context.Context, id string) error {
	parts := strings.Split(id, "/")
	if len(parts) != 3 {
		return fmt.Errorf("the ARN %s has no cluster", id)
	}
	if _, err := r.ecs.StopTask(ctx, &ecs.StopTaskInput{Cluster: &parts[1], Task: &id}); err != nil {
		return err
	}
	_, err := r.end(ctx, parts[1], id)
	return err
}

// findDefinitions also finds those that the environment's worker registered.
func (r *run) findDefinitions(ctx context.Context) (ids []string, err error) {
	pages := ecs.NewListTaskDefinitionsPaginator(r.ecs, &ecs.ListTaskDefinitionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, arn := range page.TaskDefinitionArns {
			family := arn[strings.LastIndex(arn, "/")+1:]
			for _, prefix := range []string{"prefect_" + r.Name + "_", "prefect_flowbed-" + r.Name + "_", r.Name + "-"} {
				if strings.HasPrefix(family, prefix) {
					ids = append(ids, arn)
				}
			}
		}
	}
	return ids, nil
}

// removeDefinition also deletes the definition, where that is possible: an inactive one
// costs nothing.
func (r *run) removeDefinition(ctx context.Context, id string) error {
	if _, err := r.ecs.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &id}); err != nil {
		return err
	}
	if _, err := r.ecs.DeleteTaskDefinitions(ctx, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: []string{id}}); err != nil {
		r.say("task definition %s stays, inactive: %s", id, codeOf(err))
	}
	return nil
}

func (r *run) findClusters(ctx context.Context) ([]string, error) {
	name := r.object("probe")
	out, err := r.ecs.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{name}})
	if err != nil || len(out.Clusters) == 0 || aws.ToString(out.Clusters[0].Status) == "INACTIVE" {
		return nil, err
	}
	return []string{name}, nil
}

func (r *run) findRules(ctx context.Context) (ids []string, err error) {
	out, err := r.events.ListRules(ctx, &eventbridge.ListRulesInput{NamePrefix: aws.String(r.Name + "-")})
	if err != nil {
		return nil, err
	}
	for _, o := range out.Rules {
		ids = append(ids, aws.ToString(o.Name))
	}
	return ids, nil
}

func (r *run) removeRule(ctx context.Context, id string) error {
	targets, err := r.events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &id})
	if err != nil {
		return err
	}
	var ids []string
	for _, t := range targets.Targets {
		ids = append(ids, aws.ToString(t.Id))
	}
	if len(ids) > 0 {
		if _, err := r.events.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: &id, Ids: ids}); err != nil {
			return err
		}
	}
	_, err = r.events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &id})
	return err
}

func (r *run) findQueues(ctx context.Context) ([]string, error) {
	out, err := r.sqs.ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: aws.String(r.Name + "-")})
	if err != nil {
		return nil, err
	}
	return out.QueueUrls, nil
}

func (r *run) findParameters(ctx context.Context) (ids []string, err error) {
	pages := ssm.NewDescribeParametersPaginator(r.ssm, &ssm.DescribeParametersInput{ParameterFilters: []ssmtypes.ParameterStringFilter{
		{Key: aws.String("Name"), Option: aws.String("BeginsWith"), Values: []string{r.folder()}}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Parameters {
			ids = append(ids, aws.ToString(p.Name))
		}
	}
	return ids, nil
}

func (r *run) findLogs(ctx context.Context) (ids []string, err error) {
	out, err := r.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(r.folder())})
	if err != nil {
		return nil, err
	}
	for _, g := range out.LogGroups {
		ids = append(ids, aws.ToString(g.LogGroupName))
	}
	return ids, nil
}

func (r *run) findBuckets(ctx context.Context) ([]string, error) {
	_, err := r.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(r.bucket()), ExpectedBucketOwner: &r.Account})
	if awserr.Classify(err) == awserr.Absent {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []string{r.bucket()}, nil
}
