package resource

import (
	"context"
	"sync"
)

// atOnce makes independent calls at the same time. Of several errors it returns
// the first in the order of the calls, so that the same fault reads the same
// in every run.
func atOnce(ctx context.Context, calls ...func(context.Context) error) error {
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
