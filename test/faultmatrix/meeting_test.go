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

// pause holds a process before its nth call on shared objects.
type pause struct {
	nth int

	mu      sync.Mutex
	n       int
	key     string        // of the call
	reached chan struct{} // closed when the process is there
	resume  chan struct{}
}

func newPause(nth int) *pause {
	return &pause{nth: nth, reached: make(chan struct{}), resume: make(chan struct{})}
}

func (s *pause) alter(_ *process, c call, do func() error) error {
	if !onShared(c) {
		return do()
	}
	s.mu.Lock()
	s.n++
	here := s.n == s.nth
	if here {
		s.key = c.key
	}
	s.mu.Unlock()
	if here {
		close(s.reached)
		<-s.resume
	}
	return do()
}

// command runs up or down of an environment under its lease.
func (w *world) command(command string, alter func(*process, call, func() error) error) error {
	verb, env, _ := strings.Cut(command, " ")
	p := w.process(env)
	p.alter = alter
	return p.leased(w.Context(), verb)
}

// meet runs a command that is held before its nth call on shared objects, while another one
// runs from start to end. It returns false if the command makes fewer such calls.
func (w *world) meet(held, other string, nth int) (key string, more bool) {
	w.Helper()
	s := newPause(nth)
	ended := make(chan error, 1)
	go func() { ended <- w.command(held, s.alter) }()
	select {
	case err := <-ended:
		if err != nil {
			w.Errorf("%s: %v", held, err)
		}
		return "", false
	case <-s.reached:
	}
	if err := w.command(other, nil); err != nil {
		w.Errorf("%s waits before %s: %s: %v", held, s.key, other, err)
	}
	close(s.resume)
	if err := <-ended; err != nil {
		w.Errorf("%s, after it waited before %s: %v", held, s.key, err)
		if err := w.command(held, nil); err != nil { // a lease that is lost in the meantime
			w.Errorf("%s again: %v", held, err)
		}
	}
	w.settle()
	return s.key, true
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
					t.Run(fmt.Sprintf("%s/%s is held, %s", k.name, held, c.runs[1-i]), func(t *testing.T) {
						t.Parallel()
						for nth, more := 1, true; more; nth += stride(k) {
							bubble(t, func(w *world) {
								var key string
								if key, more = w.held(k, c.before, held, c.runs[1-i], nth, c.after); !more {
									return
								}
								mu.Lock()
								defer mu.Unlock()
								found[fmt.Sprintf("| %s | %s | %s | whole |\n", key, held, c.runs[1-i])] = true
							})
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

// held tries one call of one pair of commands. It returns false if the command makes fewer
// calls on shared objects.
func (w *world) held(k kind, build []string, held, other string, nth int, after []string) (key string, more bool) {
	w.Helper()
	k.prepare(w)
	w.text = small
	before := w.account.Inventory()
	for _, b := range build {
		if err := w.command(b, nil); err != nil {
			w.Fatal(err)
		}
		w.settle()
	}
	if key, more = w.meet(held, other, nth); !more {
		return "", false
	}
	w.wantUsers(key, after...)
	for _, env := range after {
		if err := w.command("down "+env, nil); err != nil {
			w.Error(err)
		}
	}
	w.settle()
	if d := cmp.Diff(before, w.account.Inventory()); d != "" {
		w.Errorf("%s: in the end the account has changed (-before +after):\n%s", key, d)
	}
	return key, true
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
