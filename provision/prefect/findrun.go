package prefect

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
)

var runID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// FindRun returns the run of a pool with a name or an id: of several with the name, the one that
// should have started last. The error is ErrNotFound if there is none.
func (c *Client) FindRun(ctx context.Context, pool, name string) (Run, error) {
	if runID.MatchString(name) {
		return c.ReadRun(ctx, name)
	}
	var page []Run
	err := c.call(ctx, http.MethodPost, "/flow_runs/filter", map[string]any{
		"work_pools": map[string]any{"name": map[string]any{"any_": []string{pool}}},
		"flow_runs":  map[string]any{"name": map[string]any{"any_": []string{name}}},
		"sort":       "EXPECTED_START_TIME_DESC", "limit": 1,
	}, &page)
	if err == nil && len(page) == 0 {
		err = fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return Run{}, doing("find flow run", err)
	}
	return page[0], nil
}
