package resource

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/flowbed/flowbed/provision/crash"
)

// parallel makes independent calls in parallel and waits for all of them. If several fail,
// it returns the first error in the order of the calls, so that the same failure always
// gives the same message.
func parallel(ctx context.Context, calls ...func(context.Context) error) error {
	errs := make([]error, len(calls))
	var wg crash.Group
	for i, call := range calls {
		wg.Go(func() { errs[i] = call(ctx) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

const maxReads = 8 // how many calls of one search run in parallel

// forEach calls read for each of n things, a few of them in parallel. After the first error
// it starts no more, and returns it.
func forEach(ctx context.Context, n int, read func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxReads)
	for i := range n {
		g.Go(func() error {
			return crash.Do(func() error { return read(ctx, i) })
		})
	}
	return g.Wait()
}
