package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/prefect"
)

var deadRun = question{
	Name: "dead-run", Lane: laneLife, Prefect: true, Ask: askDeadRun,
	Asks:    "How long after its task has stopped is a run Crashed whose flow has reported nothing?",
	Assumed: "at most 60 s",
	Relies:  "addEvents in provision/stack/events.go; the worker's permissions in templates/rights.go; \"within a minute\" in CHANGELOG.md, docs/troubleshooting.md",
	Change:  "what docs/troubleshooting.md says; then the rule's pattern, the queue's policy, or the worker's permissions",
}

// pool is the environment's work pool and, because of the ttl, its cluster.
func (r *run) pool() string { return "flowbed-" + r.Name }

// api is Prefect's API as the canary calls it.
func (r *run) api() (*prefect.Client, error) {
	return prefect.New(prefect.Config{URL: r.Prefect.URL, APIKey: r.Prefect.Key, AuthString: r.Prefect.Auth, UserAgent: "flowbed-canary", Transport: r.transport})
}

// askDeadRun runs a deployment whose container only sleeps, and stops its task.
func askDeadRun(ctx context.Context, r *run) (_ answer, err error) {
	if err := r.build(ctx); err != nil {
		return answer{}, err
	}
	if _, err := r.agent(ctx); err != nil {
		return answer{}, err
	}
	api, err := r.api()
	if err != nil {
		return answer{}, err
	}
	// If the canary is killed, cleaning finds the deployment by its tag.
	defer func() { err = errors.Join(err, r.removeDeployments(context.WithoutCancel(ctx))) }()
	flow, err := api.CreateFlow(ctx, r.object("dead"))
	if err != nil {
		return answer{}, err
	}
	deployment, err := api.CreateDeployment(ctx, r.sleeper(flow))
	if err != nil {
		return answer{}, err
	}
	one, err := api.StartRun(ctx, deployment, r.Name)
	if err != nil {
		return answer{}, err
	}
	cluster, task, err := r.taskOf(ctx, api, one.ID)
	if err != nil {
		return answer{}, err
	}
	ended, err := r.stopRunning(ctx, cluster, task)
	if err != nil {
		return answer{}, err
	}
	_, err = until(ctx, 3*time.Minute, 2*time.Second, func() (_ bool, err error) {
		one, err = api.ReadRun(ctx, one.ID)
		return one.State.Final(), err
	})
	if tooLong(err) {
		return no("3 minutes after the end of its task it is %s", one.State.Type)
	}
	if err != nil {
		return answer{}, err
	}
	late := one.State.Time.Sub(ended)
	return judged(one.State.Type == prefect.Crashed && late <= time.Minute, "it was %s after %s: %s", one.State.Type, rough(late), one.State.Message)
}

// sleeper is a deployment whose container does nothing.
func (r *run) sleeper(flow string) prefect.NewDeployment {
	return prefect.NewDeployment{
		Name: r.object("dead"), FlowID: flow, Pool: r.pool(), Entrypoint: "none.py:none", Tags: []string{r.label()}, PullSteps: []map[string]any{},
		Parameters: map[string]any{}, Schema: map[string]any{"type": "object", "properties": map[string]any{}},
		Variables: map[string]any{"command": "sleep 600"},
	}
}

// taskOf waits until the worker has started the task of a run.
func (r *run) taskOf(ctx context.Context, api *prefect.Client, id string) (cluster, task string, err error) {
	var one prefect.Run
	_, err = until(ctx, 5*time.Minute, 3*time.Second, func() (bool, error) {
		if one, err = api.ReadRun(ctx, id); err != nil {
			return false, err
		}
		cluster, task = one.Task()
		return task != "" || one.State.Final(), nil
	})
	switch {
	case tooLong(err):
		return "", "", unasked("the worker started no task in 5 minutes: the run is " + one.State.Type)
	case err != nil:
		return "", "", err
	case task == "":
		return "", "", unasked(fmt.Sprintf("the worker started no task: the run is %s: %s", one.State.Type, one.State.Message))
	}
	return cluster, task, nil
}

// stopRunning stops a task once its container runs, and returns when it had stopped.
func (r *run) stopRunning(ctx context.Context, cluster, task string) (at time.Time, err error) {
	_, err = until(ctx, 5*time.Minute, 3*time.Second, func() (bool, error) {
		out, err := r.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: []string{task}})
		if awserr.Retry(err) {
			return false, nil
		}
		if err != nil || len(out.Tasks) == 0 {
			return false, err
		}
		switch status := aws.ToString(out.Tasks[0].LastStatus); status {
		case "RUNNING":
			return true, nil
		case "STOPPED":
			return false, unasked("the task ended by itself: " + aws.ToString(out.Tasks[0].StoppedReason))
		}
		return false, nil
	})
	if err != nil {
		return at, err
	}
	if _, err := r.ecs.StopTask(ctx, &ecs.StopTaskInput{Cluster: &cluster, Task: &task, Reason: aws.String("flowbed canary")}); err != nil {
		return at, fmt.Errorf("stop the task: %w", err)
	}
	last, err := r.end(ctx, cluster, task)
	if err != nil {
		return at, err
	}
	if last.StoppedAt == nil {
		return at, unasked("ECS does not say when the task has stopped")
	}
	return *last.StoppedAt, nil
}

// label is the tag of the deployment. Prefect's tags have no values.
func (r *run) label() string { return tag + ":" + r.Name }

// findDeployments finds the deployment by its tag, in whichever pool it is.
func (r *run) findDeployments(ctx context.Context) (ids []string, err error) {
	if r.Prefect.URL == "" {
		return nil, nil
	}
	api, err := r.api()
	if err != nil {
		return nil, err
	}
	all, err := api.TaggedDeployments(ctx, r.label())
	for _, d := range all {
		ids = append(ids, d.ID+" "+d.FlowID)
	}
	return ids, err
}

func (r *run) removeDeployments(ctx context.Context) error {
	ids, err := r.findDeployments(ctx)
	for _, id := range ids {
		err = errors.Join(err, r.removeDeployment(ctx, id))
	}
	return err
}

// removeDeployment also removes the flow, whose runs go with it.
func (r *run) removeDeployment(ctx context.Context, id string) error {
	var deployment, flow string
	if _, err := fmt.Sscan(id, &deployment, &flow); err != nil {
		return err
	}
	api, err := r.api()
	if err != nil {
		return err
	}
	return errors.Join(api.DeleteDeployment(ctx, deployment), api.DeleteFlow(ctx, flow))
}
