package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/prefect"
)

// ServiceWorker is what runs in the agent's service. Up waits until the deployment of today's
// task definition is completed, and as many workers are online as the service should have.
// That a service is stable, as ECS calls it, says less: it is so between two crashes, and after
// ECS has gone back to the definition before.
//
// Then nothing uses the earlier revisions of the task definition any more, and up deregisters
// them.
type ServiceWorker struct {
	Worker     Worker // for its records in Prefect; its Agent is not needed
	ECS        *ecs.Client
	Logs       *cloudwatchlogs.Client // to read what a task that died has said
	ID         Identity
	Cluster    string
	Name       string // of the service, and the family of its task definitions
	Container  string // its name, which is also the prefix of its log streams
	LogGroup   string
	Desired    int
	Service    provision.Ref[ServiceState]
	Definition provision.Ref[TaskDefinitionState]
	Wait       time.Duration // how long up waits
	Watch      *ServiceWatch
	After      []provision.Edge
}

// ServiceWorkerState is what runs in the service. It has numbers and no names of tasks: in a
// crash loop each task is another, and yet there is no progress.
type ServiceWorkerState struct {
	Service    string
	Definition string    // ARN of the revision that the service has moved, or is moving, to
	Deployed   time.Time // when that deployment began
	Rollout    string    // COMPLETED, IN_PROGRESS, FAILED, or rolledBack
	Desired    int       // of the service
	Online     int       // workers in tasks of that revision
	Unstable   bool      // a task of the deployment has died within the last minutes
	Stale      []string  // the names in records of workers that have ended, sorted
	Old        []string  // ARNs of the earlier revisions that are active

	owner  string
	noPool bool // the API does not know the work pool
}

// rolledBack is the state of a service that ECS has moved back.
const rolledBack = "ROLLED_BACK"

// quiet is how long no task may have died before a deployment counts as done. The circuit
// breaker does not count a task that has run for a moment.
const quiet = time.Minute

var (
	_ Kind[ServiceWorkerState]                = ServiceWorker{}
	_ provision.Patient                       = ServiceWorker{}
	_ provision.Explainer[ServiceWorkerState] = ServiceWorker{}
	_ provision.Quitter[ServiceWorkerState]   = ServiceWorker{}
	_ provision.Labelled                      = ServiceWorkerState{}
)

// Owner implements provision.State.
func (s ServiceWorkerState) Owner() provision.Owner { return provision.Owner{By: s.owner} }

// Label is the service's name.
func (s ServiceWorkerState) Label() string { return s.Service }

// Patience implements provision.Patient.
func (w ServiceWorker) Patience() time.Duration { return w.Wait }

func (w ServiceWorker) service() Service {
	return Service{API: w.ECS, ID: w.ID, Cluster: w.Cluster, Name: w.Name}
}

func (w ServiceWorker) definition() TaskDefinition {
	return TaskDefinition{API: w.ECS, ID: w.ID, Family: w.Name}
}

// Read implements provision.Resource.
func (w ServiceWorker) Read(ctx context.Context) (s ServiceWorkerState, err error) {
	if _, err := w.Service.Await(ctx); err != nil {
		return s, err
	}
	var (
		service       ServiceState
		revisions     TaskDefinitionState
		running, dead []types.Task
		rows          []prefect.Worker
	)
	err = parallel(ctx,
		func(ctx context.Context) (err error) { service, err = w.service().Read(ctx); return err },
		func(ctx context.Context) (err error) { revisions, err = w.definition().Read(ctx); return err },
		func(ctx context.Context) (err error) {
			running, err = w.tasks(ctx, types.DesiredStatusRunning)
			return err
		},
		func(ctx context.Context) (err error) {
			dead, err = w.tasks(ctx, types.DesiredStatusStopped)
			return err
		},
		func(ctx context.Context) (err error) {
			rows, err = w.Worker.rows(ctx)
			if errors.Is(err, prefect.ErrNotFound) { // without a pool, there are no workers
				s.noPool, err = true, nil
			}
			return err
		},
	)
	if err != nil {
		return ServiceWorkerState{}, err
	}
	d := service.primary()
	s.Service, s.Definition, s.Desired, s.owner = service.Name, d.Definition, service.Desired, w.ID.Owner()
	s.Deployed, s.Rollout = d.Created, w.rollout(service)
	s.count(w, running, rows)
	s.Unstable = slices.ContainsFunc(dead, func(t types.Task) bool {
		return startedBy(t, d) && died(t) && time.Since(deref(t.StoppedAt)) < quiet
	})
	s.Old = old(revisions, service)
	return s, nil
}

// rollout is the state of the deployment.
func (w ServiceWorker) rollout(s ServiceState) string {
	d := s.primary()
	if strings.Contains(d.Reason, "rolling back") { // until the next deployment
		return rolledBack
	}
	if d.State == "" { // services of old have none
		return "COMPLETED"
	}
	return d.State
}

// startedBy reports whether a task belongs to a deployment.
func startedBy(t types.Task, d Deployment) bool { return deref(t.StartedBy) == d.ID }

// died reports whether a task ended without having been asked to.
func died(t types.Task) bool {
	switch t.StopCode {
	case types.TaskStopCodeServiceSchedulerInitiated:
		return strings.Contains(deref(t.StoppedReason), "health check")
	case types.TaskStopCodeUserInitiated, types.TaskStopCodeSpotInterruption, types.TaskStopCodeTerminationNotice:
		return false
	}
	return deref(t.LastStatus) == "STOPPED"
}

