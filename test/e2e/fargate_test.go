//go:build linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/fargate"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
	"github.com/flowbed/flowbed/test/e2e/venv"
)

// flowsWorld is an environment whose tasks really run.
type flowsWorld struct {
	worker
	player     *fargate.Player
	deployment string // the id
}

// play starts a player for an account, whose tasks reach a Prefect server.
func play(t *testing.T, s session, server *prefectserver.Server) *fargate.Player {
	t.Helper()
	dir, err := venv.Prefect()
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(s.front.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	v := prefectVersion(t)
	p, err := fargate.Start(t.Context(), fargate.Config{
		Front: s.front, Region: "us-east-1", Venv: dir, Doors: []int{port, server.Port},
		Images: []string{v.Image(), fmt.Sprintf("prefecthq/prefect-aws:%s-python3.12-prefect%s", v.AWS(), v)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Stop()
		for _, err := range p.Faults() {
			t.Errorf("the player: %v", err)
		}
		if !t.Failed() {
			return
		}
		for _, task := range p.Tasks() {
			t.Logf("task %s of %s is %s:\n%s", task.ID, task.Group, task.Status, task.Log)
		}
	})
	return p
}

// flowSpec is a config file for a server that requires a secret. agent is its block.
func flowSpec(t *testing.T, s *prefectserver.Server, agent string) string {
	t.Helper()
	return fmt.Sprintf(`
environment "dev" {
  region = "us-east-1"
  prefect {
    version     = %q
    api_url     = %q
    auth_string = %q
  }
  flows {
    env     = { TEAM = "data" }
    secrets = { DB_PASSWORD = "arn:aws:ssm:us-east-1:${account}:parameter%s" }
    results = true
  }
  %s
}
`, prefectVersion(t), s.API, s.Auth, passwordName, agent)
}

// The flow's own secret, which somebody else has stored. It contains the server's, so that
// whoever looks for that one finds both.
const (
	passwordName = "/team/db-password"
	password     = "db-hunter2-password"
)

// storePassword stores the flow's own secret.
func (w *flowsWorld) storePassword() {
	w.Helper()
	_, err := ssm.NewFromConfig(w.front.Config("us-east-1")).PutParameter(w.Context(), &ssm.PutParameterInput{
		Name: aws.String(passwordName), Value: aws.String(password), Type: types.ParameterTypeSecureString,
	})
	if err != nil {
		w.Fatal(err)
	}
}

// TestFlowsWithInstance takes an environment whose worker runs on an instance from up to down.
// The flows really run, in the containers that the worker has ECS start.
func TestFlowsWithInstance(t *testing.T) {
	needMachine(t)
	t.Parallel()
	server := prefectServer(t, prefectserver.Options{Auth: `us er:hunter2$a"s\s`, CSRF: true})
	w := &flowsWorld{worker: worker{session: newSession(t, flowSpec(t, server, "agent {}"), "hunter2"), server: server}}
	w.storePassword()
	before := inventory(t, w.front)
	w.player = play(t, w.session, server)
	w.up()
	w.deploy()
	good, doomed := w.schedule("results/one.json", ""), w.schedule("results/doomed.json", "never")
	w.completes(good, "results/one.json")
	w.wantResult("results/one.json")
	w.dies(doomed)
	w.hello()
	w.wantNoSecret()
	journal, err := w.machine.Run(t.Context(), "journalctl", "--no-pager", "--output", "cat")
	if said := journal + w.machine.Console(); err != nil || strings.Contains(said, w.secret) {
		t.Errorf("the machine's log, %v, has the secret:\n%s", err, said)
	}
	w.down()
	if diff := cmp.Diff(before, inventory(t, w.front)); diff != "" {
		t.Errorf("the account has changed (-before +after):\n%s", diff)
	}
}

// proof is a flow that tells what reached it. It writes that to the bucket; then it waits, if
// it shall, until somebody writes another object.
const proof = `
import hashlib, json, os, time, urllib.request
import boto3
from prefect import flow

@flow(log_prints=True, persist_result=True)
def prove(bucket: str, key: str, until: str = ""):
    def get(path):
        return json.load(urllib.request.urlopen(path, timeout=60))
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps({
        "team": os.environ.get("TEAM"),
        "secret": hashlib.sha256(os.environ["PREFECT_API_AUTH_STRING"].encode()).hexdigest(),
        "password": hashlib.sha256(os.environ["DB_PASSWORD"].encode()).hexdigest(),
        "key": boto3.Session().get_credentials().access_key,
        "task": get(os.environ["ECS_CONTAINER_METADATA_URI_V4"] + "/task")["TaskARN"],
    }).encode())
    print("wrote the result")
    while until and "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=until):
        time.sleep(1)
    return "the result of " + key
`

// written is what the flow wrote.
type written struct{ Team, Secret, Password, Key, Task string }

func (w *flowsWorld) bucket() string { return "flowbed-dev-" + w.front.Account + "-us-east-1-an" }

func (w *flowsWorld) s3() *s3.Client {
	return s3.NewFromConfig(w.front.Config("us-east-1"), func(o *s3.Options) { o.UsePathStyle = true })
}

// deploy deploys the flow as a person does, with the file that flowbed prints.
func (w *flowsWorld) deploy() {
	w.Helper()
	dir := filepath.Join(w.dir, "flow")
	file := strings.Replace(w.run(0, "outputs", "--format", "prefect"), "hello.py:hello", "prove.py:prove", 1)
	for name, content := range map[string]string{"prefect.yaml": file, "prove.py": proof} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			w.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	env, err := venv.Prefect()
	if err != nil {
		w.Fatal(err)
	}
	cmd := exec.CommandContext(w.Context(), filepath.Join(env, "bin", "prefect"), "--no-prompt", "deploy", "--all")
	cmd.Dir = dir
	cmd.Env = append(prefectserver.Environ(w.dir), "PREFECT_API_URL="+w.server.API, "PREFECT_API_AUTH_STRING="+w.server.Auth,
		"AWS_ENDPOINT_URL="+w.front.URL, "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=AKIADEPLOYER", "AWS_SECRET_ACCESS_KEY=secret", "PATH="+filepath.Join(env, "bin")+":/usr/bin:/bin")
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("deploy the flow: %v:\n%s", err, out)
	}
	var list []struct {
		ID string `json:"id"`
	}
	w.call("POST", "/deployments/filter", map[string]any{}, &list)
	if len(list) != 1 {
		w.Fatalf("have deployments %v, want one", list)
	}
	w.deployment = list[0].ID
}

// schedule schedules a run of the flow, which writes to a key, and returns the run's id.
func (w *flowsWorld) schedule(key, until string) string {
	w.Helper()
	return w.scheduleAt(time.Now(), key, until)
}

// scheduleAt schedules a run for a time.
func (w *flowsWorld) scheduleAt(at time.Time, key, until string) string {
	w.Helper()
	var r run
	w.call("POST", "/deployments/"+w.deployment+"/create_flow_run", map[string]any{
		"state":      map[string]any{"type": "SCHEDULED", "state_details": map[string]any{"scheduled_time": at.UTC().Format(time.RFC3339Nano)}},
		"parameters": map[string]any{"bucket": w.bucket(), "key": key, "until": until},
	}, &r)
	return r.ID
}

// becomes waits until a run has a state. It fails if the run ends in another.
func (w *flowsWorld) becomes(id, state string) {
	w.Helper()
	var r run
	eventually(w.T, "run "+id+" becomes "+state, func() bool {
		w.call("GET", "/flow_runs/"+id, nil, &r)
		final := slices.Contains([]string{"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}, r.State.Type)
		if final && r.State.Type != state {
			w.Fatalf("run %s is %s, want %s: %s", id, r.State.Type, state, r.State.Message)
		}
		return r.State.Type == state
	})
}

// tasksOf returns the tasks that ran for a run.
func (w *flowsWorld) tasksOf(id string) (list []fargate.Ran) {
	for _, t := range w.player.Tasks() {
		if t.Tags[tagRun] == id {
			list = append(list, t)
		}
	}
	return list
}

// completes waits until a run has completed, and checks what reached its flow, which writes to
// a key.
func (w *flowsWorld) completes(id, key string) {
	w.Helper()
	w.becomes(id, "COMPLETED")
	tasks := w.tasksOf(id)
	if len(tasks) != 1 {
		w.Fatalf("run %s had the tasks %v, want one", id, tasks)
	}
	o := w.found()
	want := written{
		Team: "data", Secret: fmt.Sprintf("%x", sha256.Sum256([]byte(w.server.Auth))),
		Password: fmt.Sprintf("%x", sha256.Sum256([]byte(password))), Key: fargate.KeyOf(o.Task),
		Task: strings.Replace(o.Cluster, ":cluster/", ":task/", 1) + "/" + tasks[0].ID,
	}
	if diff := cmp.Diff(want, w.read(key)); diff != "" {
		w.Errorf("what reached the flow (-want +have):\n%s", diff)
	}
	if !strings.Contains(tasks[0].Log, "wrote the result") {
		w.Errorf("the container's log lacks what the flow prints:\n%s", tasks[0].Log)
	}
}

// wantResult checks that Prefect has stored what a flow returned in the bucket, below
// results/, and that the block which says so goes with the environment.
func (w *flowsWorld) wantResult(key string) {
	w.Helper()
	list, err := w.s3().ListObjectsV2(w.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(w.bucket()), Prefix: aws.String("results/")})
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, o := range list.Contents {
		names = append(names, *o.Key)
		if strings.Contains(w.result(*o.Key), "the result of "+key) {
			return
		}
	}
	w.Errorf("the result of %s is not in the bucket, which has %v", key, names)
}

// result reads an object. What a flow returned is a pickle in base64, with line breaks.
func (w *flowsWorld) result(key string) string {
	w.Helper()
	out, err := w.s3().GetObject(w.Context(), &s3.GetObjectInput{Bucket: aws.String(w.bucket()), Key: &key})
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = out.Body.Close() }()
	text, err := io.ReadAll(out.Body)
	if err != nil {
		w.Fatal(err)
	}
	if pickle, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(text), "\n", "")); err == nil {
		return string(pickle)
	}
	return string(text)
}

