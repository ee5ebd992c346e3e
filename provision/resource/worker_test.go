package resource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
)

// nowhere is a network in which no server replies.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

const row = "dev-i-0123456789abcdef0"

// workerGraph is the pool's and the worker's graph: the agent is known.
func (f *flows) workerGraph(t *testing.T) *provision.Graph {
	t.Helper()
	g := f.graph(t)
	api, err := prefect.New(f.config)
	if err != nil {
		t.Fatal(err)
	}
	provision.Add(g, "worker", provision.Own, resource.Worker{
		API: api, ID: f.id, Pool: poolName, Agent: provision.Known(f.agent), Wait: 10 * time.Minute, Destroy: f.destroy,
	})
	return g
}

// TestWorkerArrives lets the instance start its worker after 3 minutes: up ends
// then, and neither before nor much later.
func TestWorkerArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlows()
		begun := time.Now()
		go func() {
			time.Sleep(3 * time.Minute)
			f.server.Heartbeat(poolName, row, time.Now(), true)
		}()
		if err := f.workerGraph(t).Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 3*time.Minute || took > 3*time.Minute+10*time.Second {
			t.Errorf("up took %s", took)
		}
		p, err := f.workerGraph(t).Plan(t.Context())
		if err != nil || !p.Empty() {
			t.Errorf("plan after up: %v %+v", err, p)
		}
	})
}

// TestWorkerDoesNotArrive takes for the worker neither the row of another
// environment, nor one of before the launch, nor an offline one.
func TestWorkerDoesNotArrive(t *testing.T) {
	for name, beat := range map[string]func(*flows){
		"nobody":  func(*flows) {},
		"another": func(f *flows) { f.server.Heartbeat(poolName, "prod-i-0123456789abcdef0", time.Now(), true) },
		"before":  func(f *flows) { f.server.Heartbeat(poolName, row, f.agent.Launched.Add(-time.Hour), true) },
		"offline": func(f *flows) { f.server.Heartbeat(poolName, row, time.Now(), false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlows()
				f.agent.Launched = time.Now()
				f.up(t)
				beat(f)
				begun := time.Now()
				err := f.workerGraph(t).Up(t.Context())
				if err == nil || !strings.Contains(err.Error(), "timed out after 10m0s, waiting for worker "+row+" online") {
					t.Errorf("%v", err)
				}
				if took := time.Since(begun); took < 10*time.Minute || took > 11*time.Minute {
					t.Errorf("up took %s", took)
				}
			})
		})
	}
}

func TestWorkerWithoutInstance(t *testing.T) {
	f := newFlows()
	f.up(t)
	api, err := prefect.New(f.config)
	if err != nil {
		t.Fatal(err)
	}
	w := resource.Worker{API: api, ID: f.id, Pool: poolName}
	if _, err := w.Read(t.Context()); !errors.Is(err, provision.ErrAbsent) {
		t.Errorf("%v", err)
	}
	if c := w.Changes(resource.WorkerState{}); len(c) != 1 || c[0].To.Known() {
		t.Errorf("%+v", c)
	}
}

// TestWorkerStale removes the rows of instances that are gone, and no others.
func TestWorkerStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlows()
		f.up(t)
		now := time.Now()
		f.server.Heartbeat(poolName, "dev-i-0000000000000000a", now.Add(-time.Hour), false)
		f.server.Heartbeat(poolName, "dev-i-0000000000000000b", now, true) // has just ended
		f.server.Heartbeat(poolName, "dev-i-i-0000000000000000c", now.Add(-time.Hour), false)
		f.server.Heartbeat(poolName, "somebody", now.Add(-time.Hour), false)
		f.server.Heartbeat(poolName, row, now, true)
		if err := f.workerGraph(t).Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := "dev-i-0000000000000000b dev-i-i-0000000000000000c somebody " + row
		if got := strings.Join(f.server.Workers(poolName), " "); got != want {
			t.Errorf("left: %s", got)
		}
	})
}

func TestWorkerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlows()
		f.up(t)
		f.server.Heartbeat(poolName, row, time.Now(), true)
		f.server.Heartbeat(poolName, "dev-i-0000000000000000a", time.Now(), false)
		f.server.Heartbeat(poolName, "somebody", time.Now(), true)
		f.server.Deploy(poolName, 1) // the pool stays
		f.destroy = true
		if _, err := f.workerGraph(t).Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := f.server.Workers(poolName); len(got) != 1 || got[0] != "somebody" {
			t.Errorf("left: %v", got)
		}
		f.config.Transport = nowhere{}
		if left, err := f.workerGraph(t).Down(t.Context()); err != nil || !left.Empty() {
			t.Errorf("down without an API: %v %+v", err, left)
		}
	})
}

// server1 is a Server of Prefect 1 with agents by their ids.
type server1 map[string]prefect.Agent

func (s server1) RoundTrip(r *http.Request) (*http.Response, error) {
	var in struct {
		Query     string
		Variables struct {
			Input struct {
				AgentID string `json:"agent_id"`
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	var data any = map[string]any{"delete_agent": map[string]any{"success": true}}
	if strings.HasPrefix(in.Query, "query") {
		data = map[string]any{"agent": slices.Collect(maps.Values(s))}
	} else {
		delete(s, in.Variables.Input.AgentID)
	}
	raw, err := json.Marshal(map[string]any{"data": data})
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(raw)), Request: r}, err
}

// TestWorkerVersion1 waits for an agent of Prefect 1, which has one row for each
// version that it ever had, and removes the rows.
func TestWorkerVersion1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlows()
		f.agent.Launched = time.Now()
		server := server1{
			"a-0": {ID: "a-0", Name: "theirs", Queried: time.Now()},
			"a-1": {ID: "a-1", Name: row, Version: "1.4.0", Queried: time.Now().Add(-time.Hour)},
			"a-2": {ID: "a-2", Name: row, Version: "1.4.1", Queried: time.Now().Add(2 * time.Minute)}, // as if it came then
		}
		api, err := prefect.New(prefect.Config{URL: "http://server.test:4200", Transport: server})
		if err != nil {
			t.Fatal(err)
		}
		w := resource.Worker{API: api, ID: f.id, Agent: provision.Known(f.agent), Version1: true}
		s, err := w.Read(t.Context())
		if err != nil || s.Status != "online" || len(w.Changes(s)) != 0 {
			t.Errorf("%+v, %v", s, err)
		}
		time.Sleep(10 * time.Minute)
		if s, err = w.Read(t.Context()); err != nil || s.Status != "offline" {
			t.Errorf("%+v, %v", s, err)
		}
		w.Destroy = true
		if s, err = w.Read(t.Context()); err != nil || len(s.Stale) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		if err := w.Delete(t.Context(), s); err != nil || len(server) != 1 {
			t.Errorf("%v, %v", err, server)
		}
	})
}

// explained returns what a worker's Explain says; latest reports whether the console has a
// latest output.
func explained(latest bool, console string, systems systemsAPI) string {
	w := resource.Worker{EC2: newConsole(latest, console), SSM: systems.client(), ID: newFlows().id}
	return w.Explain(context.Background(), resource.WorkerState{Instance: "i-1"})
}

