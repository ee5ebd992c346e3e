package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// The statuses of a service. A deleted one is DRAINING until ECS has begun to stop each of its
// tasks, and then INACTIVE: its tasks may still run.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html
const (
	serviceActive   = "ACTIVE"
	serviceInactive = "INACTIVE"
)

// Delete implements provision.Resource. It also stops the tasks; the runs that the workers have
// submitted go on.
func (v Service) Delete(ctx context.Context, have ServiceState) error {
	if have.Status != serviceActive {
		return nil
	}
	_, err := v.API.DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: &v.Cluster, Service: &v.Name, Force: new(true)})
	if awserr.Code(err) == "ServiceNotActiveException" { // it is draining
		err = nil
	}
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete service: %w", err)
	}
	return nil
}

// DeletePatience implements provision.DeletePatient.
func (Service) DeletePatience() time.Duration { return leaves }

// DependsUntilDeleted implements provision.DependsUntilDeleted: the workers use the cluster, the
// roles and the security group, and may start the task of a flow, until they have stopped.
func (Service) DependsUntilDeleted() {}

// ending returns the ids of the tasks of an inactive service that have not stopped yet, sorted.
// It looks for them by their family: ECS need not find them by the service.
func (v Service) ending(ctx context.Context) (ids []string, err error) {
	list, err := v.tasks(ctx, &ecs.ListTasksInput{Cluster: &v.Cluster, Family: &v.Name, DesiredStatus: types.DesiredStatusStopped})
	if err != nil {
		return nil, err
	}
	for _, t := range list {
		ids = append(ids, lastPart(deref(t.TaskArn)))
	}
	slices.Sort(ids)
	return ids, nil
}

// tasks returns the service's tasks in a list that have not stopped yet.
func (v Service) tasks(ctx context.Context, in *ecs.ListTasksInput) ([]types.Task, error) {
	arns, err := listTasks(ctx, v.API, in)
	if err == nil {
		var list []types.Task
		list, err = Tasks(ctx, v.API, v.Cluster, arns)
		if err == nil {
			return slices.DeleteFunc(list, func(t types.Task) bool {
				return deref(t.Group) != "service:"+v.Name || deref(t.LastStatus) == taskStopped
			}), nil
		}
	}
	if _, gone := errors.AsType[*types.ClusterNotFoundException](err); gone {
		return nil, nil
	}
	return nil, err
}

// Blockers implements provision.BlockerFinder: each task that has not stopped.
func (v Service) Blockers(ctx context.Context, have ServiceState) (list []provision.Blocker) {
	if have.Status == serviceActive {
		return nil
	}
	tasks, err := v.tasks(ctx, &ecs.ListTasksInput{Cluster: &v.Cluster, Family: &v.Name, DesiredStatus: types.DesiredStatusStopped})
	if err != nil {
		return nil
	}
	slices.SortFunc(tasks, byARN)
	for _, t := range tasks {
		id := lastPart(deref(t.TaskArn))
		list = append(list, provision.Blocker{
			What:   fmt.Sprintf("task %s of service %s (%s)", id, v.Name, deref(t.LastStatus)),
			Remedy: stopRemedy(v.Cluster, id),
		})
	}
	return list
}

// Keeps implements provision.Keeper. ECS does not delete a cluster that has a service, and EC2 no
// security group that its tasks use.
func (v Service) Keeps(have ServiceState, stays bool) (kept []provision.Kept) {
	if !stays {
		return nil
	}
	why := "service " + have.Name + ", which is left, is in it"
	if v.In.Set() {
		kept = append(kept, provision.Kept{Object: v.In, Why: why})
	}
	for _, r := range v.Groups {
		if g, ok := r.Get(); ok && slices.Contains(have.Groups, g.ID) {
			kept = append(kept, provision.Kept{Object: r, Why: why})
		}
	}
	return kept
}
