//go:build linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// definition holds the checked part of a RegisterTaskDefinition call.
type definition struct {
	Family        string `json:"family"`
	ExecutionRole string `json:"executionRoleArn"`
	NetworkMode   string `json:"networkMode"`
	Memory        string `json:"memory"`
	Disk          struct {
		GiB int `json:"sizeInGiB"`
	} `json:"ephemeralStorage"`
	Platform struct {
		Architecture string `json:"cpuArchitecture"`
		System       string `json:"operatingSystemFamily"`
	} `json:"runtimePlatform"`
	Containers []struct {
		Image   string              `json:"image"`
		Secrets []map[string]string `json:"secrets"`
		Log     struct {
			Driver  string            `json:"logDriver"`
			Options map[string]string `json:"options"`
		} `json:"logConfiguration"`
	} `json:"containerDefinitions"`
	Tags []any `json:"tags"`
}

// task holds the checked part of a RunTask call.
type task struct {
	Cluster    string `json:"cluster"`
	LaunchType string `json:"launchType"`
	Definition string `json:"taskDefinition"`
	Network    struct {
		VPC struct {
			Subnets  []string `json:"subnets"`
			Groups   []string `json:"securityGroups"`
			PublicIP string   `json:"assignPublicIp"`
		} `json:"awsvpcConfiguration"`
	} `json:"networkConfiguration"`
	Overrides struct {
		TaskRole   string `json:"taskRoleArn"`
		Containers []struct {
			Env []map[string]string `json:"environment"`
		} `json:"containerOverrides"`
	} `json:"overrides"`
	Tags      []any  `json:"tags"`
	Propagate string `json:"propagateTags"`
}

// flow lets the worker run a deployment's flow, up to the task that ECS would start. It
// returns the deployment's id.
func (w *worker) flow() string {
	w.Helper()
	var flow, deployment struct {
		ID string `json:"id"`
	}
	w.call("POST", "/flows/", map[string]any{"name": "hello"}, &flow)
	w.call("POST", "/deployments/", map[string]any{
		"name": "hello", "flow_id": flow.ID, "work_pool_name": pool, "work_queue_name": "etl", "entrypoint": "hello.py:hello", "path": "/flows",
	}, &deployment)
	w.call("POST", "/deployments/"+deployment.ID+"/create_flow_run", map[string]any{"state": map[string]any{"type": "SCHEDULED"}}, nil)

	var ran moto.Call
	eventually(w.T, "the worker runs a task", func() bool {
		list := w.made("ecs.RunTask")
		if len(list) > 0 {
			ran = list[0]
		}
		return len(list) > 0
	})
	registered := w.made("ecs.RegisterTaskDefinition")
	if len(registered) != 1 || registered[0].Status != 200 || ran.Status != 200 {
		w.Fatalf("the worker registered %d task definitions, and RunTask returned status %d", len(registered), ran.Status)
	}
	w.wantDefinition(registered[0], deployment.ID)
	w.wantTask(ran)
	for _, c := range append(registered, ran) {
		if clear := []byte(base64.StdEncoding.EncodeToString([]byte(w.server.Auth))); bytes.Contains(c.Body, []byte(w.secret)) || bytes.Contains(c.Body, clear) {
			w.Errorf("%s contains the secret:\n%s", c.Operation, c.Body)
		}
	}
	return deployment.ID
}

func (w *worker) wantDefinition(c moto.Call, deployment string) {
	w.Helper()
	var d definition
	if err := json.Unmarshal(c.Body, &d); err != nil || len(d.Containers) != 1 {
		w.Fatalf("the task definition: %v: %s", err, c.Body)
	}
	one := d.Containers[0]
	have := []string{d.Family, d.ExecutionRole, d.NetworkMode, one.Image, fmt.Sprint(one.Secrets), one.Log.Driver,
		one.Log.Options["awslogs-group"], one.Log.Options["awslogs-region"], one.Log.Options["awslogs-create-group"],
		d.Memory, fmt.Sprint(d.Disk.GiB), d.Platform.Architecture, d.Platform.System}
	account := w.front.Account
	want := []string{"prefect_" + pool + "_" + deployment, "arn:aws:iam::" + account + ":role/ecsTaskExecutionRole", "awsvpc",
		"prefecthq/prefect:" + prefectVersion(w.T).String() + "-python3.12",
		"[map[name:PREFECT_API_AUTH_STRING valueFrom:arn:aws:ssm:us-east-1:" + account + ":parameter" + secretParameter + "]]", "awslogs",
		"/flowbed/dev", "us-east-1", "false", "4096", "30", "ARM64", "LINUX"}
	if diff := cmp.Diff(want, have); diff != "" {
		w.Errorf("the task definition (-want +have):\n%s\n%s", diff, c.Body)
	}
	w.wantTags("the task definition", d.Tags, map[string]string{"cost-center": "42", "owner": "data platform"})
}

// wantTags checks the tags of a call, in which the worker adds its own. It would write the
// blank of the other one as a hyphen, so RunTask does not have that.
func (w *worker) wantTags(what string, list []any, want map[string]string) {
	w.Helper()
	have := map[string]string{}
	for _, e := range list {
		tag, _ := e.(map[string]any)
		if key := fmt.Sprint(tag["key"]); !strings.HasPrefix(key, "prefect.io/") {
			have[key] = fmt.Sprint(tag["value"])
		}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		w.Errorf("the tags of %s (-want +have):\n%s", what, diff)
	}
}

// envNamed returns the values of a variable of a container's environment.
func envNamed(env []map[string]string, name string) (values []string) {
	for _, e := range env {
		if e["name"] == name {
			values = append(values, e["value"])
		}
	}
	return values
}

func (w *worker) wantTask(c moto.Call) {
	w.Helper()
	var r task
	if err := json.Unmarshal(c.Body, &r); err != nil || len(r.Overrides.Containers) != 1 {
		w.Fatalf("the task: %v: %s", err, c.Body)
	}
	o := w.found()
	have := []any{r.Cluster, r.LaunchType, r.Overrides.TaskRole, r.Network.VPC.Subnets, r.Network.VPC.Groups, r.Network.VPC.PublicIP,
		envNamed(r.Overrides.Containers[0].Env, "TEAM")}
	want := []any{o.Cluster, "FARGATE", o.Task, o.Subnets, o.Groups, "ENABLED", []string{"data"}}
	if diff := cmp.Diff(want, have); diff != "" {
		w.Errorf("the task (-want +have):\n%s\n%s", diff, c.Body)
	}
	w.wantTags("the task", r.Tags, map[string]string{"cost-center": "42"})
	if r.Propagate != "TASK_DEFINITION" {
		w.Errorf("the task has the tags of %q", r.Propagate)
	}
}