// blocks counts the blocks of Prefect that point to the bucket.
func (w *flowsWorld) blocks() (n int) {
	w.Helper()
	var list []struct{ Data map[string]any }
	w.call("POST", "/block_documents/filter", map[string]any{}, &list)
	for _, b := range list {
		if b.Data["bucket_name"] == w.bucket() {
			n++
		}
	}
	return n
}

// read reads what a flow wrote.
func (w *flowsWorld) read(key string) (found written) {
	w.Helper()
	out, err := w.s3().GetObject(w.Context(), &s3.GetObjectInput{Bucket: aws.String(w.bucket()), Key: &key})
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = out.Body.Close() }()
	if err := json.NewDecoder(out.Body).Decode(&found); err != nil {
		w.Fatal(err)
	}
	return found
}

// dies kills the container of a run. Prefect hears of it by the event and the queue.
func (w *flowsWorld) dies(id string) {
	w.Helper()
	w.becomes(id, "RUNNING")
	if err := w.player.Kill(w.tasksOf(id)[0].ID); err != nil {
		w.Fatal(err)
	}
	w.wantCrashed(id, "non-zero exit code")
}

// hello runs flowbed hello.
func (w *flowsWorld) hello() {
	w.Helper()
	_, progress := w.start("hello").wait(0)
	for _, want := range []string{"run: Completed", "| Hello from a task on Fargate.", "Hello: the flow completed, and its result is in the bucket"} {
		if !strings.Contains(progress, want) {
			w.Errorf("hello does not say %q:\n%s", want, progress)
		}
	}
}

