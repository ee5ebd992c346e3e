package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// CheckUse implements provision.UseChecker.
func (c Cluster) CheckUse(have ClusterState) (notes []provision.Note) {
	for _, p := range c.Providers {
		if !slices.Contains(have.Providers, p) {
			// Tasks with the launch type FARGATE run without it.
			notes = append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(
				"has no capacity provider %s: flows that use it will not start", p)})
		}
	}
	return notes
}

// maxClusterTags is ECS's limit. Each environment adds one tag to a shared cluster.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
const maxClusterTags = 50

// Validate implements provision.Validator. A plan must fail before anything is written.
func (c Cluster) Validate(have ClusterState, _ bool) []provision.Note {
	if !c.Shared {
		return nil
	}
	more := have.Tags.added(c.tags(), true)
	if more == 0 || len(have.Tags)+more <= maxClusterTags {
		return nil
	}
	return []provision.Note{{Severity: provision.Error, Text: fmt.Sprintf(
		"cluster %s has %d tags, this environment needs %d more, and ECS allows %d → name another cluster in the file: cluster { name = %q }",
		c.Name, len(have.Tags), more, maxClusterTags, c.ID.Names().Plain())}}
}

// CheckDelete implements provision.DeleteChecker: ECS does not delete a cluster in which
// something runs. A run that deletes the environment has deleted its own service, and stopped
// its own tasks, before.
func (c Cluster) CheckDelete(ctx context.Context, have ClusterState) ([]provision.Note, error) {
	tasks, services, err := c.running(ctx)
	if err != nil {
		return nil, err
	}
	tasks, services, err = c.withoutWorkers(ctx, tasks, services)
	if err != nil {
		return nil, err
	}
	_, tasks, err = c.Tasks.split(ctx, c.Name, tasks)
	if err != nil {
		return nil, err
	}
	var notes []provision.Note
	for _, o := range []struct {
		kind string
		arns []string
	}{{"task", tasks}, {"service", services}} {
		if len(o.arns) > 0 {
			notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
				"%s → wait for it to end, or stop it", inUse(c.Name, o.kind, o.arns))})
		}
	}
	if have.Machines > 0 { // flowbed registers none: its tasks run on Fargate
		notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
			"cluster %[1]s has %[2]s → deregister them (aws ecs list-container-instances --region %[3]s --cluster %[1]s, then aws ecs deregister-container-instance)",
			c.Name, plural(have.Machines, "EC2 instance"), c.ID.Region)})
	}
	return notes, nil
}

// withoutWorkers leaves out the environment's own service and its tasks.
func (c Cluster) withoutWorkers(ctx context.Context, tasks, services []string) (otherTasks, otherServices []string, err error) {
	own := func(arn string) bool { return c.Service != "" && lastPart(arn) == c.Service }
	if !slices.ContainsFunc(services, own) {
		return tasks, services, nil
	}
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		workers, err := listTasks(ctx, c.API, &ecs.ListTasksInput{Cluster: &c.Name, ServiceName: &c.Service, DesiredStatus: status})
		if err := awserr.Gone(err); err != nil {
			return nil, nil, err
		}
		tasks = slices.DeleteFunc(tasks, func(arn string) bool { return slices.Contains(workers, arn) })
	}
	return tasks, slices.DeleteFunc(services, own), nil
}

// Explain implements provision.Explainer.
func (c Cluster) Explain(ctx context.Context, _ ClusterState) string {
	tasks, services, err := c.running(ctx)
	switch {
	case err != nil:
		return ""
	case len(services) > 0:
		return inUse(c.Name, "service", services)
	case len(tasks) > 0:
		return inUse(c.Name, "task", tasks)
	}
	return ""
}

func inUse(cluster, kind string, arns []string) string {
	return fmt.Sprintf("cluster %s runs the %s %s", cluster, kind, firstNames(arns))
}

// firstNames lists the names in the first three ARNs, and how many more there are.
func firstNames(arns []string) string {
	const shown = 3
	names := make([]string, 0, shown)
	for _, a := range arns[:min(len(arns), shown)] {
		names = append(names, lastPart(a))
	}
	s := strings.Join(names, ", ")
	if n := len(arns) - len(names); n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}

// running returns the ARNs of the tasks and services in the cluster.
func (c Cluster) running(ctx context.Context) (tasks, services []string, err error) {
	err = parallel(ctx, func(ctx context.Context) (err error) {
		tasks, err = listTasks(ctx, c.API, &ecs.ListTasksInput{Cluster: &c.Name, DesiredStatus: types.DesiredStatusRunning})
		return err
	}, func(ctx context.Context) error {
		pages := ecs.NewListServicesPaginator(c.API, &ecs.ListServicesInput{Cluster: &c.Name})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("list services: %w", err)
			}
			services = append(services, page.ServiceArns...)
		}
		return nil
	})
	if _, gone := errors.AsType[*types.ClusterNotFoundException](err); gone {
		return nil, nil, nil
	}
	return tasks, services, err
}
