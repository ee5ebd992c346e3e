package prefect

import (
	"context"
	"net/http"
	"time"
)

// Deployment is a deployment as the API returns it.
type Deployment struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	FlowID  string    `json:"flow_id"`
	Tags    []string  `json:"tags"`
	Created time.Time `json:"created"`
}

// NewDeployment is the request to create a deployment in a work pool.
type NewDeployment struct {
	Name        string           `json:"name"`
	FlowID      string           `json:"flow_id"`
	Pool        string           `json:"work_pool_name"`
	Queue       string           `json:"work_queue_name,omitempty"` // the pool's default queue if empty
	Entrypoint  string           `json:"entrypoint"`                // file:function
	PullSteps   []map[string]any `json:"pull_steps"`                // what the task does before it loads the entrypoint
	Parameters  map[string]any   `json:"parameters"`
	Schema      map[string]any   `json:"parameter_openapi_schema"`
	Tags        []string         `json:"tags"`
	Description string           `json:"description"`
	Variables   map[string]any   `json:"job_variables,omitempty"`
}

// CreateFlow creates a flow, and returns its id. If the name is taken, it returns the id of
// the flow that has it.
func (c *Client) CreateFlow(ctx context.Context, name string) (id string, err error) {
	var f struct {
		ID string `json:"id"`
	}
	err = c.call(ctx, http.MethodPost, "/flows/", map[string]any{"name": name}, &f)
	return f.ID, doing("create flow", err)
}

// DeleteFlow deletes a flow. It is not an error if the flow does not exist.
func (c *Client) DeleteFlow(ctx context.Context, id string) error {
	return doing("delete flow", gone(c.call(ctx, http.MethodDelete, "/flows/"+id, nil, nil)))
}

// CreateDeployment creates a deployment, or replaces the one of this flow with this name. It
// returns the id. The error is ErrNotFound if the work pool does not exist.
func (c *Client) CreateDeployment(ctx context.Context, d NewDeployment) (id string, err error) {
	var made Deployment
	err = c.call(ctx, http.MethodPost, "/deployments/", d, &made)
	return made.ID, doing("create deployment", err)
}

// DeleteDeployment deletes a deployment with its scheduled runs. It is not an error if it
// does not exist.
func (c *Client) DeleteDeployment(ctx context.Context, id string) error {
	return doing("delete deployment", gone(c.call(ctx, http.MethodDelete, "/deployments/"+id, nil, nil)))
}

// deploymentsPage is the most deployments that the API returns at once.
const deploymentsPage = 200

// TaggedDeployments lists a pool's deployments that have a tag.
func (c *Client) TaggedDeployments(ctx context.Context, pool, tag string) (all []Deployment, err error) {
	for {
		var page []Deployment
		err := c.call(ctx, http.MethodPost, "/deployments/filter", map[string]any{
			"work_pools":  map[string]any{"name": map[string]any{"any_": []string{pool}}},
			"deployments": map[string]any{"tags": map[string]any{"all_": []string{tag}}},
			"limit":       deploymentsPage, "offset": len(all),
		}, &page)
		if err != nil {
			return nil, doing("list deployments", err)
		}
		if all = append(all, page...); len(page) < deploymentsPage {
			return all, nil
		}
	}
}
