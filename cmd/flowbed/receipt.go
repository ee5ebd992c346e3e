package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/flowbed/flowbed/provision/view"
)

// receipt is the file with the result of a down. It is opened before down deletes
// anything: later it would be too late to find out that it cannot be written.
type receipt struct {
	a     *app
	file  *os.File // nil without --receipt
	began time.Time
	run   *run // nil until the account is known
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

// write writes the receipt, even if the run failed.
func (r *receipt) write(err *error) {
	if r.file == nil {
		return
	}
	h := view.Header{Environment: r.a.env, Region: r.a.region, Sandbox: r.a.sandbox}
	result := view.DownResult{Began: r.began, Ended: time.Now(), Err: *err}
	if r.run != nil {
		h, result.Planned, result.Left = r.run.s.header, r.run.planned, r.run.left
	}
	failed := view.ReceiptJSON(r.a.guarded(r.file), h, result, view.Options{Hint: r.a.hint})
	if failed = errors.Join(failed, r.file.Close()); failed != nil {
		*err = errors.Join(*err, fmt.Errorf("write the receipt: %w", failed))
	}
}
