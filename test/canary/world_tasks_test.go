package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
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

// The sandbox's clusters are active at once, and its tasks run nothing but Prefect.

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
	if n := in.NetworkConfiguration; w.Zoneless && n != nil && len(n.AwsvpcConfiguration.Subnets) == 1 {
		return nil, &ecstypes.InvalidParameterException{Message: aws.String("The zone does not have Fargate.")}
	}
	out, err := w.sandboxECS(ctx).RunTask(ctx, in)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks[*out.Tasks[0].TaskArn] = &taskStandIn{family: *in.TaskDefinition, begun: time.Now(), environment: in.Overrides.ContainerOverrides[0].Environment}
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
		w.mu.Lock()
		t.told = true
		w.mu.Unlock()
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

// complete adds to an event what the sandbox's lack: what the container returned, the
// overrides, and when the queue got the message.
func (w *world) complete(m *sqstypes.Message, late bool) error {
	var e map[string]any
	if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
		return err
	}
	sent, err := time.Parse(time.RFC3339, e["time"].(string))
	if err != nil {
		return err
	}
	if late {
		sent = sent.Add(w.EventDelay)
	}
	m.Attributes = map[string]string{"SentTimestamp": fmt.Sprint(sent.UnixMilli())}
	detail := e["detail"].(map[string]any)
	w.mu.Lock()
	t := w.tasks[detail["taskArn"].(string)]
	w.mu.Unlock()
	if t == nil {
		return nil // of the worker
	}
	if w.OtherGroup {
		detail["group"] = "service:x"
	}
	if detail["lastStatus"] == "STOPPED" {
		detail["stopCode"], detail["containers"] = "EssentialContainerExited", []any{map[string]any{"name": "probe", "exitCode": 0}}
	}
	if !w.NoEnvironment {
		var environment []any
		for _, v := range t.environment {
			environment = append(environment, map[string]any{"name": *v.Name, "value": *v.Value})
		}
		detail["overrides"] = map[string]any{"containerOverrides": []any{map[string]any{"name": "probe", "environment": environment}}}
	}
	text, err := json.Marshal(e)
	m.Body = aws.String(string(text))
	return err
}

// OnStopTask notes when a task was stopped.
func (w *world) OnStopTask(_ context.Context, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped[*in.Task] = time.Now()
	return nil, errPass
}

func (w *world) OnRegisterTaskDefinition(_ context.Context, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
	if *in.Memory == "30720" && w.AnySize {
		return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: &ecstypes.TaskDefinition{
			TaskDefinitionArn: aws.String("arn:aws:ecs:us-east-1:123456789012:task-definition/" + *in.Family + ":1")}}, nil
	}
	return nil, errPass
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