// count counts the workers that are online, and finds the records of those that have ended.
func (s *ServiceWorkerState) count(w ServiceWorker, running []types.Task, rows []prefect.Worker) {
	status := map[string]string{}
	for _, r := range rows {
		if status[r.Name] != "ONLINE" {
			status[r.Name] = r.Status
		}
	}
	for _, t := range running {
		name := w.ID.Names().Worker(lastPart(deref(t.TaskArn)))
		if status[name] == "ONLINE" && deref(t.TaskDefinitionArn) == s.Definition {
			s.Online++
		}
		delete(status, name)
	}
	for name, is := range status {
		if is != "ONLINE" && w.Worker.ours(name) {
			s.Stale = append(s.Stale, name)
		}
	}
	slices.Sort(s.Stale)
}

// old lists the active revisions that no deployment uses, but the newest.
func old(d TaskDefinitionState, s ServiceState) (arns []string) {
	for _, r := range d.Others {
		used := slices.ContainsFunc(s.Deployments, func(d Deployment) bool { return d.Definition == r.ARN })
		if !used {
			arns = append(arns, r.ARN)
		}
	}
	slices.Sort(arns)
	return arns
}

// tasks returns the tasks of the service, up to a hundred. ECS shows stopped ones for an hour.
func (w ServiceWorker) tasks(ctx context.Context, desired types.DesiredStatus) ([]types.Task, error) {
	out, err := w.ECS.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &w.Cluster, ServiceName: &w.Name, DesiredStatus: desired})
	if err != nil {
		return nil, fmt.Errorf("list tasks of the service: %w", err)
	}
	return Tasks(ctx, w.ECS, w.Cluster, out.TaskArns)
}

// Create implements provision.Resource. It does nothing: the service starts the workers.
func (w ServiceWorker) Create(context.Context) (*ServiceWorkerState, error) { return nil, nil }

// Changes implements provision.Resource. If up has changed the service since the reading, the
// reading is about earlier tasks.
//
// The records of workers that have ended are no difference of their own, because ECS replaces
// tasks whenever it likes. They go when there is another one.
func (w ServiceWorker) Changes(have ServiceWorkerState) (c []provision.Change) {
	if w.done(have) {
		for _, arn := range have.Old {
			c = append(c, provision.Change{
				Field: "old revision", From: provision.Text(lastPart(arn)), Why: "nothing uses it any more",
				Do: func(ctx context.Context) error { return deregister(ctx, w.ECS, arn) },
			})
		}
		return c
	}
	c = []provision.Change{{Field: "worker", From: provision.Text(have.text()), To: provision.Text(fmt.Sprintf("%d online", w.desired()))}}
	for _, name := range have.Stale {
		c = append(c, provision.Change{Field: "worker " + name, From: provision.Text("offline"), Do: w.Worker.drop(name)})
	}
	return c
}

func (w ServiceWorker) done(have ServiceWorkerState) bool {
	s, found := w.Service.Get()
	return found && !revised(w.Definition) && !ahead(w.Service, deploys...) && !ahead(w.Service, "desired count") &&
		have.Definition == s.Definition && !have.Deployed.Before(s.primary().Created) &&
		have.Rollout == "COMPLETED" && have.Online >= have.Desired && !have.Unstable
}

// desired is how many tasks the service has when up is done with it: others may have set that.
func (w ServiceWorker) desired() int {
	if s, found := w.Service.Get(); found && !ahead(w.Service, "desired count") {
		return s.Desired
	}
	return w.Desired
}

// revised reports whether up registers another revision of a task definition.
func revised(d provision.Ref[TaskDefinitionState]) bool {
	return slices.ContainsFunc(d.Ahead(), func(c provision.Change) bool { return c.Field != "tags" })
}

// deploys are the fields of a service for which ECS replaces its tasks.
var deploys = provision.Fields{"status", "task definition", "capacity", "subnets", "security groups", "public address"}

// ahead reports whether up changes one of the fields of a service.
func ahead(s provision.Ref[ServiceState], fields ...string) bool {
	return slices.ContainsFunc(s.Ahead(), func(c provision.Change) bool { return slices.Contains(fields, c.Field) })
}

func (s ServiceWorkerState) text() string {
	if s.Service == "" {
		return ""
	}
	text := fmt.Sprintf("%d online, deployment %s", s.Online, strings.ToLower(strings.ReplaceAll(s.Rollout, "_", " ")))
	if s.Unstable {
		text += ", a task has just died"
	}
	return text
}

// Delete implements provision.Resource. Down deletes the records by [Worker].
func (w ServiceWorker) Delete(context.Context, ServiceWorkerState) error { return nil }

// Costs implements Kind: its tasks are those of the service.
func (ServiceWorker) Costs() []cost.Usage { return nil }

// Permissions are what the calls need. All others go to Prefect, not to AWS.
func (w ServiceWorker) Permissions() Permissions {
	tasks := w.ID.ARN("ecs", w.ID.Region, "task/"+w.Cluster+"/*")
	return Permissions{
		Read: []Permission{
			on(w.service().arn(), "ecs:DescribeServices"),
			on("*", "ecs:ListTaskDefinitions", "ecs:DescribeTaskDefinition"),
			on("*", "ecs:ListTasks").when("ArnEquals", "ecs:cluster", w.ID.ARN("ecs", w.ID.Region, "cluster/"+w.Cluster)),
			on(tasks, "ecs:DescribeTasks").like(strings.TrimSuffix(tasks, "*") + "0123456789abcdef0123456789abcdef"),
		},
		Build: []Permission{
			on("*", "ecs:DeregisterTaskDefinition"),
			on(w.ID.ARN("logs", w.ID.Region, "log-group:"+w.LogGroup+":*"), "logs:GetLogEvents"),
		},
	}
}
