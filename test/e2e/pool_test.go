//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
	"github.com/flowbed/flowbed/test/e2e/venv"
)

// render prints what the ECS worker would register and run for a template and a
// deployment's job variables.
const render = `
import asyncio, copy, json, sys, types, uuid
from prefect_aws.workers.ecs_worker import ECSJobConfiguration, ECSWorker
asked = json.load(sys.stdin)
c = asyncio.run(ECSJobConfiguration.from_template_and_values(asked["template"], asked["variables"] or {}))
w = ECSWorker("pool")
d = w._prepare_task_definition(c, region="us-east-1", flow_run=types.SimpleNamespace(deployment_id=uuid.uuid4(), flow_id=None))
r = w._prepare_task_run_request(c, {**copy.deepcopy(d), "networkMode": "host"}, "arn", False)
print(json.dumps({"definition": d, "request": r}))
`

// rendered holds what a value in the config file may change.
type rendered struct {
	Definition struct {
		CPU        string            `json:"cpu"`
		Memory     string            `json:"memory"`
		Platform   map[string]string `json:"runtimePlatform"`
		Disk       map[string]int    `json:"ephemeralStorage"`
		Containers []struct {
			Image string `json:"image"`
		} `json:"containerDefinitions"`
	} `json:"definition"`
	Request struct {
		LaunchType string `json:"launchType"`
		Strategy   []struct {
			Provider string `json:"capacityProvider"`
		} `json:"capacityProviderStrategy"`
		Overrides struct {
			Containers []struct {
				Environment []map[string]string `json:"environment"`
			} `json:"containerOverrides"`
		} `json:"overrides"`
	} `json:"request"`
}

// TestPoolFlows gives a real server's pool the values of a config file, and takes them
// back. The real worker's code turns the pool into a task.
func TestPoolFlows(t *testing.T) {
	able.Slow(t)
	t.Parallel()
	server := prefectServer(t, prefectserver.Options{Auth: "user:hunter2"})
	api, err := prefect.New(prefect.Config{URL: server.API, AuthString: server.Auth})
	if err != nil {
		t.Fatal(err)
	}
	d := prefect.Defaults{
		Kind: prefect.Worker3, ClusterARN: "arn:cluster", TaskRole: "arn:task", ExecutionRole: "arn:execution", VPC: "vpc-1",
		Subnets: []string{"subnet-1"}, Groups: []string{"sg-1"}, LogGroup: "/flowbed/dev", Region: "us-east-1",
		DefaultImage: "prefecthq/prefect:3.9.1-python3.12",
	}
	err = api.CreatePool(t.Context(), prefect.NewPool{Name: pool, Type: "ecs", Template: prefect.Merge(nil, d.Base(), d.Entries(nil))})
	if err != nil {
		t.Fatal(err)
	}
	plain := poolTemplate(t, api)
	wantTask(t, server, plain, nil, "1024 2048 prefecthq/prefect:3.9.1-python3.12 map[] map[] FARGATE [] []")

	d.Flows = prefect.Flows{
		Image: "team/flows:1", CPU: 512, Memory: 4096, EphemeralStorageGiB: 50, Architecture: "ARM64",
		Spot: new(true), Env: map[string]string{"A": "1"},
	}
	apply(t, api, d)
	full := poolTemplate(t, api)
	const arm, x86 = "map[cpuArchitecture:ARM64 operatingSystemFamily:LINUX]", "map[cpuArchitecture:X86_64 operatingSystemFamily:LINUX]"
	wantTask(t, server, full, nil, "512 4096 team/flows:1 "+arm+" map[sizeInGiB:50]  [{FARGATE_SPOT}] [map[name:A value:1]]")
	overrides := map[string]any{"cpu_architecture": "X86_64", "ephemeral_storage_gib": 30, "launch_type": "FARGATE", "env": map[string]any{"A": nil}}
	wantTask(t, server, full, overrides, "512 4096 team/flows:1 "+x86+" map[sizeInGiB:30] FARGATE [] []")

	for what, want := range map[string]int{
		`{"cpu_architecture": "X86_64", "ephemeral_storage_gib": 21}`: http.StatusCreated,
		`{"cpu_architecture": "mips"}`:                                http.StatusUnprocessableEntity,
		`{"ephemeral_storage_gib": 201}`:                              http.StatusUnprocessableEntity,
	} {
		if got := deploy(t, server, what); got != want {
			t.Errorf("a deployment with %s has status %d, want %d", what, got, want)
		}
	}

	d.Flows = prefect.Flows{}
	apply(t, api, d)
	if diff := cmp.Diff(plain, poolTemplate(t, api)); diff != "" {
		t.Errorf("what stays of the values (-before +after):\n%s", diff)
	}
}

func poolTemplate(t *testing.T, api *prefect.Client) prefect.Template {
	t.Helper()
	p, err := api.ReadPool(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return p.Template
}

// apply writes the defaults into the pool, once. Then nothing must differ.
func apply(t *testing.T, api *prefect.Client, d prefect.Defaults) {
	t.Helper()
	have := poolTemplate(t, api)
	err := api.EditPool(t.Context(), pool, prefect.PoolEdit{Template: prefect.Merge(have, d.Base(), d.Entries(have))})
	if err != nil {
		t.Fatal(err)
	}
	have = poolTemplate(t, api)
	for _, e := range d.Entries(have) {
		if was, differs := e.Differs(have); differs {
			t.Errorf("%s is still %v", e.Name, was)
		}
	}
}

// deploy creates a deployment with job variables, and returns the status.
func deploy(t *testing.T, s *prefectserver.Server, variables string) int {
	t.Helper()
	var flow struct {
		ID string `json:"id"`
	}
	_, answer, err := s.Call(t.Context(), http.MethodPost, "/flows/", map[string]any{"name": "hello"})
	if err == nil {
		err = json.Unmarshal(answer, &flow)
	}
	if err != nil {
		t.Fatal(err)
	}
	status, _, err := s.Call(t.Context(), http.MethodPost, "/deployments/", map[string]any{
		"name": "hello", "flow_id": flow.ID, "work_pool_name": pool, "job_variables": json.RawMessage(variables),
	})
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// wantTask checks the task that the worker makes from a template.
func wantTask(t *testing.T, s *prefectserver.Server, template prefect.Template, variables map[string]any, want string) {
	t.Helper()
	dir, err := venv.Prefect()
	if err != nil {
		t.Fatal(err)
	}
	asked, err := json.Marshal(map[string]any{"template": template, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "bin", "python"), "-c", render)
	cmd.Dir = t.TempDir()
	cmd.Env = append(prefectserver.Environ(cmd.Dir), "PREFECT_API_URL="+s.API, "PREFECT_API_AUTH_STRING="+s.Auth, "AWS_DEFAULT_REGION=us-east-1")
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(asked), &said
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("render the task: %v:\n%s", err, said.Bytes())
	}
	var r rendered
	if err := json.Unmarshal(raw, &r); err != nil || len(r.Definition.Containers) != 1 || len(r.Request.Overrides.Containers) != 1 {
		t.Fatalf("the task: %v: %s", err, raw)
	}
	d := r.Definition
	have := fmt.Sprint(d.CPU, " ", d.Memory, " ", d.Containers[0].Image, " ", d.Platform, " ", d.Disk, " ",
		r.Request.LaunchType, " ", r.Request.Strategy, " ", r.Request.Overrides.Containers[0].Environment)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the task (-want +have):\n%s\n%s", diff, raw)
	}
}
