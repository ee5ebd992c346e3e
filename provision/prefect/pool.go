package prefect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Pool is a work pool as the API has it.
type Pool struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"` // "ecs" for one with workers of ours
	Description string   `json:"description"`
	Template    Template `json:"base_job_template"`
	Paused      bool     `json:"is_paused"`
	Limit       *int     `json:"concurrency_limit"` // of runs at a time; nil is none
	Status      string   `json:"status"`            // READY, NOT_READY or PAUSED
}

// NewPool is what a pool is made of.
type NewPool struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Template    Template `json:"base_job_template"`
	Limit       *int     `json:"concurrency_limit,omitempty"`
}

// PoolEdit is what changes in a pool; what is nil stays.
type PoolEdit struct {
	Description *string  `json:"description,omitempty"`
	Template    Template `json:"base_job_template,omitempty"`
	Limit       *int     `json:"concurrency_limit,omitempty"`
}

// Worker is a worker's row in a pool.
type Worker struct {
	Name      string    `json:"name"`
	Status    string    `json:"status"` // ONLINE or OFFLINE, by the last heartbeat
	Heartbeat time.Time `json:"last_heartbeat_time"`
}

// ReadPool reads a work pool. The error is ErrNotFound if there is none.
func (c *Client) ReadPool(ctx context.Context, name string) (Pool, error) {
	var p Pool
	err := c.call(ctx, http.MethodGet, "/work_pools/"+url.PathEscape(name), nil, &p)
	return p, doing("read work pool", err)
}

// CreatePool makes a work pool. The error is ErrConflict if the name is taken.
func (c *Client) CreatePool(ctx context.Context, p NewPool) error {
	return doing("create work pool", c.call(ctx, http.MethodPost, "/work_pools/", p, nil))
}

// EditPool changes a work pool.
func (c *Client) EditPool(ctx context.Context, name string, e PoolEdit) error {
	return doing("change work pool", c.call(ctx, http.MethodPatch, "/work_pools/"+url.PathEscape(name), e, nil))
}

// DeletePool removes a work pool, and with it its queues and its workers' rows.
// A pool that is gone already is no error.
func (c *Client) DeletePool(ctx context.Context, name string) error {
	err := c.call(ctx, http.MethodDelete, "/work_pools/"+url.PathEscape(name), nil, nil)
	return doing("delete work pool", gone(err))
}

// workersPage is the most rows that the API returns at once.
const workersPage = 200

// Workers lists a pool's workers, also those that are long gone. The error is
// ErrNotFound if there is no such pool.
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

// DeleteWorker removes a worker's row. One that is gone already is no error.
func (c *Client) DeleteWorker(ctx context.Context, pool, name string) error {
	err := c.call(ctx, http.MethodDelete, "/work_pools/"+url.PathEscape(pool)+"/workers/"+url.PathEscape(name), nil, nil)
	return doing("delete worker", gone(err))
}

// Deployments counts the deployments whose runs go to a pool.
func (c *Client) Deployments(ctx context.Context, pool string) (n int, err error) {
	filter := map[string]any{"work_pools": map[string]any{"name": map[string]any{"any_": []string{pool}}}}
	err = c.call(ctx, http.MethodPost, "/deployments/count", filter, &n)
	return n, doing("count deployments", err)
}

// Version is the version of a server. Prefect Cloud has one of its own.
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
