package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
)

// RunningTasks are the environment's own tasks, in whichever cluster they run. Workers start
// them. A run that deletes the environment stops them after the worker, and waits until they
// have stopped: only then may it delete what they use.
type RunningTasks struct {
	ID     Identity
	Reader *TaskReader

	// Clusters returns the names of the clusters, once Names has been read. Known are those that
	// the permissions cover.
	Clusters func() []string
	Known    []string
	Names    provision.Ref[LogGroupState]

	// After are the steps whose objects the tasks use.
	After []provision.Edge
}

// RunningTasksState is the environment's own tasks that have not stopped yet.
type RunningTasksState struct {
	Tasks []RunningTask // in a fixed order

	owner string
}

// RunningTask is a task that has not stopped yet.
type RunningTask struct {
	Cluster, ARN, Family string
	Status               string // the last one that ECS knows, such as "STOPPING"
	Stopping             bool   // ECS has been told to stop it
}

func (t RunningTask) id() string { return lastPart(t.ARN) }

var (
	_ Kind[RunningTasksState]                    = RunningTasks{}
	_ provision.DependsUntilDeleted              = RunningTasks{}
	_ provision.CreatedByDependents              = RunningTasks{}
	_ provision.DeletePatient                    = RunningTasks{}
	_ provision.BlockerFinder[RunningTasksState] = RunningTasks{}
	_ provision.Labelled                         = RunningTasksState{}
)

// Read implements provision.Resource.
func (r RunningTasks) Read(ctx context.Context) (s RunningTasksState, err error) {
	if _, err := r.Names.Await(ctx); err != nil && !errors.Is(err, provision.ErrAbsent) {
		return s, err
	}
	clusters := r.Clusters()
	found := make([][]types.Task, len(clusters))
	reads := make([]func(context.Context) error, len(clusters))
	for i, name := range clusters {
		reads[i] = func(ctx context.Context) (err error) {
			found[i], err = r.Reader.ours(ctx, name)
			return err
		}
	}
	if err := parallel(ctx, reads...); err != nil {
		return s, fmt.Errorf("read running tasks: %w", err)
	}
	for i, list := range found {
		for _, t := range list {
			s.Tasks = append(s.Tasks, RunningTask{
				Cluster: clusters[i], ARN: deref(t.TaskArn), Family: familyOf(t),
				Status: deref(t.LastStatus), Stopping: deref(t.DesiredStatus) == taskStopped,
			})
		}
	}
	if len(s.Tasks) == 0 {
		return s, fmt.Errorf("read running tasks: %w", provision.ErrAbsent)
	}
	slices.SortFunc(s.Tasks, func(a, b RunningTask) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.ARN, b.ARN))
	})
	s.owner = r.ID.Owner()
	return s, nil
}

// Label implements provision.Labelled.
func (s RunningTasksState) Label() string { return plural(len(s.Tasks), "task") }

// Owner implements provision.State.
func (s RunningTasksState) Owner() provision.Owner {
	return provision.Owner{By: s.owner, Notes: []provision.Note{{Severity: provision.Warn, Text: s.fate()}}}
}

// fate is what becomes of the tasks.
func (s RunningTasksState) fate() string {
	var running, stopping []RunningTask
	for _, t := range s.Tasks {
		if t.Stopping {
			stopping = append(stopping, t)
		} else {
			running = append(running, t)
		}
	}
	var texts []string
	if len(running) > 0 {
		texts = append(texts, fmt.Sprintf("%s of this environment will be stopped: %s", plural(len(running), "running task"), byFamily(running)))
	}
	if len(stopping) > 0 {
		texts = append(texts, fmt.Sprintf("%s of this environment already being stopped: %s", plural(len(stopping), "task"), byFamily(stopping)))
	}
	return strings.Join(texts, "; ")
}

// byFamily counts tasks by family and cluster.
func byFamily(tasks []RunningTask) string {
	count := map[string]int{}
	var texts []string
	for _, t := range tasks {
		of := fmt.Sprintf("of family %s in cluster %s", t.Family, t.Cluster)
		if count[of]++; count[of] == 1 {
			texts = append(texts, of)
		}
	}
	for i, of := range texts {
		texts[i] = fmt.Sprintf("%d %s", count[of], of)
	}
	return some(texts)
}

// Create implements provision.Resource. It does nothing: workers start tasks.
func (RunningTasks) Create(context.Context) (*RunningTasksState, error) { return nil, nil }

// Changes implements provision.Resource.
func (RunningTasks) Changes(RunningTasksState) []provision.Change { return nil }

// Delete implements provision.Resource. It stops the tasks that ECS has not been told to stop.
func (r RunningTasks) Delete(ctx context.Context, have RunningTasksState) error {
	for _, t := range have.Tasks {
		if t.Stopping {
			continue
		}
		if err := provision.Stopped(ctx); err != nil {
			return err
		}
		_, err := r.Reader.API.StopTask(ctx, &ecs.StopTaskInput{Cluster: &t.Cluster, Task: &t.ARN, Reason: new("flowbed down")})
		if err := awserr.Gone(err); err != nil {
			return fmt.Errorf("stop task %s: %w", t.id(), err)
		}
	}
	return nil
}

// leaves is how long a task and its network interface may take to go. ECS waits for the stop
// timeout of each container, for load balancers, and for EC2.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
const leaves = 15 * time.Minute

// DeletePatience implements provision.DeletePatient.
func (RunningTasks) DeletePatience() time.Duration { return leaves }

// DependsUntilDeleted implements provision.DependsUntilDeleted: a task uses its role, its
// groups, its bucket and its log until it has stopped.
func (RunningTasks) DependsUntilDeleted() {}

// CreatedByDependents implements provision.CreatedByDependents: a worker may start a task until
// its instance has terminated, or its own task has stopped.
func (RunningTasks) CreatedByDependents() {}

// Blockers implements provision.BlockerFinder: each task that has not stopped.
func (RunningTasks) Blockers(_ context.Context, have RunningTasksState) (list []provision.Blocker) {
	for _, t := range have.Tasks {
		list = append(list, provision.Blocker{
			What:   fmt.Sprintf("task %s of family %s (%s)", t.id(), t.Family, t.Status),
			Remedy: stopRemedy(t.Cluster, t.id()),
		})
	}
	return list
}

// stopRemedy is what to do about a task that does not stop.
func stopRemedy(cluster, task string) string {
	return fmt.Sprintf("see why ECS does not stop it (aws ecs describe-tasks --cluster %s --tasks %s)", cluster, task) + again
}

// Costs implements Kind: they are runs of flows.
func (RunningTasks) Costs() []cost.Usage { return nil }

// Permissions are what the calls need.
func (r RunningTasks) Permissions() (p Permissions) {
	for _, name := range r.Known {
		tasks := r.ID.ARN("ecs", r.ID.Region, "task/"+name+"/*")
		p.Read = append(p.Read,
			on("*", "ecs:ListTasks").when("ArnEquals", "ecs:cluster", r.ID.ARN("ecs", r.ID.Region, "cluster/"+name)),
			on(tasks, "ecs:DescribeTasks"))
		p.Delete = append(p.Delete, on(tasks, "ecs:StopTask"))
	}
	p.Read = append(p.Read, on("*", "ecs:DescribeTaskDefinition"))
	return p
}
