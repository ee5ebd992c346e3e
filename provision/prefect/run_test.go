package prefect_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/test/prefecttest"
)

// deployed returns a client of a server with a pool and a deployment in it.
func deployed(t *testing.T) (s *prefecttest.Server, p *prefect.Client, flow, deployment string) {
	t.Helper()
	s = prefecttest.New()
	p = client(t, s, nil)
	if err := p.CreatePool(t.Context(), newPool("dev")); err != nil {
		t.Fatal(err)
	}
	flow, err := p.CreateFlow(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	deployment, err = p.CreateDeployment(t.Context(), helloDeployment(flow))
	if err != nil {
		t.Fatal(err)
	}
	return s, p, flow, deployment
}

func helloDeployment(flow string) prefect.NewDeployment {
	return prefect.NewDeployment{
		Name: "dev", FlowID: flow, Pool: "dev", Entrypoint: "hello.py:hello", Tags: []string{"a", "b"},
		Parameters: map[string]any{"text": "1"},
	}
}

func TestRunLife(t *testing.T) {
	_, p, flow, deployment := deployed(t)
	ctx := t.Context()
	if again, err := p.CreateFlow(ctx, "hello"); again != flow || err != nil {
		t.Errorf("the same flow has the id %s, %v, want %s", again, err, flow)
	}
	if again, err := p.CreateDeployment(ctx, helloDeployment(flow)); again != deployment || err != nil {
		t.Errorf("the same deployment has the id %s, %v, want %s", again, err, deployment)
	}
	r, err := p.StartRun(ctx, deployment, "key")
	if err != nil || r.State.Type != prefect.Scheduled || r.State.Final() || r.Name == "" {
		t.Fatalf("a new run is %+v, %v", r, err)
	}
	if again, err := p.StartRun(ctx, deployment, "key"); again.ID != r.ID || err != nil {
		t.Errorf("the same key has started %+v, %v, want %s", again, err, r.ID)
	}
	if n, err := p.CountActive(ctx, "dev"); n != 0 || err != nil {
		t.Errorf("%d runs are active, %v: a scheduled one is not", n, err)
	}
	for range 2 { // canceled twice is no error
		if err := p.CancelRun(ctx, r.ID, "by the test"); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = p.ReadRun(ctx, r.ID); err != nil || r.State.Type != prefect.Cancelled || !r.State.Final() || r.State.Message != "by the test" {
		t.Errorf("a canceled run is %+v, %v", r, err)
	}
	states, err := p.States(ctx, r.ID)
	if err != nil || len(states) < 2 || states[0].Type != prefect.Scheduled {
		t.Errorf("the states are %+v, %v", states, err)
	}
	for range 2 {
		if err := errors.Join(p.DeleteRun(ctx, r.ID), p.DeleteDeployment(ctx, deployment), p.DeleteFlow(ctx, flow)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.ReadRun(ctx, r.ID); !errors.Is(err, prefect.ErrNotFound) {
		t.Errorf("a deleted run: %v", err)
	}
	if err := p.CancelRun(ctx, r.ID, ""); err != nil {
		t.Errorf("cancel a deleted run: %v", err)
	}
}

// TestDeploymentRefused creates what the server must refuse.
func TestDeploymentRefused(t *testing.T) {
	_, p, flow, deployment := deployed(t)
	for name, c := range map[string]struct {
		edit func(*prefect.NewDeployment)
		want error
	}{
		"no pool": {func(d *prefect.NewDeployment) { d.Pool = "none" }, prefect.ErrNotFound},
		"no flow": {func(d *prefect.NewDeployment) { d.FlowID = "00000000-0000-4000-8000-000000000000" }, prefect.ErrConflict},
	} {
		d := helloDeployment(flow)
		c.edit(&d)
		if _, err := p.CreateDeployment(t.Context(), d); !errors.Is(err, c.want) {
			t.Errorf("%s: have error %v, want %v", name, err, c.want)
		}
	}
	if _, err := p.CreateFlow(t.Context(), ""); err == nil {
		t.Error("a flow has no name")
	}
	if _, err := p.StartRun(t.Context(), "00000000-0000-4000-8000-000000000000", "key"); !errors.Is(err, prefect.ErrNotFound) {
		t.Errorf("run a deployment that does not exist: %v", err)
	}
	// Deleting a deployment takes its scheduled runs with it.
	r, err := p.StartRun(t.Context(), deployment, "key")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.DeleteDeployment(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	if _, err := p.ReadRun(t.Context(), r.ID); !errors.Is(err, prefect.ErrNotFound) {
		t.Errorf("the run of a deleted deployment: %v", err)
	}
}

// TestTaggedDeployments lists more than one page.
func TestTaggedDeployments(t *testing.T) {
	_, p, flow, _ := deployed(t)
	for i := range 201 {
		d := helloDeployment(flow)
		d.Name, d.Tags = fmt.Sprint("n", i), []string{"a"}
		if _, err := p.CreateDeployment(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for tag, want := range map[string]int{"a": 202, "b": 1, "c": 0} {
		if list, err := p.TaggedDeployments(t.Context(), tag); len(list) != want || err != nil {
			t.Errorf("%d deployments have the tag %s, %v, want %d", len(list), tag, err, want)
		}
	}
	// They stay, without a pool, if it is deleted.
	if err := p.DeletePool(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	if list, err := p.TaggedDeployments(t.Context(), "b"); len(list) != 1 || list[0].Pool != "" || err != nil {
		t.Errorf("without the pool: %+v, %v", list, err)
	}
}

func TestRunTask(t *testing.T) {
	for pid, want := range map[string][2]string{
		"default::arn:aws:ecs:us-east-1:1:task/default/1": {"default", "arn:aws:ecs:us-east-1:1:task/default/1"},
		"arn:aws:ecs:us-east-1:1:cluster/c::arn:task":     {"arn:aws:ecs:us-east-1:1:cluster/c", "arn:task"},
		"":     {},
		"1234": {},
	} {
		cluster, arn := prefect.Run{Infrastructure: pid}.Task()
		if have := [2]string{cluster, arn}; have != want {
			t.Errorf("%s: have %q, want %q", pid, have, want)
		}
	}
}

// TestRunErrorsSayWhat names the call in each error.
func TestRunErrorsSayWhat(t *testing.T) {
	s, p, _, deployment := deployed(t)
	r, err := p.StartRun(t.Context(), deployment, "key")
	if err != nil {
		t.Fatal(err)
	}
	s.Fail = func(*http.Request) int { return http.StatusBadRequest }
	ctx := t.Context()
	for want, call := range map[string]func() error{
		"create flow":       func() error { _, err := p.CreateFlow(ctx, "x"); return err },
		"create deployment": func() error { _, err := p.CreateDeployment(ctx, prefect.NewDeployment{}); return err },
		"list deployments":  func() error { _, err := p.TaggedDeployments(ctx, "a"); return err },
		"delete deployment": func() error { return p.DeleteDeployment(ctx, deployment) },
		"delete flow run":   func() error { return p.DeleteRun(ctx, r.ID) },
		"read log":          func() error { _, err := p.Logs(ctx, r.ID, 0); return err },
		"count flow runs":   func() error { _, err := p.CountActive(ctx, "dev"); return err },
	} {
		if err := call(); err == nil || err.Error()[:len(want)+1] != want+":" {
			t.Errorf("have error %v, want %s: …", err, want)
		}
	}
}
