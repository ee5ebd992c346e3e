package prefect

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The types of states. The names that people see can differ: a state Late has the type
// SCHEDULED.
const (
	Scheduled  = "SCHEDULED"
	Pending    = "PENDING"
	Running    = "RUNNING"
	Completed  = "COMPLETED"
	Failed     = "FAILED"
	Crashed    = "CRASHED"
	Cancelled  = "CANCELLED"
	Cancelling = "CANCELLING"
)

// State is a state of a flow run.
type State struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Name    string    `json:"name"`
	Message string    `json:"message"`
	Time    time.Time `json:"timestamp"`
}

// Final reports whether a run stays in the state.
func (s State) Final() bool {
	switch s.Type {
	case Completed, Failed, Crashed, Cancelled:
		return true
	}
	return false
}

// Run is a flow run.
type Run struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State State  `json:"state"`

	Created time.Time `json:"created"`

	FlowID       string `json:"flow_id"`
	DeploymentID string `json:"deployment_id"` // empty for a run without a deployment

	// Infrastructure is what the worker started: for ECS, the cluster and the task's ARN.
	// It is empty until the worker has started it.
	Infrastructure string `json:"infrastructure_pid"`
}

// Task returns the cluster and the ARN of the run's ECS task; both are empty if there is none.
func (r Run) Task() (cluster, arn string) {
	cluster, arn, ok := strings.Cut(r.Infrastructure, "::")
	if !ok {
		return "", ""
	}
	return cluster, arn
}

// FamilyPrefix begins the names of the ECS task definition families that the workers of a
// pool register. The rest is the id of the deployment, or of the flow.
func FamilyPrefix(pool string) string { return "prefect_" + pool + "_" }

// LogPrefix begins the names of the log streams of a run's task, unless its deployment or the work
// pool sets another prefix.
func (r Run) LogPrefix(pool string) string {
	return "prefect-logs_" + pool + "_" + cmp.Or(r.DeploymentID, r.FlowID) + "/"
}

// StartRun creates a run of a deployment. If it is called again with the same key, it
// returns the same run.
func (c *Client) StartRun(ctx context.Context, deployment, key string) (Run, error) {
	var r Run
	err := c.call(ctx, http.MethodPost, "/deployments/"+deployment+"/create_flow_run", map[string]any{"idempotency_key": key}, &r)
	return r, doing("create flow run", err)
}

// ReadRun reads a flow run. The error is ErrNotFound if it does not exist.
func (c *Client) ReadRun(ctx context.Context, id string) (Run, error) {
	var r Run
	err := c.call(ctx, http.MethodGet, "/flow_runs/"+id, nil, &r)
	return r, doing("read flow run", err)
}

// States returns all states that a run has had, the oldest first.
func (c *Client) States(ctx context.Context, run string) (list []State, err error) {
	err = c.call(ctx, http.MethodGet, "/flow_run_states/?flow_run_id="+url.QueryEscape(run), nil, &list)
	return list, doing("read states", err)
}

// CancelRun cancels a run. It does not wait for the worker: the caller stops the task. It is
// not an error if the run does not exist.
func (c *Client) CancelRun(ctx context.Context, run, why string) error {
	err := c.call(ctx, http.MethodPost, "/flow_runs/"+run+"/set_state", map[string]any{
		"state": map[string]any{"type": Cancelled, "name": "Cancelled", "message": why}, "force": true,
	}, nil)
	return doing("cancel flow run", gone(err))
}

// DeleteRun deletes a run. It is not an error if it does not exist.
func (c *Client) DeleteRun(ctx context.Context, id string) error {
	return doing("delete flow run", gone(c.call(ctx, http.MethodDelete, "/flow_runs/"+id, nil, nil)))
}

// active is the filter of a pool's runs that use its concurrency limit.
func active(pool string) map[string]any {
	return map[string]any{
		"work_pools": map[string]any{"name": map[string]any{"any_": []string{pool}}},
		"flow_runs":  map[string]any{"state": map[string]any{"type": map[string]any{"any_": []string{Pending, Running, Cancelling}}}},
	}
}

// CountActive counts the runs of a pool that use its concurrency limit.
func (c *Client) CountActive(ctx context.Context, pool string) (n int, err error) {
	err = c.call(ctx, http.MethodPost, "/flow_runs/count", active(pool), &n)
	return n, doing("count flow runs", err)
}

// runsPage is the most runs that the API returns at once.
const runsPage = 200

// Active lists the runs of a pool that use its concurrency limit, those first that should
// have started first. It stops at most runs.
func (c *Client) Active(ctx context.Context, pool string, most int) (all []Run, err error) {
	for len(all) < most {
		in := active(pool)
		in["sort"], in["limit"], in["offset"] = "EXPECTED_START_TIME_ASC", min(runsPage, most-len(all)), len(all)
		var page []Run
		if err := c.call(ctx, http.MethodPost, "/flow_runs/filter", in, &page); err != nil {
			return nil, doing("list flow runs", err)
		}
		if all = append(all, page...); len(page) < runsPage {
			break
		}
	}
	return all, nil
}

// RunsOf lists the runs of a deployment.
func (c *Client) RunsOf(ctx context.Context, deployment string) (all []Run, err error) {
	for {
		var page []Run
		err := c.call(ctx, http.MethodPost, "/flow_runs/filter", map[string]any{
			"deployments": map[string]any{"id": map[string]any{"any_": []string{deployment}}},
			"sort":        "EXPECTED_START_TIME_ASC", "limit": runsPage, "offset": len(all),
		}, &page)
		if err != nil {
			return nil, doing("list flow runs", err)
		}
		if all = append(all, page...); len(page) < runsPage {
			return all, nil
		}
	}
}

// Log is a line of a run's log.
type Log struct {
	ID      string    `json:"id"`
	Level   int       `json:"level"` // as in Python: 20 is info, 40 is error
	Message string    `json:"message"`
	Time    time.Time `json:"timestamp"`
}

// logsPage is the most log lines that the API returns at once.
const logsPage = 200

// Logs returns at most 200 lines of a run's log, the oldest first, after the first lines.
func (c *Client) Logs(ctx context.Context, run string, after int) (list []Log, err error) {
	err = c.call(ctx, http.MethodPost, "/logs/filter", map[string]any{
		"logs": map[string]any{"flow_run_id": map[string]any{"any_": []string{run}}},
		"sort": "TIMESTAMP_ASC", "limit": logsPage, "offset": after,
	}, &list)
	return list, doing("read log", err)
}
