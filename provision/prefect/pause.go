package prefect

import "context"

// pauseKey is the key in a template that tells that flowbed has paused the pool. Prefect
// stores it unchanged, as it does with the mark.
const pauseKey = "x-flowbed-paused"

var pausePath = []any{"variables", pauseKey}

// PausedByUs reports whether flowbed has paused the pool. Somebody may have resumed it since.
func (t Template) PausedByUs() bool {
	v, _ := lookup(map[string]any(t), pausePath)
	return v == true
}

// Pause pauses a pool, and notes in its template that flowbed did, in one call. A pool that
// is paused already stays as it is: somebody else has paused it.
func (c *Client) Pause(ctx context.Context, name string) error {
	have, err := c.ReadPool(ctx, name)
	if err != nil || have.Paused {
		return err
	}
	if len(have.Template) > 0 {
		put(map[string]any(have.Template), pausePath, true)
	}
	return c.EditPool(ctx, name, PoolEdit{Template: have.Template, Paused: new(true)})
}

// Resume removes the note that flowbed has paused a pool, and resumes the pool. Without the
// note it changes nothing.
func (c *Client) Resume(ctx context.Context, name string) error {
	have, err := c.ReadPool(ctx, name)
	if err != nil || !have.Template.PausedByUs() {
		return err
	}
	if v, ok := have.Template["variables"].(map[string]any); ok {
		delete(v, pauseKey)
	}
	return c.EditPool(ctx, name, PoolEdit{Template: have.Template, Paused: new(false)})
}
