//go:build linux

package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/hypervisor"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
)

// worker is an environment with a worker that reports to a real server.
type worker struct {
	session
	server  *prefectserver.Server
	name    string // of the worker
	machine *hypervisor.Machine
}

const pool = "flowbed-dev"

// bootTimeout is how long up may wait for an agent on a booting machine. The default is
// enough for EC2, but not for a busy test machine.
const bootTimeout = "2h"

// TestWorker goes through the life of an environment: up, a flow run, drift of the work
// pool, and down.
func TestWorker(t *testing.T) {
	needMachine(t)
	t.Parallel()
	server := prefectServer(t, prefectserver.Options{Auth: `us er:hunter2$a"s\s`, CSRF: true})
	config := strings.Replace(withWorker(t, server), "agent { work_queues = [\"etl\"] }", agentOptions, 1)
	w := worker{session: newSession(t, config, "hunter2"), server: server}
	before := inventory(t, w.front)
	w.up()
	wantOptions(t, w.machine)
	w.run(0, "plan", "--detailed-exitcode")
	deployment := w.flow()
	w.dieEarly(deployment)
	// Prefect stops the task of a canceled run only if it has not ended minutes later, and
	// the observer extends its hold of a message that takes it minutes. The test does not
	// wait for either.
	w.wantRights("ecs:StopTask", "sqs:ChangeMessageVisibility")
	w.drift()
	w.down(deployment)
	if diff := cmp.Diff(before, inventory(t, w.front)); diff != "" {
		t.Errorf("the account has changed (-before up +after down):\n%s", diff)
	}
}

// up runs up, and boots the machine that it launches.
func (w *worker) up() {
	w.Helper()
	up := w.start("up", "--yes", "--timeout", bootTimeout)
	id, userData := launched(w.T, up)
	w.name = "dev-" + id
	if list := w.workers(); len(list) > 0 {
		w.Fatalf("before the machine boots: have workers %v, want none", list)
	}
	w.machine = bootFrom(w.T, withProbe(w.T), id, userData, w.front, w.server)
	if !up.runs() {
		w.Error("up ended before the worker reported")
	}
	results, progress := up.wait(0)
	if list := w.workers(); len(list) != 1 || list[0].Name != w.name || list[0].Status != "ONLINE" {
		w.Errorf("after up: have workers %v, want one online:\n%s%s", list, results, progress)
	}
}

func (w *worker) workers() []prefectserver.Worker {
	w.Helper()
	list, err := w.server.Workers(w.Context(), pool)
	if err != nil {
		w.Fatal(err)
	}
	return list
}

// call makes a call to the server that must succeed.
func (w *worker) call(method, path string, in, out any) {
	w.Helper()
	status, answer, err := w.server.Call(w.Context(), method, path, in)
	if err != nil || status > 299 {
		w.Fatalf("%s %s: %d, %v: %s", method, path, status, err, answer)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		w.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
}

// drift changes our settings in the work pool's template, and adds others.
func (w *worker) drift() {
	w.Helper()
	var p struct {
		Template map[string]any `json:"base_job_template"`
	}
	read := func() (properties map[string]any) {
		w.Helper()
		p.Template = nil
		w.call("GET", "/work_pools/"+pool, nil, &p)
		return p.Template["variables"].(map[string]any)["properties"].(map[string]any)
	}
	properties := read()
	network := properties["network_configuration"].(map[string]any)["default"].(map[string]any)
	groups := network["securityGroups"]
	network["securityGroups"] = []string{"sg-0123456789abcdef0"}
	network["theirs"] = "kept"
	properties["cpu"].(map[string]any)["default"] = 512
	properties["image"].(map[string]any)["default"] = "team/flows:1"
	properties["env"].(map[string]any)["default"] = map[string]any{"EXTRA_PIP_PACKAGES": "pandas"}
	properties["their_variable"] = map[string]any{"type": "string", "default": "kept"}
	w.call("PATCH", "/work_pools/"+pool, map[string]any{"base_job_template": p.Template, "description": "theirs"}, nil)

	plan := w.run(2, "plan", "--detailed-exitcode")
	if !strings.Contains(plan, "network_configuration.securityGroups") || !strings.Contains(plan, "sg-0123456789abcdef0") {
		w.Errorf("the plan does not show the drift:\n%s", plan)
	}
	if strings.Contains(plan, "team/flows:1") || strings.Contains(plan, "pandas") {
		w.Errorf("the plan changes what somebody set in Prefect:\n%s", plan)
	}
	w.run(0, "up", "--yes")
	w.run(0, "plan", "--detailed-exitcode")
	properties = read()
	network = properties["network_configuration"].(map[string]any)["default"].(map[string]any)
	have := []any{network["securityGroups"], network["theirs"]}
	for _, name := range []string{"cpu", "image", "env", "their_variable"} {
		have = append(have, properties[name].(map[string]any)["default"])
	}
	want := []any{groups, "kept", 512.0, "team/flows:1", map[string]any{"EXTRA_PIP_PACKAGES": "pandas", "TEAM": "data"}, "kept"}
	if diff := cmp.Diff(want, have); diff != "" {
		w.Errorf("the template after up (-want +have):\n%s", diff)
	}
}

// down removes the environment and its running task. It removes the work pool only if the
// pool has no deployment.
func (w *worker) down(deployment string) {
	w.Helper()
	out, progress := w.start("down", "--yes").wait(0)
	for what, want := range map[string]string{
		"that a task is stopped": "1 running task of this environment will be stopped", "why the work pool stays": "1 deployment",
	} {
		if said := out + progress; !strings.Contains(said, want) {
			w.Errorf("down does not say %s:\n%s", what, said)
		}
	}
	w.call("GET", "/work_pools/"+pool, nil, nil)
	if list := w.workers(); len(list) > 0 {
		w.Errorf("after down: have workers %v, want none", list)
	}
	w.call("DELETE", "/deployments/"+deployment, nil, nil)
	w.run(0, "down", "--yes")
	if status, _, err := w.server.Call(w.Context(), "GET", "/work_pools/"+pool, nil); err != nil || status != 404 {
		w.Errorf("read the work pool after down: have status %d, %v, want 404", status, err)
	}
}
