package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// splitTasks separates the environment's own tasks from those of others. A task is ours
// if it has the environment's task role: others have no reason to use it, and the task
// cannot work after down has deleted the role. A task of a service is not ours, because
// ECS would start it again.
func (c Cluster) splitTasks(ctx context.Context, tasks []string) (ours, others []string, err error) {
	if c.TaskRoles == nil {
		return nil, tasks, nil
	}
	own := c.TaskRoles()
	roles := map[string]string{} // by task definition
	list, err := Tasks(ctx, c.API, c.Name, tasks)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range list { // without those that have stopped in the meantime
		role, err := c.roleOf(ctx, t, roles)
		if err != nil {
			return nil, nil, err
		}
		if slices.Contains(own, role) && !strings.HasPrefix(deref(t.Group), "service:") {
			ours = append(ours, deref(t.TaskArn))
		} else {
			others = append(others, deref(t.TaskArn))
		}
	}
	return ours, others, nil
}

// roleOf is the ARN of a task's role: from its overrides, or else from its definition.
func (c Cluster) roleOf(ctx context.Context, t types.Task, known map[string]string) (string, error) {
	if role := deref(deref(t.Overrides).TaskRoleArn); role != "" {
		return role, nil
	}
	definition := deref(t.TaskDefinitionArn)
	if role, ok := known[definition]; ok {
		return role, nil
	}
	out, err := c.API.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
	if err != nil {
		return "", fmt.Errorf("read task definition: %w", err)
	}
	if out.TaskDefinition == nil {
		return "", fmt.Errorf("read task definition: %w", incomplete("task definition"))
	}
	known[definition] = deref(deref(out.TaskDefinition).TaskRoleArn)
	return known[definition], nil
}

// stopTasks stops the environment's own tasks. They end within their stop timeout, two
// minutes at most. Until then, ECS does not delete the cluster.
func (c Cluster) stopTasks(ctx context.Context) error {
	if c.TaskRoles == nil {
		return nil
	}
	tasks, err := c.list(ctx)
	if err != nil {
		return err
	}
	ours, _, err := c.splitTasks(ctx, tasks)
	if err != nil {
		return err
	}
	for _, arn := range ours {
		if err := provision.Stopped(ctx); err != nil {
			return err
		}
		_, err := c.API.StopTask(ctx, &ecs.StopTaskInput{Cluster: &c.Name, Task: &arn, Reason: new("flowbed down")})
		if err := awserr.Gone(err); err != nil {
			return fmt.Errorf("stop task %s: %w", arn[strings.LastIndex(arn, "/")+1:], err)
		}
	}
	return nil
}

// list returns the ARNs of the tasks whose desired status is RUNNING.
func (c Cluster) list(ctx context.Context) (tasks []string, err error) {
	pages := ecs.NewListTasksPaginator(c.API, &ecs.ListTasksInput{Cluster: &c.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list tasks: %w", err)
		}
		tasks = append(tasks, page.TaskArns...)
	}
	return tasks, nil
}
