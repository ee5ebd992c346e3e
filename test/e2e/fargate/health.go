//go:build linux

package fargate

import (
	"context"
	"time"
)

// These are the times between health checks, before the first success and after it. ECS waits
// for the interval in the definition, which would take most of a test's time.
const (
	soon  = 2 * time.Second
	later = 10 * time.Second
)

// check makes the health checks of the container, until ctx ends. In the start period,
// failures do not count, and the period lasts until the first success.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html
func (t *task) check(ctx context.Context, c *container) {
	h := t.only().Health
	if h == nil || len(h.Command) < 2 {
		return
	}
	args := h.Command[1:]
	if h.Command[0] == "CMD-SHELL" {
		args = []string{"/bin/sh", "-c", h.Command[1]}
	}
	failed, was, pause := 0, false, soon
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		attempt, cancel := context.WithTimeout(ctx, max(time.Minute, time.Duration(h.Timeout)*time.Second))
		_, err := c.run(attempt, args...)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failed, was, pause = 0, true, later
			t.becomesHealthy("HEALTHY")
		case was:
			if failed++; failed >= max(h.Retries, 1) {
				t.becomesHealthy("UNHEALTHY")
			}
		}
	}
}

func (t *task) becomesHealthy(status string) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.healthy = status
}
