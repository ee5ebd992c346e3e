package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/view"
)

// pageFile is the file with the report of an up, for people. Up checks that it can be
// written before it changes anything.
type pageFile struct {
	a     *app
	file  *output // nil without --report
	began time.Time
	run   *run // nil until the account is known

	mu     sync.Mutex
	events []provision.Event
}

// newPageFile is called after the config file was read: the path may be that of a file that
// up reads.
func (a *app) newPageFile(path string) (*pageFile, error) {
	p := &pageFile{a: a, began: time.Now()}
	if path == "" {
		return p, nil
	}
	var err error
	if p.file, err = newOutput(path, slices.Concat(a.reads, []string{sandboxFile})); err != nil {
		return nil, usage(fmt.Errorf("--report: %w", err))
	}
	return p, nil
}

// listen records what a run does from now on.
func (p *pageFile) listen(r *run) {
	p.run = r
	if p.file == nil {
		return
	}
	next := r.s.Graph.Notify
	r.s.Graph.Notify = func(e provision.Event) {
		p.mu.Lock()
		p.events = append(p.events, e)
		p.mu.Unlock()
		next(e)
	}
}

// write writes the report, even if the run failed.
func (p *pageFile) write(err *error) {
	if p.file == nil {
		return
	}
	o := view.Options{Verb: "up", Hint: p.a.hint,
		Header: view.Header{Environment: p.a.env, Region: p.a.region, Sandbox: p.a.sandbox}}
	page := view.Run{Began: p.began, Ended: time.Now(), Build: built, Outcome: view.Outcome{Err: *err}}
	if r := p.run; r != nil {
		o.Header, o.Cost = r.s.header, r.s.cost("up")
		page.Planned, page.Outcome = r.planned, r.outcome(*err)
		if r.s.env.Prefect != nil {
			page.Prefect = r.s.env.Prefect.Version
		}
	}
	p.mu.Lock()
	page.Events = p.events
	p.mu.Unlock()
	var b bytes.Buffer
	failed := view.ReportHTML(p.a.guarded(&b), page, o)
	if failed == nil {
		failed = p.file.write(b.Bytes())
	}
	if failed != nil {
		*err = errors.Join(*err, fmt.Errorf("write the report %s: %w", p.file.path, failed))
	} else if p.file.stream == nil {
		p.a.note("The report is in %s.", p.file.path)
	}
}
