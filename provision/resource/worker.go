package resource

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/secret"
)

// maxClockSkew is how far the clocks of AWS and of Prefect may differ.
const maxClockSkew = 30 * time.Second

// Worker is the agent's worker in Prefect. The instance starts it, and up waits until the
// API lists it as online.
type Worker struct {
	API   *prefect.Client // nil if flowbed has no access to the API; then Destroy must be set
	EC2   *ec2.Client     // to read the console if the worker does not come online
	SSM   *ssm.Client     // to read the logs on the instance then
	ID    Identity
	Pool  string
	Agent provision.Ref[InstanceState] // that runs the worker; not needed with Destroy
	Wait  time.Duration                // how long up waits
	After []provision.Edge
	Watch *Watch   // nil means that up waits even for an agent that has failed for good
	Down  *PoolAPI // as in Pool; Prefect 1 has none

	// Secret is as in Pool. It must be set only if no pool's step has it.
	Secret secret.Ref

	// Version1 means that the API is that of Prefect 1, where agents have no work pool.
	Version1 bool

	// Destroy means that the run deletes the worker records. Read then finds the records
	// of all workers of this environment, and does not need the instance.
	Destroy bool
}

// WorkerState is the actual state of a worker.
type WorkerState struct {
	Name     string // of the worker on the current instance
	Instance string
	Status   string   // "online", "offline", or "not seen" since the launch
	Stale    []string // the names in records of earlier instances, sorted

	owner  string
	noPool bool // the API does not know the work pool
}

var (
	_ Kind[WorkerState]                = Worker{}
	_ provision.Patient                = Worker{}
	_ provision.Usual                  = Worker{}
	_ provision.CreatedByDependents    = Worker{}
	_ provision.Explainer[WorkerState] = Worker{}
	_ provision.Quitter[WorkerState]   = Worker{}
	_ provision.Labelled               = WorkerState{}
)

// Owner implements provision.State: the names of workers contain that of the environment.
func (s WorkerState) Owner() provision.Owner { return provision.Owner{By: s.owner} }

func (w Worker) name(instance string) string { return w.ID.Names().Worker(instance) }

// ours reports whether a record belongs to an instance, or to a task of the service, of this
// environment.
func (w Worker) ours(row string) bool {
	return regexp.MustCompile(`^` + regexp.QuoteMeta(w.ID.Env) + `-(i-[0-9a-f]{8,17}|[0-9a-f]{32})$`).MatchString(row)
}

// Patience implements provision.Patient.
func (w Worker) Patience() time.Duration { return w.Wait }

// Usually implements provision.Usual: the instance boots, and installs Python and Prefect.
func (w Worker) Usually() string {
	if w.Destroy {
		return ""
	}
	return "4–6 minutes after a launch"
}

// CreatedByDependents implements provision.CreatedByDependents: a worker reports to Prefect until
// its instance has terminated, or its task has stopped, and so creates its record again.
func (Worker) CreatedByDependents() {}

// Read implements provision.Resource.
func (w Worker) Read(ctx context.Context) (WorkerState, error) {
	if w.Destroy {
		return w.readStale(ctx)
	}
	agent, err := w.Agent.Await(ctx)
	if err != nil {
		return WorkerState{}, err
	}
	rows, err := w.rows(ctx)
	if err != nil && !errors.Is(err, prefect.ErrNotFound) { // without a pool, there are no workers
		return WorkerState{}, err
	}
	s := WorkerState{Name: w.name(agent.ID), Instance: agent.ID, Status: "not seen", owner: w.ID.Owner(), noPool: err != nil}
	for _, row := range rows {
		switch {
		case row.Name != s.Name:
			if w.ours(row.Name) && row.Status != "ONLINE" && !slices.Contains(s.Stale, row.Name) {
				s.Stale = append(s.Stale, row.Name)
			}
		case row.Heartbeat.Before(agent.Launched.Add(-maxClockSkew)): // from before a stop of this instance
		case row.Status == "ONLINE":
			s.Status = "online"
		case s.Status != "online":
			s.Status = "offline"
		}
	}
	slices.Sort(s.Stale)
	return s, nil
}

