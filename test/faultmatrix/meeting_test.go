package faultmatrix_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/test/faultmatrix"
)

// onShared reports whether a call is about the role or the cluster that environments share.
func onShared(c call) bool {
	_, object, _ := strings.Cut(c.key, " ")
	name, _, _ := strings.Cut(object, "/")
	return name == "ecsTaskExecutionRole" || name == "default"
}

// place is a call in a run: the nth one with this key. Steps run in parallel, so the number of
// a call in the run differs from run to run.
type place struct {
	key string
	nth int
}

// pause holds a process before a call.
type pause struct {
	at place

	mu      sync.Mutex
	n       int
	reached chan struct{} // closed when the process is there
	resume  chan struct{}
}

func (s *pause) alter(_ *process, c call, do func() error) error {
	s.mu.Lock()
	if c.key == s.at.key {
		s.n++
	}
	here := c.key == s.at.key && s.n == s.at.nth
	s.mu.Unlock()
	if here {
		close(s.reached)
		<-s.resume
	}
	return do()
}

// places are all calls on shared objects that a command makes if nothing else runs.
func (w *world) places(command string) (list []place) {
	w.Helper()
	count := map[string]int{}
	var mu sync.Mutex
	err := w.command(command, func(_ *process, c call, do func() error) error {
		if onShared(c) {
			mu.Lock()
			count[c.key]++
			mu.Unlock()
		}
		return do()
	})
	if err != nil {
		w.Errorf("%s: %v", command, err)
	}
	for _, key := range slices.Sorted(maps.Keys(count)) {
		for nth := range count[key] {
			list = append(list, place{key, nth + 1})
		}
	}
	return list
}

// command runs up or down of an environment under its lease.
func (w *world) command(command string, alter func(*process, call, func() error) error) error {
	verb, env, _ := strings.Cut(command, " ")
	p := w.process(env)
	p.alter = alter
	return p.leased(w.Context(), verb)
}

// meet runs a command that is held at a place, while another one runs from start to end.
func (w *world) meet(held, other string, at place) {
	w.Helper()
	s := &pause{at: at, reached: make(chan struct{}), resume: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- w.command(held, s.alter) }()
	select {
	case err := <-ended:
		w.Errorf("%s makes no call %d of %s: %v", held, at.nth, at.key, err)
		return
	case <-s.reached:
	}
	if err := w.command(other, nil); err != nil {
		w.Errorf("%s waits before %s: %s: %v", held, at.key, other, err)
	}
	close(s.resume)
	if err := <-ended; err != nil {
		w.Errorf("%s, after it waited before %s: %v", held, at.key, err)
	}
	w.settle()
}

// wantUsers checks that exactly these environments use the shared objects, and that nothing is
// left to do for them.
func (w *world) wantUsers(what string, envs ...string) {
	w.Helper()
	for _, env := range envs {
		plan, err := w.process(env).stack(false).Graph.Plan(w.Context())
		if err != nil || plan.Err() != nil || !plan.Empty() {
			w.Errorf("%s: the plan of %s: have %+v, %v, want an empty plan", what, env, plan, err)
		}
	}
	have := map[string][]string{}
	for _, a := range w.standing() {
		have[a.Step] = slices.Sorted(slices.Values(a.Owner.Users()))
	}
	want := map[string][]string{}
	for _, step := range []string{"execution role", "cluster"} {
		for _, env := range envs {
			want[step] = append(want[step], env+"@"+region)
		}
	}
	maps.DeleteFunc(have, func(_ string, users []string) bool { return len(users) == 0 })
	if d := cmp.Diff(want, have); d != "" {
		w.Errorf("%s: the users (-want +have):\n%s", what, d)
	}
}

// standing are the actions on shared objects in the plan of an environment that has none.
func (w *world) standing() (list []provision.Action) {
	w.Helper()
	plan, err := w.process("nobody").stack(false).Graph.Plan(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, a := range plan.Actions {
		if a.Step == "execution role" || a.Step == "cluster" {
			list = append(list, a)
		}
	}
	return list
}

// small has what environments share, and little else.
const small = `environment "%s" {
  prefect {
    api_url = "http://prefect.example/api"
    api_key = "pnu_a_secret_of_the_test"
  }
}
%.0s`

// sharing are pairs of commands on shared names: what is built before, and who is there
// afterwards.
var sharing = []struct {
	before []string
	runs   [2]string
	after  []string
}{
	{[]string{"up dev"}, [2]string{"down dev", "up other"}, []string{"other"}},
	{[]string{"up other"}, [2]string{"down other", "up dev"}, []string{"dev"}},
	{[]string{"up dev", "up other"}, [2]string{"down dev", "down other"}, nil},
}

// TestMeetings holds each of two commands before each of its calls on the shared role and the
// shared cluster, while the other one runs from start to end. Then the environment that
// arrived is whole, of the one that left nothing remains, and the last one to leave deletes
// both objects.
func TestMeetings(t *testing.T) {
	found := map[string]bool{} // the rows of the table
	var mu sync.Mutex
	t.Run("in", func(t *testing.T) {
		for _, k := range []kind{kinds[0], kinds[2]} {
			for _, c := range sharing {
				for i, held := range c.runs {
					other := c.runs[1-i]
					t.Run(fmt.Sprintf("%s/%s is held, %s", k.name, held, other), func(t *testing.T) {
						t.Parallel()
						var places []place
						bubble(t, func(w *world) {
							w.build(k, c.before)
							places = w.places(held)
						})
						for n := 0; n < len(places); n += stride(k) {
							bubble(t, func(w *world) { w.held(k, c.before, held, other, places[n], c.after) })
							mu.Lock()
							found[fmt.Sprintf("| %s | %s | %s | whole |\n", places[n].key, held, other)] = true
							mu.Unlock()
						}
					})
				}
			}
		}
	})
	if t.Failed() {
		return
	}
	rows := slices.Sorted(maps.Keys(found))
	if inFull() {
		wantDocument(t, "shared names", "| held before | run | meanwhile | both are |\n|---|---|---|---|\n"+strings.Join(rows, ""))
		return
	}
	text, err := faultmatrix.Part(document, "shared names")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if !strings.Contains(text, r) {
			t.Errorf("%s lacks the row %s; run go test -update", document, r)
		}
	}
}

// build returns the account as it is before the environments.
func (w *world) build(k kind, commands []string) map[string]any {
	w.Helper()
	k.prepare(w)
	w.text = small
	before := w.account.Inventory()
	for _, c := range commands {
		if err := w.command(c, nil); err != nil {
			w.Fatal(err)
		}
		w.settle()
	}
	return before
}

// held tries one call of one pair of commands.
func (w *world) held(k kind, commands []string, held, other string, at place, after []string) {
	w.Helper()
	before := w.build(k, commands)
	w.meet(held, other, at)
	what := fmt.Sprintf("%s held before %s (%d), %s", held, at.key, at.nth, other)
	w.wantUsers(what, after...)
	for _, env := range after {
		if err := w.command("down "+env, nil); err != nil {
			w.Errorf("%s: %v", what, err)
		}
	}
	w.settle()
	if d := cmp.Diff(before, w.account.Inventory()); d != "" {
		w.Errorf("%s: in the end the account has changed (-before +after):\n%s", what, d)
	}
}

// stride is 1 if every call is tried. In a slow account most of them are repeated reads.
func stride(k kind) int {
	switch {
	case !inFull():
		return 7
	case k.name == "slow":
		return 3
	}
	return 1
}
