package prefect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Pool is a work pool as the API returns it.
type Pool struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"` // "ecs" for the pool of an ECS worker
	Description string   `json:"description"`
	Template    Template `json:"base_job_template"`
	Paused      bool     `json:"is_paused"`
	Limit       *int     `json:"concurrency_limit"` // of concurrent runs; nil is no limit
	Status      string   `json:"status"`            // READY, NOT_READY or PAUSED
}

// NewPool is the request to create a pool.
type NewPool struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Template    Template `json:"base_job_template"`
	Limit       *int     `json:"concurrency_limit,omitempty"`
}

// PoolEdit is the request to change a pool. Fields that are nil do not change.
type PoolEdit struct {
	Description *string  `json:"description,omitempty"`
	Template    Template `json:"base_job_template,omitempty"`
	Limit       *int     `json:"concurrency_limit,omitempty"`
	Paused      *bool    `json:"is_paused,omitempty"`
}

// Worker is a worker's record in a pool.
type Worker struct {
	Name      string    `json:"name"`
	Status    string    `json:"status"` // ONLINE or OFFLINE, by the last heartbeat
	Heartbeat time.Time `json:"last_heartbeat_time"`
}

// ReadPool reads a work pool. The error is ErrNotFound if it does not exist.
func (c *Client) ReadPool(ctx context.Context, name string) (Pool, error) {
	var p Pool
	err := c.call(ctx, http.MethodGet, "/work_pools/"+url.PathEscape(name), nil, &p)
	return p, doing("read work pool", err)
}

// CreatePool creates a work pool. The error is ErrConflict if the name is taken.
func (c *Client) CreatePool(ctx context.Context, p NewPool) error {
	return doing("create work pool", c.call(ctx, http.MethodPost, "/work_pools/", p, nil))
}

// EditPool changes a work pool.
func (c *Client) EditPool(ctx context.Context, name string, e PoolEdit) error {
	return doing("change work pool", c.call(ctx, http.MethodPatch, "/work_pools/"+url.PathEscape(name), e, nil))
}

// DeletePool deletes a work pool with its queues and its workers' records. It is not
// an error if the pool does not exist.
func (c *Client) DeletePool(ctx context.Context, name string) error {
	err := c.call(ctx, http.MethodDelete, "/work_pools/"+url.PathEscape(name), nil, nil)
	return doing("delete work pool", gone(err))
}

// workersPage is the most records that the API returns at once.
const workersPage = 200

// Workers lists a pool's workers, including those that stopped long ago. The error is
// ErrNotFound if the pool does not exist.
func (c *Client) Workers(ctx context.Context, pool string) (all []Worker, err error) {
	for {
		var page []Worker
		// The API's own filter by status lags behind the status that it computes.
		err := c.call(ctx, http.MethodPost, "/work_pools/"+url.PathEscape(pool)+"/workers/filter",
			map[string]any{"limit": workersPage, "offset": len(all)}, &page)
		if err != nil {
			return nil, doing("list workers", err)
		}
		if all = append(all, page...); len(page) < workersPage {
			return all, nil
		}
	}
}

// DeleteWorker deletes a worker's record. It is not an error if it does not exist.
func (c *Client) DeleteWorker(ctx context.Context, pool, name string) error {
	err := c.call(ctx, http.MethodDelete, "/work_pools/"+url.PathEscape(pool)+"/workers/"+url.PathEscape(name), nil, nil)
	return doing("delete worker", gone(err))
}

// queuesPage is the most queues that the API returns at once.
const queuesPage = 200

// Queues returns the names of a pool's work queues. The error is ErrNotFound if the pool
// does not exist.
func (c *Client) Queues(ctx context.Context, pool string) (names []string, err error) {
	for {
		var page []struct {
			Name string `json:"name"`
		}
		err := c.call(ctx, http.MethodPost, "/work_pools/"+url.PathEscape(pool)+"/queues/filter",
			map[string]any{"limit": queuesPage, "offset": len(names)}, &page)
		if err != nil {
			return nil, doing("list work queues", err)
		}
		for _, q := range page {
			names = append(names, q.Name)
		}
		if len(page) < queuesPage {
			return names, nil
		}
	}
}

// CreateQueue creates a work queue in a pool. The error is ErrConflict if the name is
// taken.
func (c *Client) CreateQueue(ctx context.Context, pool, name string) error {
	err := c.call(ctx, http.MethodPost, "/work_pools/"+url.PathEscape(pool)+"/queues", map[string]any{"name": name}, nil)
	return doing("create work queue", err)
}

// Deployments counts the deployments that use a pool.
func (c *Client) Deployments(ctx context.Context, pool string) (n int, err error) {
	filter := map[string]any{"work_pools": map[string]any{"name": map[string]any{"any_": []string{pool}}}}
	err = c.call(ctx, http.MethodPost, "/deployments/count", filter, &n)
	return n, doing("count deployments", err)
}

// Version is the version of the server. Prefect Cloud has its own versions.
func (c *Client) Version(ctx context.Context) (v string, err error) {
	err = c.call(ctx, http.MethodGet, "/admin/version", nil, &v)
	return v, doing("read version", err)
}

func gone(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func doing(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
