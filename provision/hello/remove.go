package hello

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

// removal limits how long the removal may take. It also happens after an interruption.
const removal = 4 * time.Minute

// handover is how long a worker that has taken a run may need until it tells which task it
// has started.
const handover = 20 * time.Second

// Fargate kills a task that StopTask has told to stop after its stop timeout: 30 seconds, or
// up to 2 minutes if the definition says so.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
const (
	usualStop   = 35 * time.Second
	longestStop = 130 * time.Second
)

// clean ends the run and removes what was made, except what is kept. The context may be
// canceled. What a task may still use stays, and the deployment tells of it.
func (f *attempt) clean(ctx context.Context) error {
	keep := f.Keep && f.stored
	switch {
	case ctx.Err() != nil && keep:
		f.note("interrupted: ending the run; --keep leaves what it has made")
	case ctx.Err() != nil:
		f.note("interrupted: removing what this run has made")
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), removal)
	defer stop()
	err := f.end(ctx)
	switch {
	case keep:
		return errors.Join(err, f.mark(ctx, tagKept))
	case err != nil:
		return err
	}
	if err := f.removeMade(ctx); err != nil {
		return errors.Join(err, f.mark(ctx, tagEnded))
	}
	return nil
}

func (f *attempt) removeMade(ctx context.Context) error {
	var errs []error
	if f.run.ID != "" {
		errs = append(errs, f.API.DeleteRun(ctx, f.run.ID))
	}
	if f.deployment != "" {
		errs = append(errs, f.remove(ctx, left{f.deployment, f.flow, f.id}))
	} else if f.flow != "" {
		errs = append(errs, f.API.DeleteFlow(ctx, f.flow))
	}
	return errors.Join(errs...)
}

// mark replaces the deployment's tag that tells until when it may be in use.
func (f *attempt) mark(ctx context.Context, with string) error {
	if f.deployment == "" {
		return nil
	}
	d := f.newDeployment()
	d.Tags = []string{tag, with}
	_, err := f.API.CreateDeployment(ctx, d)
	return err
}

// end cancels a run that has not ended, and stops its task. It waits until the task has
// stopped: until then, the flow may write to the bucket.
func (f *attempt) end(ctx context.Context) error {
	if f.run.ID == "" {
		return nil
	}
	var errs []error
	if !f.run.State.Final() {
		errs = append(errs, f.API.CancelRun(ctx, f.run.ID, "Canceled by `flowbed hello`."), f.findTask(ctx))
	}
	if f.task.arn == "" || f.task.stopped() || done(f.run) {
		return errors.Join(errs...)
	}
	_, err := f.ECS.StopTask(ctx, &ecs.StopTaskInput{
		Cluster: &f.task.cluster, Task: &f.task.arn, Reason: aws.String("flowbed hello has ended"),
	})
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("stop task %s: %w", f.task.id(), err))...)
	}
	return errors.Join(append(errs, f.awaitStop(ctx, f.task.cluster, f.task.arn))...)
}

// done reports whether a run's flow has done its work. Its task ends by itself.
func done(r prefect.Run) bool {
	return r.State.Type == prefect.Completed || r.State.Type == prefect.Failed
}

// awaitStop waits until a task has stopped. If the caller may not read the task, it waits as
// long as tasks usually need.
func (h *Hello) awaitStop(ctx context.Context, cluster, arn string) error {
	id := task{arn: arn}.id()
	began, said := time.Now(), false
	for {
		out, err := h.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: []string{arn}})
		switch {
		case awserr.Classify(err) == awserr.Denied:
			return pause(ctx, usualStop)
		case awserr.Classify(err) == awserr.Absent: // the cluster
			return nil
		case err != nil && !awserr.Retry(err):
			return fmt.Errorf("read task %s: %w", id, err)
		case err == nil && (len(out.Tasks) == 0 || aws.ToString(out.Tasks[0].LastStatus) == "STOPPED"):
			return nil
		case time.Since(began) >= longestStop:
			return fmt.Errorf("task %s has not stopped after %s, so what it may use stays", id, longestStop)
		case !said:
			said = true
			h.note("waiting for task %s to stop", id)
		}
		if err := pause(ctx, h.pace()); err != nil {
			return err
		}
	}
}

// findTask waits for the task of a run that a worker has taken, unless it is known.
func (f *attempt) findTask(ctx context.Context) error {
	if f.task.arn != "" || f.run.State.Type == prefect.Scheduled {
		return nil
	}
	for began := time.Now(); time.Since(began) < handover; {
		run, err := f.API.ReadRun(ctx, f.run.ID)
		if err != nil {
			return err
		}
		if f.task.cluster, f.task.arn = run.Task(); f.task.arn != "" {
			return nil
		}
		if err := pause(ctx, f.pace()); err != nil {
			return err
		}
	}
	return nil
}
