package provision

import (
	"context"

	"github.com/flowbed/flowbed/provision/crash"
)

// detail calls Detail for the steps whose objects differ, once for each reading.
func (g *Graph) detail(ctx context.Context) error {
	var wg crash.Group
	more := make([]func(), len(g.steps))
	for i, s := range g.steps {
		l := s.last()
		if s.detail == nil || l.detailed || l.err != nil || !l.found || s.own == Prune || s.own == External || len(s.changes(l.have)) == 0 {
			continue
		}
		wg.Go(func() {
			have := s.detail(ctx, l.have)
			more[i] = func() { l.have, l.detailed = have, true }
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, set := range more { // only now: the steps look at each other's states
		if set != nil {
			set()
		}
	}
	return nil
}
