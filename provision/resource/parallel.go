package resource

import (
	"context"
	"sync"
)

// parallel makes independent calls in parallel and waits for all of them. If several fail,
// it returns the first error in the order of the calls, so that the same failure always
// gives the same message.
func parallel(ctx context.Context, calls ...func(context.Context) error) error {
	errs := make([]error, len(calls))
	var wg sync.WaitGroup
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
