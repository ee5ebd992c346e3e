package resource

import (
	"context"
	"time"

	"github.com/flowbed/flowbed/provision/prefect"
)

// rows lists the workers of the pool, or the agents of Prefect 1 in the same form.
func (w Worker) rows(ctx context.Context) ([]prefect.Worker, error) {
	if !w.Version1 {
		return w.API.Workers(ctx, w.Pool)
	}
	agents, err := w.API.Agents(ctx)
	rows := make([]prefect.Worker, len(agents))
	for i, a := range agents {
		rows[i] = prefect.Worker{Name: a.Name, Status: "OFFLINE", Heartbeat: a.Queried}
		if a.Alive(time.Now()) {
			rows[i].Status = "ONLINE"
		}
	}
	return rows, err
}

// deleteRow deletes the records with a name. Prefect 1 has one for each version and each
// set of labels that an agent with this name reported.
func (w Worker) deleteRow(ctx context.Context, name string) error {
	if !w.Version1 {
		return w.API.DeleteWorker(ctx, w.Pool, name)
	}
	agents, err := w.API.Agents(ctx)
	if err != nil {
		return err
	}
	for _, a := range agents {
		if a.Name != name {
			continue
		}
		if err := w.API.DeleteAgent(ctx, a.ID); err != nil {
			return err
		}
	}
	return nil
}
