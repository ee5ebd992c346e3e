package hello

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
)

// task is the ECS task of the run as it was last seen.
type task struct {
	arn, cluster string
	status       string // empty if there is none, or none that ECS knows
	definition   string
	stopCode     string
	ending       string      // what ECS says about its end
	containers   []container // those that said something about their end
}

type container struct {
	name, reason string
	exit         *int32
}

func (t task) stopped() bool { return t.status == "STOPPED" }

// ran reports whether a container of the task has run. If none has, Prefect hears nothing of it.
func (t task) ran() bool {
	return slices.ContainsFunc(t.containers, func(c container) bool { return c.exit != nil })
}

// id is the last part of the ARN, shortened as far as people need it.
func (t task) id() string {
	id := t.arn[strings.LastIndex(t.arn, "/")+1:]
	return id[:min(len(id), 8)]
}

// lookAtTask reads the run's task, if it has one. A new task is unknown to ECS for a moment,
// and a stopped one after an hour.
func (f *attempt) lookAtTask(ctx context.Context) error {
	cluster, arn := f.run.Task()
	if arn == "" || f.task.stopped() {
		return nil
	}
	f.task.arn, f.task.cluster = arn, cluster
	out, err := f.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: []string{arn}})
	if awserr.Classify(err) == awserr.Denied { // the run itself does not need it
		if !f.blind {
			f.note("cannot read task %s: %v", f.task.id(), err)
		}
		f.blind = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("read task %s: %w", f.task.id(), err)
	}
	if len(out.Tasks) == 0 {
		return nil
	}
	have := seenTask(cluster, out.Tasks[0])
	if have.status != f.task.status {
		f.tell(Event{Kind: Task, Name: have.status, Object: have.id(), Text: have.ending})
	}
	f.task = have
	return nil
}

func seenTask(cluster string, o types.Task) task {
	t := task{
		arn: aws.ToString(o.TaskArn), cluster: cluster, status: aws.ToString(o.LastStatus), definition: aws.ToString(o.TaskDefinitionArn),
		stopCode: string(o.StopCode), ending: resource.TaskEnding(o),
	}
	for _, c := range o.Containers {
		if c.ExitCode != nil || c.Reason != nil {
			t.containers = append(t.containers, container{aws.ToString(c.Name), aws.ToString(c.Reason), c.ExitCode})
		}
	}
	return t
}

// maxTail is how many lines of a task's log are of interest.
const maxTail = 50

// taskLog returns the end of the log that the task wrote to CloudWatch. It is empty if the
// task wrote none, or if the definition says nothing about a log.
func (f *attempt) taskLog(ctx context.Context) ([]string, error) {
	if f.task.definition == "" {
		return nil, nil
	}
	out, err := f.ECS.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &f.task.definition})
	if err != nil {
		return nil, fmt.Errorf("read task definition: %w", err)
	}
	definition := out.TaskDefinition
	if definition == nil {
		return nil, nil
	}
	for _, c := range definition.ContainerDefinitions {
		l := c.LogConfiguration
		if l == nil || l.LogDriver != types.LogDriverAwslogs || l.Options["awslogs-group"] == "" || l.Options["awslogs-stream-prefix"] == "" {
			continue
		}
		// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
		stream := strings.Join([]string{l.Options["awslogs-stream-prefix"], aws.ToString(c.Name), f.task.arn[strings.LastIndex(f.task.arn, "/")+1:]}, "/")
		return f.tail(ctx, l.Options["awslogs-group"], stream)
	}
	return nil, nil
}

func (f *attempt) tail(ctx context.Context, group, stream string) (lines []string, err error) {
	out, err := f.Logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{
		LogGroupName: &group, LogStreamName: &stream, StartFromHead: aws.Bool(false), Limit: aws.Int32(maxTail),
	})
	switch {
	case awserr.Code(err) == "ResourceNotFoundException": // the task has written nothing
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read log %s of %s: %w", stream, group, err)
	}
	for _, e := range out.Events {
		lines = append(lines, strings.TrimRight(aws.ToString(e.Message), "\n"))
	}
	return lines, nil
}
