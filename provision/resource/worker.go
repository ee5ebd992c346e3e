package resource

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
)

// skew is how far the clocks of AWS and of Prefect may differ.
const skew = 30 * time.Second

// Worker is the agent's worker, as Prefect sees it. Nothing is called to make
// one: the instance does that, and up waits until the API lists it.
type Worker struct {
	API   *prefect.Client // nil if the API cannot be asked; then Destroy must be set
	EC2   *ec2.Client     // for the console, when the worker does not come
	ID    Identity
	Pool  string
	Agent provision.Ref[InstanceState] // that must run the worker; not needed with Destroy
	Wait  time.Duration                // how long up waits
	After []provision.Edge

	// Version1 says that the API is a Server of Prefect 1, whose agents are in no
	// pool.
	Version1 bool

	// Destroy means that the worker's records are to be deleted: Read looks for what
	// workers of this environment have left, without asking for an instance.
	Destroy bool
}

// WorkerState is a worker as it is found.
type WorkerState struct {
	Name     string // that is looked for
	Instance string
	Status   string   // "online", "offline", or "not seen" since the launch
	Stale    []string // rows of earlier instances, sorted

	owner string
}

var (
	_ Kind[WorkerState]                = Worker{}
	_ provision.Patient                = Worker{}
	_ provision.Explainer[WorkerState] = Worker{}
	_ provision.Labelled               = WorkerState{}
)

// Owner implements provision.State: the name is the environment's.
func (s WorkerState) Owner() provision.Owner { return provision.Owner{By: s.owner} }

func (w Worker) name(instance string) string { return w.ID.Names().Worker(instance) }

// ours reports whether a row is that of an instance of this environment.
func (w Worker) ours(row string) bool {
	return regexp.MustCompile(`^` + regexp.QuoteMeta(w.ID.Env) + `-i-[0-9a-f]{8,17}$`).MatchString(row)
}

// Patience implements provision.Patient.
func (w Worker) Patience() time.Duration { return w.Wait }

// Read implements provision.Resource.
func (w Worker) Read(ctx context.Context) (WorkerState, error) {
	if w.Destroy {
		return w.readLeft(ctx)
	}
	agent, err := w.Agent.Await(ctx)
	if err != nil {
		return WorkerState{}, err
	}
	rows, err := w.rows(ctx)
	if err != nil && !errors.Is(err, prefect.ErrNotFound) { // without a pool nobody can be in it
		return WorkerState{}, err
	}
	s := WorkerState{Name: w.name(agent.ID), Instance: agent.ID, Status: "not seen", owner: w.ID.Owner()}
	for _, row := range rows {
		switch {
		case row.Name != s.Name:
			if w.ours(row.Name) && row.Status != "ONLINE" && !slices.Contains(s.Stale, row.Name) {
				s.Stale = append(s.Stale, row.Name)
			}
		case row.Heartbeat.Before(agent.Launched.Add(-skew)): // of this instance before it was stopped
		case row.Status == "ONLINE":
			s.Status = "online"
		case s.Status != "online":
			s.Status = "offline"
		}
	}
	slices.Sort(s.Stale)
	return s, nil
}

// readLeft finds the rows that a removal takes away.
func (w Worker) readLeft(ctx context.Context) (WorkerState, error) {
	absent := fmt.Errorf("list workers: %w", provision.ErrAbsent)
	if w.API == nil {
		return WorkerState{}, absent
	}
	rows, err := w.rows(ctx)
	switch {
	case errors.Is(err, prefect.ErrNotFound), unanswered(err): // the pool says so
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

// Create implements provision.Resource: the instance starts the worker.
func (w Worker) Create(context.Context) (*WorkerState, error) { return nil, nil }

// Changes implements provision.Resource. The instance may be another one by now
// than when the worker was read: then the worker is not the one that is wanted.
func (w Worker) Changes(have WorkerState) (c []provision.Change) {
	online := provision.Change{Field: "worker", From: provision.Text(have.Status), To: provision.Unknown()}
	agent, known := w.Agent.Get()
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

func (w Worker) drop(name string) do {
	return func(ctx context.Context) error { return w.deleteRow(ctx, name) }
}

// Delete implements provision.Resource.
func (w Worker) Delete(ctx context.Context, have WorkerState) error {
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

// Explain implements provision.Explainer with what the instance has said.
func (w Worker) Explain(ctx context.Context, have WorkerState) string {
	if w.EC2 == nil || have.Instance == "" {
		return ""
	}
	return explainConsole(ctx, w.EC2, have.Instance)
}

// Permissions are what Explain needs; the rest asks Prefect, not AWS.
func (w Worker) Permissions() Permissions {
	return Permissions{Build: []Permission{w.ID.tagged(exampleInstance, "ec2:GetConsoleOutput")}}
}
