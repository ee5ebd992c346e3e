package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/flowbed/flowbed/provision/view"
)

// receipt is the file in which a down leaves what it has done. It is opened
// before anything is removed: afterwards it would be too late to find out that
// it cannot be written.
type receipt struct {
	a     *app
	file  *os.File // nil: none is wanted
	began time.Time
	run   *run // nil as long as it is not known where the run acts
}

func (a *app) newReceipt(path string) (*receipt, error) {
	r := &receipt{a: a, began: time.Now()}
	if path == "" {
		return r, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, usage(fmt.Errorf("--receipt: %w", err))
	}
	r.file = f
	return r, nil
}

// write writes the receipt, also of a run that failed.
func (r *receipt) write(err *error) {
	if r.file == nil {
		return
	}
	h := view.Header{Environment: r.a.env, Region: r.a.region, Sandbox: r.a.sandbox}
	removal := view.Removal{Began: r.began, Ended: time.Now(), Err: *err}
	if r.run != nil {
		h, removal.Planned, removal.Left = r.run.s.header, r.run.planned, r.run.left
		if r.run.failed != nil { // as it was told, not as it was marked for the exit code
			removal.Err = r.run.failed
		}
	}
	failed := view.ReceiptJSON(r.a.guarded(r.file), h, removal, view.Options{Hint: r.a.hint})
	if failed = errors.Join(failed, r.file.Close()); failed != nil {
		*err = errors.Join(*err, fmt.Errorf("write the receipt: %w", failed))
	}
}
