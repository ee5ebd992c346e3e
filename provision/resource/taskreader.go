package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// TaskReader reads tasks, and tells the environment's own ones from those of others. It
// remembers what never changes, so that a run that waits for tasks reads little.
//
// A task is ours if it has the environment's own task role: others have no reason to use it,
// and the task cannot work after down has deleted the role. With an external role, which others
// may use, too, a task is ours if it also belongs to our work pool. A task of a service is not
// ours, because ECS would start it again; the environment's own service goes with its tasks.
type TaskReader struct {
	API *ecs.Client

	// Roles returns the ARNs of the environment's own task role, under all its names. The
	// paths do not matter.
	Roles func() []string

	// External is the ARN of an external task role; empty if there is none. Families returns
	// what the families of the work pool's task definitions begin with.
	External string
	Families func() []string

	mu         sync.Mutex
	known      map[string]bool   // by ARN: whether the task is ours
	ended      map[string]bool   // by ARN
	roles      map[string]string // by task definition
	interfaces map[string]string // the ids of our tasks, by network interface
}

// split separates the environment's own tasks from those of others. It leaves out those that
// ECS does not know any more.
func (r *TaskReader) split(ctx context.Context, cluster string, arns []string) (ours, others []string, err error) {
	if r == nil {
		return nil, arns, nil
	}
	if err := r.learn(ctx, cluster, arns); err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range arns {
		switch is, found := r.known[a]; {
		case is:
			ours = append(ours, a)
		case found:
			others = append(others, a)
		}
	}
	return ours, others, nil
}

// learn finds out which of the tasks are ours, for those that it does not know yet.
func (r *TaskReader) learn(ctx context.Context, cluster string, arns []string) error {
	fresh := slices.DeleteFunc(slices.Clone(arns), func(a string) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		_, found := r.known[a]
		return found
	})
	list, err := Tasks(ctx, r.API, cluster, fresh)
	if err != nil {
		return err
	}
	for _, t := range list {
		if err := r.note(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// note remembers a task.
func (r *TaskReader) note(ctx context.Context, t types.Task) error {
	role, err := r.roleOf(ctx, t)
	if err != nil {
		return err
	}
	is := func(arn string) bool { return withoutPath(arn) == withoutPath(role) }
	ours := role != "" && (slices.ContainsFunc(r.Roles(), is) || is(r.External) && r.ofPool(t))
	arn := deref(t.TaskArn)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known, r.ended, r.interfaces = map[string]bool{}, map[string]bool{}, map[string]string{}
	}
	r.known[arn] = ours && !strings.HasPrefix(deref(t.Group), "service:")
	r.ended[arn] = deref(t.LastStatus) == taskStopped
	for _, id := range interfacesOf(t) {
		r.interfaces[id] = lastPart(arn)
	}
	return nil
}

func (r *TaskReader) ofPool(t types.Task) bool {
	return r.Families != nil && slices.ContainsFunc(r.Families(), func(prefix string) bool { return strings.HasPrefix(familyOf(t), prefix) })
}

// roleOf is the ARN of a task's role: from its overrides, or else from its definition. It is
// empty if there is none, or the definition has been deleted.
func (r *TaskReader) roleOf(ctx context.Context, t types.Task) (string, error) {
	if role := deref(deref(t.Overrides).TaskRoleArn); role != "" {
		return role, nil
	}
	definition := deref(t.TaskDefinitionArn)
	r.mu.Lock()
	role, ok := r.roles[definition]
	r.mu.Unlock()
	if ok {
		return role, nil
	}
	out, err := r.API.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
	switch {
	case awserr.Code(err) == "ClientException":
	case err != nil:
		return "", fmt.Errorf("read task definition: %w", err)
	case out.TaskDefinition == nil:
		return "", fmt.Errorf("read task definition: %w", incomplete("task definition"))
	default:
		role = deref(deref(out.TaskDefinition).TaskRoleArn)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.roles == nil {
		r.roles = map[string]string{}
	}
	r.roles[definition] = role
	return role, nil
}

// ours returns the environment's own tasks in a cluster that have not stopped yet. ECS lists a
// task that is about to stop among those that have stopped.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
func (r *TaskReader) ours(ctx context.Context, cluster string) (list []types.Task, err error) {
	wanted := []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped}
	found := make([][]string, len(wanted))
	read := func(n int) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			found[n], err = listTasks(ctx, r.API, &ecs.ListTasksInput{Cluster: &cluster, DesiredStatus: wanted[n]})
			return err
		}
	}
	err = parallel(ctx, read(0), read(1))
	if _, gone := errors.AsType[*types.ClusterNotFoundException](err); gone {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	arns := slices.Concat(found...)
	slices.Sort(arns) // a task may have changed sides between the two calls
	all, err := Tasks(ctx, r.API, cluster, slices.DeleteFunc(slices.Compact(arns), r.settled))
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if err := r.note(ctx, t); err != nil {
			return nil, err
		}
		if !r.settled(deref(t.TaskArn)) {
			list = append(list, t)
		}
	}
	return list, nil
}

// settled reports whether a task need not be read again: it is not ours, or it has stopped.
func (r *TaskReader) settled(arn string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	is, found := r.known[arn]
	return found && (!is || r.ended[arn])
}

// taskOf is the id of our task that has a network interface; empty if none is known.
func (r *TaskReader) taskOf(networkInterface string) string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.interfaces[networkInterface]
}

// listTasks returns the ARNs of tasks, from all pages.
func listTasks(ctx context.Context, api *ecs.Client, in *ecs.ListTasksInput) (arns []string, err error) {
	pages := ecs.NewListTasksPaginator(api, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list tasks: %w", err)
		}
		arns = append(arns, page.TaskArns...)
	}
	return arns, nil
}

// taskStopped is the last status of a task that has ended, and the status that ECS wants one to
// have that it has been told to stop.
const taskStopped = "STOPPED"

func byARN(a, b types.Task) int { return cmp.Compare(deref(a.TaskArn), deref(b.TaskArn)) }

// familyOf is the family of a task's definition.
func familyOf(t types.Task) string {
	family, _, _ := strings.Cut(lastPart(deref(t.TaskDefinitionArn)), ":")
	return family
}

// interfacesOf are the ids of a task's network interfaces.
func interfacesOf(t types.Task) (ids []string) {
	for _, a := range t.Attachments {
		for _, d := range a.Details {
			if id := deref(d.Value); deref(d.Name) == "networkInterfaceId" && id != "" {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// lastPart is what follows the last slash.
func lastPart(path string) string { return path[strings.LastIndex(path, "/")+1:] }