// wantNoSecret looks for the secret in all requests to AWS, but the one that stores it, in the
// logs of all tasks, and in those of the runs.
func (w *flowsWorld) wantNoSecret() {
	w.Helper()
	forms := []string{w.secret, base64.StdEncoding.EncodeToString([]byte(w.server.Auth)), "aHVudGVyM", "h1bnRlcj", "odW50ZXIy"}
	look := func(where string, text []byte) {
		for _, form := range forms {
			if bytes.Contains(text, []byte(form)) {
				w.Errorf("%s has %q:\n%s", where, form, text)
			}
		}
	}
	var stored, ran int
	for _, c := range w.front.Calls() {
		if c.Service == "ssm" && c.Operation == "PutParameter" {
			stored++
			continue
		}
		if c.Operation == "RunTask" {
			ran++
		}
		look(c.Service+"."+c.Operation, c.Body)
	}
	if stored == 0 || ran == 0 {
		w.Errorf("have %d calls that store the secret, and %d that run a task, want some", stored, ran)
	}
	for _, t := range w.player.Tasks() {
		look("the log of task "+t.ID, []byte(t.Log))
	}
	_, logs, err := w.server.Call(w.Context(), "POST", "/logs/filter", map[string]any{})
	if err != nil || !strings.Contains(string(logs), "wrote the result") {
		w.Errorf("the logs of the runs: %v: %s", err, logs)
	}
	look("a run's log", logs)
}

// down removes the environment with all that the test made in it.
func (w *flowsWorld) down() {
	w.Helper()
	if n := w.blocks(); n != 1 {
		w.Errorf("before down: Prefect has %d blocks of the bucket, want one", n)
	}
	w.run(0, "down", "--yes", "--force-destroy", "--delete-deployments")
	if n := w.blocks(); n != 0 {
		w.Errorf("after down: Prefect has %d blocks of the bucket, want none", n)
	}
	if list := w.workers(); len(list) > 0 {
		w.Errorf("after down: have workers %v, want none", list)
	}
	for _, t := range w.player.Tasks() {
		if t.Status != "STOPPED" {
			w.Errorf("after down: task %s of %s is %s", t.ID, t.Group, t.Status)
		}
	}
}
