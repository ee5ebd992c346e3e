package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flowbed/flowbed/provision/view"
)

// receipt is the file with the result of a down. Down checks that it can be written
// before it deletes anything: later it would be too late to find out.
type receipt struct {
	a     *app
	file  *output // nil without --receipt
	began time.Time
	run   *run // nil until the account is known
}

// newReceipt is called after the config file was read: the path may be that of a file
// that down reads.
func (a *app) newReceipt(path string) (*receipt, error) {
	r := &receipt{a: a, began: time.Now()}
	if path == "" {
		return r, nil
	}
	var err error
	if r.file, err = newOutput(path, slices.Concat(a.reads, []string{sandboxFile})); err != nil {
		return nil, usage(fmt.Errorf("--receipt: %w", err))
	}
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
	var b bytes.Buffer
	failed := view.ReceiptJSON(r.a.guarded(&b), h, result, view.Options{Hint: r.a.hint})
	if failed == nil {
		failed = r.file.write(b.Bytes())
	}
	if failed != nil {
		*err = errors.Join(*err, fmt.Errorf("write the receipt %s: %w", r.file.path, failed))
	}
}