// TestWorkerExplains takes the logs on the instance, or else the console, says which of the
// two it is, and why it is not the other.
func TestWorkerExplains(t *testing.T) {
	const console = "[    0.0] Linux version\r\n[   20.1] cloud-init[9]: FLOWBED: step: python\r\nFLOWBED: step: python\r\n" +
		"FLOWBED: FAILED: the agent ended (exit-code 1)\r\nFLOWBED: | \x1b[31m401 Unauthorized\x1b[0m\r\n[  99.9] login:\r\n"
	const ofConsole = "the console of i-1 says:\nstep: python\nFAILED: the agent ended (exit-code 1)\n| 401 Unauthorized\ncannot read the logs on i-1: "
	const logs = "noise\nFLOWBED: step: prefect\nFLOWBED: agent: 401 Unauthorized\n"
	const ofLogs = "the logs on i-1, over Systems Manager, say:\nstep: prefect\nagent: 401 Unauthorized"
	for name, c := range map[string]struct {
		latest  bool
		console string
		systems systemsAPI
		want    string
	}{
		"both":            {true, console, systemsAPI{online: true, output: logs}, ofLogs},
		"no console":      {false, "", systemsAPI{online: true, output: logs}, ofLogs},
		"not registered":  {true, console, systemsAPI{}, ofConsole + "i-1 is not managed by Systems Manager"},
		"no latest":       {false, console, systemsAPI{}, ofConsole + "i-1 is not managed by Systems Manager"},
		"denied":          {true, console, systemsAPI{denied: "DescribeInstanceInformation"}, ofConsole + "read Systems Manager status of i-1"},
		"sending denied":  {true, console, systemsAPI{online: true, denied: "SendCommand"}, ofConsole + "send command to i-1"},
		"unmarked":        {true, "one\ntwo\n", systemsAPI{}, "the console of i-1 says:\none\ntwo\ncannot"},
		"unmarked logs":   {true, console, systemsAPI{online: true, output: "one\ntwo"}, "the logs on i-1, over Systems Manager, say:\none\ntwo"},
		"nothing":         {true, "", systemsAPI{}, "the console of i-1 is empty"},
		"nothing in logs": {true, console, systemsAPI{online: true}, ofConsole + "they are empty"},
	} {
		if have := explained(c.latest, c.console, c.systems); !strings.HasPrefix(have, c.want) || strings.Contains(have, "RequestID") {
			t.Errorf("%s: have %q, want %q", name, have, c.want)
		}
	}
	if have := (resource.Worker{}).Explain(context.Background(), resource.WorkerState{}); have != "" {
		t.Errorf("have %q", have)
	}
}

// TestWorkerExplainsInTime waits for a Systems Manager that does not reply, and not for long.
func TestWorkerExplainsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		have := explained(true, "FLOWBED: step: python\n", systemsAPI{silent: true})
		want := "the console of i-1 says:\nstep: python\ncannot read the logs on i-1: no answer for 30s"
		if took := time.Since(begun); have != want || took > 31*time.Second {
			t.Errorf("have %q after %s, want %q", have, took, want)
		}
	})
}

// TestLogsWithoutSecrets has a secret of each form in each log.
func TestLogsWithoutSecrets(t *testing.T) {
	const secret = "hunter2"
	lines := ""
	for _, form := range []string{
		"Looking in indexes: https://deploy:" + secret + "@pip.example.com/simple",
		"key pnu_" + secret + " is not valid", "key pnb_" + secret,
		"Authorization: Bearer " + secret + "0123", "authorization: basic " + secret + "0123==",
	} {
		lines += "FLOWBED: " + form + "\n"
	}
	var scripts []string
	systems := systemsAPI{online: true, output: lines, sent: &scripts}
	shell := resource.Shell{API: systems.client(), Instance: "i-1"}
	setup, err := shell.SetupLog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	agent, err := shell.AgentLog(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for name, have := range map[string]string{
		"console": explained(true, lines, systemsAPI{}), "cause": explained(true, "", systems), "setup": setup, "agent": agent,
	} {
		if strings.Contains(have, secret) || strings.Count(have, "***") != 5 {
			t.Errorf("%s: have %q", name, have)
		}
	}
	// What a script prints stays in the account for 30 days, so the scripts themselves leave
	// it out. Each ends with the same filter.
	for _, s := range scripts {
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", "-c", s).CombinedOutput(); err != nil {
			t.Errorf("%s: %v, %s", s, err, out)
		}
		filter := s[max(0, strings.LastIndex(s, "| sed -E ")):]
		out, err := exec.CommandContext(t.Context(), "bash", "-c", "printf '%s' "+`"$1" `+filter, "bash", lines).Output()
		if err != nil || strings.Count(string(out), secret) != 2 { // without the headers, which only flowbed's own filter knows
			t.Errorf("%s: have %q, %v", s, out, err)
		}
	}
	if len(scripts) != 3 {
		t.Errorf("have the scripts %q", scripts)
	}
}
