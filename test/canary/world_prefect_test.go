package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// prefect is the sandbox's Prefect with the worker's observer, which the sandbox lacks.
func (w *world) prefect() http.RoundTripper { return observer{w, sandbox.Prefect(w.Account)} }

type observer struct {
	world *world
	api   http.RoundTripper
}

// RoundTrip lets a run crash if its task was stopped 5 seconds ago, before anybody reads it.
func (o observer) RoundTrip(r *http.Request) (*http.Response, error) {
	if folder, id := path.Split(r.URL.Path); r.Method == http.MethodGet && strings.HasSuffix(folder, "/flow_runs/") && !o.world.Deaf {
		if err := o.observe(r, id); err != nil {
			return nil, err
		}
	}
	return o.api.RoundTrip(r)
}

func (o observer) observe(r *http.Request, id string) error {
	reply, err := o.api.RoundTrip(r.Clone(r.Context()))
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return err
	}
	var run prefect.Run
	if err := json.Unmarshal(text, &run); err != nil {
		return err
	}
	_, task := run.Task()
	o.world.mu.Lock()
	at, ended := o.world.stopped[task]
	o.world.mu.Unlock()
	if !ended || run.State.Final() || time.Since(at) < 5*time.Second {
		return nil
	}
	crash := r.Clone(r.Context())
	crash.Method, crash.URL = http.MethodPost, r.URL.JoinPath("set_state")
	crash.Header.Set("Content-Type", "application/json")
	body := []byte(`{"state":{"type":"CRASHED","name":"Crashed","message":"Task stopped by user"}}`)
	crash.Body, crash.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	reply, err = o.api.RoundTrip(crash)
	if err != nil {
		return err
	}
	return reply.Body.Close()
}