// readStale finds the records that down deletes.
func (w Worker) readStale(ctx context.Context) (WorkerState, error) {
	absent := fmt.Errorf("list workers: %w", provision.ErrAbsent)
	w, err := w.forDown(ctx)
	if err != nil {
		return WorkerState{}, err
	}
	if w.API == nil {
		return WorkerState{}, absent
	}
	rows, err := w.rows(ctx)
	switch {
	case errors.Is(err, prefect.ErrNotFound), unread(ctx, err, w.Down != nil): // the step of the pool reports that
		return WorkerState{}, absent
	case err != nil:
		return WorkerState{}, err
	}
	s := WorkerState{owner: w.ID.Owner()}
	for _, row := range rows {
		if w.ours(row.Name) && !slices.Contains(s.Stale, row.Name) {
			s.Stale = append(s.Stale, row.Name)
		}
	}
	if len(s.Stale) == 0 {
		return WorkerState{}, absent
	}
	slices.Sort(s.Stale)
	return s, nil
}

// forDown returns the worker with the client for a run that deletes the environment.
func (w Worker) forDown(ctx context.Context) (Worker, error) {
	if w.Down == nil || w.Version1 {
		return w, nil
	}
	var err error
	w.API, _, err = w.Down.open(ctx)
	return w, err
}

// Create implements provision.Resource. It does nothing: the instance starts the worker.
func (w Worker) Create(context.Context) (*WorkerState, error) { return nil, nil }

// Changes implements provision.Resource. If up has replaced the instance since the worker
// was read, the reading is about the wrong worker.
func (w Worker) Changes(have WorkerState) (c []provision.Change) {
	online := provision.Change{Field: "worker", From: provision.Text(have.Status), To: provision.Unknown()}
	agent, known := w.Agent.Get()
	// A new instance has a worker of its own.
	known = known && !slices.ContainsFunc(w.Agent.Ahead(), func(c provision.Change) bool { return c.Replace })
	if known {
		online.To = provision.Text(w.name(agent.ID) + " online")
	}
	if !known || have.Name != w.name(agent.ID) || have.Status != "online" {
		c = append(c, online)
	}
	for _, name := range have.Stale {
		c = append(c, provision.Change{Field: "worker " + name, From: provision.Text("offline"), Do: w.drop(name)})
	}
	return c
}

func (w Worker) drop(name string) doFunc {
	return func(ctx context.Context) error { return w.deleteRow(ctx, name) }
}

// Delete implements provision.Resource.
func (w Worker) Delete(ctx context.Context, have WorkerState) error {
	w, err := w.forDown(ctx)
	if err != nil {
		return err
	}
	for _, name := range have.Stale {
		if err := provision.Stopped(ctx); err != nil {
			return err
		}
		if err := w.deleteRow(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Explain implements provision.Explainer. It returns what the logs on the instance say, or
// its console.
func (w Worker) Explain(ctx context.Context, have WorkerState) string {
	if w.EC2 == nil || w.SSM == nil || have.Instance == "" {
		return ""
	}
	return explainAgent(ctx, w.EC2, w.SSM, have.Instance)
}

// Costs implements Kind: its machine has a step of its own.
func (Worker) Costs() []cost.Usage { return nil }

// Permissions are what Explain and Quit need. All other calls go to Prefect, not to AWS, unless
// flowbed reads the secret. AWS checks ssm:SendCommand on the document and on the instance; it
// offers no scope for the others.
func (w Worker) Permissions() Permissions {
	return Permissions{Read: reading(w.Secret), Build: []Permission{
		w.ID.tagged(exampleInstance, "ec2:GetConsoleOutput"),
		w.ID.tagged(exampleInstance, "ssm:SendCommand").composite(),
		on("arn:"+w.ID.Partition+":ssm:"+w.ID.Region+":*:document/"+shellDocument, "ssm:SendCommand").
			like("arn:" + w.ID.Partition + ":ssm:" + w.ID.Region + "::document/" + shellDocument).composite(),
		on("*", "ssm:DescribeInstanceInformation", "ssm:GetCommandInvocation"),
	}}
}
