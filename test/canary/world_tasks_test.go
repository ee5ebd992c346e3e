package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// The sandbox's clusters are active at once, and its tasks never end.

// provisioning reports whether a cluster of the questions is that young.
func (w *world) provisioning(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.born[name]) < 7*time.Second
}

func (w *world) sandboxECS(ctx context.Context) *ecs.Client { return ecs.NewFromConfig(w.below(ctx)) }

func (w *world) OnCreateCluster(ctx context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	out, err := w.sandboxECS(ctx).CreateCluster(ctx, in)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.born[*in.ClusterName]; !known {
		w.born[*in.ClusterName] = time.Now()
		if err == nil {
			out.Cluster.Status = aws.String("PROVISIONING")
		}
	}
	return out, err
}

func (w *world) OnDescribeClusters(ctx context.Context, in *ecs.DescribeClustersInput) (*ecs.DescribeClustersOutput, error) {
	out, err := w.sandboxECS(ctx).DescribeClusters(ctx, in)
	if err == nil && len(out.Clusters) > 0 && w.provisioning(*out.Clusters[0].ClusterName) {
		out.Clusters[0].Status = aws.String("PROVISIONING")
	}
	return out, err
}

func (w *world) OnRunTask(ctx context.Context, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	if w.provisioning(*in.Cluster) && !w.EarlyTask {
		return nil, &ecstypes.ClusterNotFoundException{Message: aws.String("Cluster not found.")}
	}
	out, err := w.sandboxECS(ctx).RunTask(ctx, in)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks[*out.Tasks[0].TaskArn] = &taskStandIn{cluster: *in.Cluster, family: *in.TaskDefinition, group: "family:" + *in.TaskDefinition,
		tags: in.Tags, begun: time.Now(), environment: in.Overrides.ContainerOverrides[0].Environment}
	return out, nil
}

// runs reports whether the task's execution role can be assumed.
func (w *world) runs(t *taskStandIn) bool {
	conditioned := strings.HasSuffix(t.family, "_source") || strings.HasSuffix(t.family, "_account")
	return !conditioned || w.SourceWorks
}

func (w *world) OnDescribeTasks(ctx context.Context, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	arn := in.Tasks[0]
	w.mu.Lock()
	t := w.tasks[arn]
	ended := t != nil && time.Since(t.begun) > 40*time.Second
	fresh := ended && !t.told
	w.mu.Unlock()
	if fresh {
		if _, err := w.sandboxECS(ctx).StopTask(ctx, &ecs.StopTaskInput{Cluster: in.Cluster, Task: &arn}); err != nil {
			return nil, err
		}
		w.tell(arn, t)
	}
	out, err := w.sandboxECS(ctx).DescribeTasks(ctx, in)
	if err != nil || !ended || len(out.Tasks) == 0 {
		return out, err
	}
	o := &out.Tasks[0]
	if w.runs(t) {
		o.StopCode = ecstypes.TaskStopCodeEssentialContainerExited
		o.Containers = []ecstypes.Container{{Name: aws.String("probe"), ExitCode: aws.Int32(0)}}
	} else {
		o.StopCode, o.StoppedReason = ecstypes.TaskStopCodeTaskFailedToStart, aws.String("ResourceInitializationError: unable to pull secrets or registry auth")
	}
	if w.NoTags {
		o.Tags = nil
	}
	return out, nil
}

// tell sends the events of a task that has ended.
func (w *world) tell(arn string, t *taskStandIn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.told = true
	group, environment := t.group, []map[string]string{}
	for _, e := range t.environment {
		environment = append(environment, map[string]string{"name": *e.Name, "value": *e.Value})
	}
	if w.OtherGroup {
		group = "service:x"
	}
	if w.NoEnvironment {
		environment = nil
	}
	for name, r := range w.rules {
		p := r.pattern.Detail
		fits := slices.ContainsFunc(p.ClusterArn, func(c string) bool { return strings.HasSuffix(c, "/"+t.cluster) }) &&
			(w.Unprefixed || len(p.Group) > 0 && strings.HasPrefix(t.group, p.Group[0].Prefix))
		q := w.queues[r.queue]
		if !fits || q == nil {
			continue
		}
		for _, status := range []string{"PENDING", "STOPPED"} {
			b, err := json.Marshal(map[string]any{
				"id": "889fcd8a-55d5-4652-80ec-0826e11d8ff7", "detail-type": "ECS Task State Change", "time": time.Now().UTC(),
				"detail": map[string]any{"taskArn": arn, "group": group, "lastStatus": status, "stopCode": "EssentialContainerExited",
					"containers": []any{map[string]any{"name": "probe", "exitCode": 0}},
					"overrides":  map[string]any{"containerOverrides": []any{map[string]any{"name": "probe", "environment": environment}}}}})
			if err != nil {
				panic(err)
			}
			sent := time.Now()
			if strings.HasPrefix(name, "canary-") {
				sent = sent.Add(w.EventDelay)
			}
			q.messages = append(q.messages, sqstypes.Message{Body: aws.String(string(b)), ReceiptHandle: aws.String("handle"), Attributes: map[string]string{"SentTimestamp": fmt.Sprint(sent.UnixMilli())}})
		}
	}
}

func (w *world) OnRegisterTaskDefinition(_ context.Context, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
	if *in.Memory == "30720" && !w.AnySize {
		return nil, &ecstypes.ClientException{Message: aws.String("No Fargate configuration exists for given values.")}
	}
	return nil, errPass
}

func (w *world) OnDeleteTaskDefinitions(context.Context, *ecs.DeleteTaskDefinitionsInput) (*ecs.DeleteTaskDefinitionsOutput, error) {
	return &ecs.DeleteTaskDefinitionsOutput{}, nil
}

func (w *world) OnGetLogEvents(_ context.Context, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := strings.Split(*in.LogGroupName, "/")[2]
	for arn, t := range w.tasks {
		what := t.family[strings.LastIndexAny(t.family, "_-")+1:]
		if path.Base(arn) == path.Base(*in.LogStreamName) && t.told && w.runs(t) && !w.MutePlain {
			return &cloudwatchlogs.GetLogEventsOutput{Events: []logstypes.OutputLogEvent{{Message: aws.String("FLOWBED: canary " + name + " " + what)}}}, nil
		}
	}
	return nil, &logstypes.ResourceNotFoundException{Message: aws.String("The specified log stream does not exist.")}
}

func (w *world) OnCreateLogGroup(ctx context.Context, in *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	out, err := cloudwatchlogs.NewFromConfig(w.below(ctx)).CreateLogGroup(ctx, in)
	if err != nil && w.StrangeRefusal {
		return nil, core.Fail("LogGroupAgainException", "The log group of "+core.DefaultAccount+" is there again.")
	}
	return out, err
}
