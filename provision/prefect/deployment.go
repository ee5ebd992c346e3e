package prefect

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"
)

// Deployment is a deployment as the API returns it.
type Deployment struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	FlowID  string    `json:"flow_id"`
	Pool    string    `json:"work_pool_name"` // empty if the pool was deleted
	Tags    []string  `json:"tags"`
	Created time.Time `json:"created"`

	Parameters map[string]any `json:"parameters"`

	// Flow is the name of its flow. Only PoolDeployments sets it.
	Flow string `json:"-"`
}

// String is the name by which people know the deployment: that of its flow and its own.
func (d Deployment) String() string { return d.Flow + "/" + d.Name }

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

// TaggedDeployments lists the deployments of all work pools that have a tag, also those whose
// pool was deleted.
func (c *Client) TaggedDeployments(ctx context.Context, tag string) (all []Deployment, err error) {
	return c.deployments(ctx, map[string]any{"deployments": map[string]any{"tags": map[string]any{"all_": []string{tag}}}})
}

// PoolDeployments lists a pool's deployments with the names of their flows, sorted by both
// names.
func (c *Client) PoolDeployments(ctx context.Context, pool string) ([]Deployment, error) {
	all, err := c.deployments(ctx, map[string]any{"work_pools": ofPool(pool)})
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(all, flowsPage) {
		if err := c.nameFlows(ctx, part); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b Deployment) int { return cmp.Or(cmp.Compare(a.Flow, b.Flow), cmp.Compare(a.Name, b.Name)) })
	return all, nil
}

func ofPool(name string) map[string]any {
	return map[string]any{"name": map[string]any{"any_": []string{name}}}
}

func (c *Client) deployments(ctx context.Context, filter map[string]any) (all []Deployment, err error) {
	for {
		var page []Deployment
		filter["limit"], filter["offset"] = deploymentsPage, len(all)
		if err := c.call(ctx, http.MethodPost, "/deployments/filter", filter, &page); err != nil {
			return nil, doing("list deployments", err)
		}
		if all = append(all, page...); len(page) < deploymentsPage {
			return all, nil
		}
	}
}

// flowsPage is the most flows that the API returns at once.
const flowsPage = 200

// nameFlows sets the names of the flows of at most flowsPage deployments.
func (c *Client) nameFlows(ctx context.Context, list []Deployment) error {
	var ids []string
	for _, d := range list {
		if !slices.Contains(ids, d.FlowID) {
			ids = append(ids, d.FlowID)
		}
	}
	var flows []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	err := c.call(ctx, http.MethodPost, "/flows/filter", map[string]any{
		"flows": map[string]any{"id": map[string]any{"any_": ids}}, "limit": flowsPage,
	}, &flows)
	for _, f := range flows {
		for i := range list {
			if list[i].FlowID == f.ID {
				list[i].Flow = f.Name
			}
		}
	}
	return doing("list flows", err)
}
