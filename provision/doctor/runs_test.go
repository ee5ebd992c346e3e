package doctor_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/prefect"
)

// ward is a clinic with a work pool, whose runs have tasks in the account.
type ward struct {
	*clinic
	api        *prefect.Client
	ecs        *ecs.Client
	deployment string
	runs       int
}

func newWard(t *testing.T) *ward {
	c := newClinic(t)
	w := &ward{clinic: c, ecs: ecs.NewFromConfig(c.account.Config(region))}
	var err error
	w.api, err = prefect.New(prefect.Config{URL: "http://prefect.example/api", AuthString: c.server.Auth, Transport: c.server})
	w.must(err)
	w.must(w.api.CreatePool(t.Context(), prefect.NewPool{Name: "flowbed-dev", Type: "ecs", Template: prefect.Base(prefect.Worker3)}))
	flow, err := w.api.CreateFlow(t.Context(), "etl")
	w.must(err)
	w.deployment, err = w.api.CreateDeployment(t.Context(), prefect.NewDeployment{
		Name: "etl", FlowID: flow, Pool: "flowbed-dev", Entrypoint: "etl.py:etl", PullSteps: []map[string]any{}, Parameters: map[string]any{}, Schema: map[string]any{}, Tags: []string{},
	})
	w.must(err)
	_, err = w.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{})
	w.must(err)
	_, err = w.ecs.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("etl"), ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("prefect"), Image: aws.String("etl:1")}},
	})
	w.must(err)
	return w
}

func (w *ward) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// run creates a run in a state. Without a task, the worker has started none.
func (w *ward) run(state, task string) {
	w.Helper()
	w.runs++
	r, err := w.api.StartRun(w.Context(), w.deployment, fmt.Sprint(w.runs))
	w.must(err)
	w.call(http.MethodPost, "/flow_runs/"+r.ID+"/set_state", `{"state": {"type": "`+state+`"}, "force": true}`)
	if task != "" {
		w.call(http.MethodPatch, "/flow_runs/"+r.ID, `{"infrastructure_pid": "default::`+task+`"}`)
	}
}

// call makes a call to the API as a worker does.
func (w *ward) call(method, path, body string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, "http://prefect.example/api"+path, strings.NewReader(body))
	w.must(err)
	user, password, _ := strings.Cut(w.server.Auth, ":")
	req.SetBasicAuth(user, password)
	out, err := w.server.RoundTrip(req)
	w.must(err)
	w.must(out.Body.Close())
	if out.StatusCode > 299 {
		w.Fatalf("%s %s: %s", method, path, out.Status)
	}
}

// task starts a task, and returns its ARN.
func (w *ward) task() string {
	w.Helper()
	out, err := w.ecs.RunTask(w.Context(), &ecs.RunTaskInput{TaskDefinition: aws.String("etl"), Overrides: &types.TaskOverride{
		ContainerOverrides: []types.ContainerOverride{{Name: aws.String("prefect"), Environment: []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("b")}}}},
	}})
	w.must(err)
	return *out.Tasks[0].TaskArn
}

func (w *ward) stop(arn string) {
	w.Helper()
	_, err := w.ecs.StopTask(w.Context(), &ecs.StopTaskInput{Task: &arn, Reason: aws.String("Task stopped by user")})
	w.must(err)
}

// said is what the check of the runs has found.
func (w *ward) said() string {
	w.Helper()
	var list []doctor.Finding
	for _, f := range w.look() {
		if f.Check == "flow runs" {
			list = append(list, f)
		}
	}
	return text(list)
}

const gone = "arn:aws:ecs:" + region + ":123456789012:task/default/ffffffffffffffffffffffffffffffff"

// TestFlowRuns: a run whose task has ended without Prefect's knowledge is named, and one that
// may still get there is not.
func TestFlowRuns(t *testing.T) {
	const none, dead = "ok    flow runs      no active run of the work pool has lost its task\n", "warn  flow runs "
	for name, c := range map[string]struct {
		runs func(*ward)
		wait time.Duration
		want []string // in what is said; "" is nothing
	}{
		"no runs":            {func(*ward) {}, time.Hour, []string{""}},
		"finished":           {func(w *ward) { w.run("COMPLETED", gone); w.run("CRASHED", gone); w.run("SCHEDULED", "") }, time.Hour, []string{""}},
		"a running task":     {func(w *ward) { w.run("RUNNING", w.task()) }, 5 * time.Hour, []string{none}},
		"still submitting":   {func(w *ward) { w.run("PENDING", "") }, 9 * time.Minute, []string{none}},
		"never submitted":    {func(w *ward) { w.run("PENDING", "") }, 11 * time.Minute, []string{dead, "is pending for 11 minutes, but no worker has started a task for it"}},
		"a subflow":          {func(w *ward) { w.run("RUNNING", "") }, 24 * time.Hour, []string{none}},
		"not yet in ECS":     {func(w *ward) { w.run("PENDING", gone) }, time.Minute, []string{none}},
		"forgotten by ECS":   {func(w *ward) { w.run("PENDING", gone) }, 3 * time.Hour, []string{dead, "pending for 3 hours", "stopped more than an hour ago"}},
		"event on its way":   {func(w *ward) { a := w.task(); w.run("PENDING", a); w.stop(a) }, time.Minute, []string{none}},
		"stopped, pending":   {func(w *ward) { a := w.task(); w.run("PENDING", a); w.stop(a) }, 3 * time.Minute, []string{dead, "pending for 3 minutes", "its task has stopped: Task stopped by user"}},
		"stopped, running":   {func(w *ward) { a := w.task(); w.run("RUNNING", a); w.stop(a) }, 50 * time.Hour, []string{dead, "running for 2 days"}},
		"stopped, canceling": {func(w *ward) { a := w.task(); w.run("CANCELLING", a); w.stop(a) }, time.Hour, []string{dead, "cancelling for 60 minutes"}},
		"one of two": {func(w *ward) { a := w.task(); w.run("PENDING", a); w.run("RUNNING", w.task()); w.stop(a) }, time.Hour,
			[]string{dead, "amber-heron-3 (00000003-", "→ delete a run with `prefect flow-run delete <id>`"}},
		"many": {func(w *ward) {
			for range 250 {
				w.run("PENDING", gone)
			}
		}, time.Hour, []string{dead, "245 more runs are like that"}},
		"denied": {func(w *ward) {
			w.run("PENDING", gone)
			w.faults["DescribeTasks"] = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User: arn:aws:iam::123456789012:user/a is not authorized to perform: ecs:DescribeTasks on resource: *"}
		}, time.Hour, []string{"warn  flow runs      cannot tell: this check needs ecs:DescribeTasks"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWard(t)
				c.runs(w)
				time.Sleep(c.wait)
				have := w.said()
				for _, want := range c.want {
					if !strings.Contains(have, want) || want == "" && have != "" {
						t.Errorf("have %q, want %q", have, want)
					}
				}
				if n := strings.Count(have, "\n"); n > 7 {
					t.Errorf("%d lines are too many:\n%s", n, have)
				}
			})
		})
	}
}

// TestFlowRunsNeedAPool: Prefect 1 has none.
func TestFlowRunsNeedAPool(t *testing.T) {
	c := newClinic(t)
	c.text = `prefect {
	version = "1.4.1"
	api_url = "http://prefect.example:4200"
}
agent {}`
	if said := text(c.look()); strings.Contains(said, "flow runs") {
		t.Errorf("have %s", said)
	}
}
