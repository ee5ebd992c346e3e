package faultmatrix_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/test/e2e/able"
)

// attempts is how often the SDK sends a call. The program uses the same number.
const attempts = 8

// sdk retries calls like the SDK. The sandbox replaces the SDK's own retries.
type sdk struct{ aws.Retryer }

func newSDK() sdk {
	return sdk{retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = attempts })}
}

func (s sdk) send(ctx context.Context, one func() error) error {
	for n := 1; ; n++ {
		err := one()
		if err == nil || n == attempts || !s.IsErrorRetryable(err) {
			return err
		}
		if _, spent := s.GetRetryToken(ctx, err); spent != nil {
			return err
		}
		pause, late := s.RetryDelay(n, err)
		if late != nil {
			return err
		}
		time.Sleep(pause)
	}
}

// storm makes a share of all calls fail. Which ones depends only on the seed and the
// call, so a run is repeatable.
type storm struct {
	seed, percent int
	wrong         func(call) error
	applied       bool // half of the failing calls are executed anyway

	mu   sync.Mutex
	seen map[string]int
}

func (s *storm) alter(_ *process, c call, do func() error) error {
	s.mu.Lock()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	s.seen[c.key]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", s.seed, c.key, s.seen[c.key])
	n := int(h.Sum64() >> 8 % 1000)
	s.mu.Unlock()
	if n >= s.percent*10 {
		return do()
	}
	if s.applied && n%2 == 0 {
		_ = do() // the caller cannot know the result
	}
	return s.wrong(c)
}

// whole describes a fault that lasts for a whole run. most limits the calls of the run,
// as a multiple of those of a run without faults.
type whole struct {
	name    string
	most    float64
	prepare func(*world)
	storm   func(seed int) *storm
}

var wholes = []whole{
	{"30% of the calls are throttled", 2.3, nil,
		func(seed int) *storm { return &storm{seed: seed, percent: 30, wrong: throttling} }},
	{"10% of the calls return a 5xx", 1.5, nil,
		func(seed int) *storm { return &storm{seed: seed, percent: 10, wrong: internal} }},
	{"10% of the calls return a 5xx, half of them after being executed", 1.7, nil,
		func(seed int) *storm { return &storm{seed: seed, percent: 10, wrong: internal, applied: true} }},
	{"new objects are invisible for 10 s, new instance profiles to EC2 for 20 s", 6.5, kinds[2].prepare, nil},
}

// seeds returns how often each of them runs.
func seeds() int {
	if able.Check() {
		return 1
	}
	return 5
}

func TestWholeRuns(t *testing.T) {
	var c clean
	bubble(t, func(w *world) { c = w.clean(kinds[0].prepare) })
	text := "| fault during the whole run | up | down | maximum number of calls |\n|---|---|---|---|\n"
	for _, k := range wholes {
		text += fmt.Sprintf("| %s | succeeds | succeeds | %g × those of a run without faults |\n", k.name, k.most)
	}
	wantDocument(t, "whole runs", text)
	for _, k := range wholes {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds() {
				bubble(t, func(w *world) { w.badly(k, seed, c) })
			}
		})
	}
}

func (w *world) badly(k whole, seed int, c clean) {
	w.Helper()
	if k.prepare != nil {
		k.prepare(w)
	}
	before := w.account.Inventory()
	run := func(verb string) {
		p := w.process("dev")
		p.again = newSDK().send
		if k.storm != nil {
			p.alter = k.storm(seed).alter
		}
		if err := map[string]func(context.Context) error{"up": p.up, "down": p.down}[verb](w.Context()); err != nil {
			w.Errorf("%s, seed %d: %s: %v", k.name, seed, verb, err)
		}
		if most := int(k.most * float64(c.calls[verb])); len(p.order) > most {
			w.Errorf("%s, seed %d: %s made %d calls, want at most %d", k.name, seed, verb, len(p.order), most)
		}
	}
	run("up")
	w.settle()
	w.wantComplete(k.name, c.want)
	run("down")
	w.settle()
	if d := cmp.Diff(before, w.account.Inventory()); d != "" {
		w.Errorf("%s, seed %d: the account has changed (-before +after):\n%s", k.name, seed, d)
	}
}

// How many calls may be in flight when a run learns that its credentials have expired:
// all reads start at once, or each step makes a change.
const maxReads, maxWrites = 48, 12

// TestExpiredCredentials checks that expired credentials end a run at once, and that a
// run with new credentials continues.
func TestExpiredCredentials(t *testing.T) {
	var c clean
	bubble(t, func(w *world) { c = w.clean(kinds[0].prepare) })
	for _, verb := range []string{"up", "down"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			step := 3
			if able.Check() {
				step = 11
			}
			for n := 1; n <= c.calls[verb]; n += step {
				bubble(t, func(w *world) { w.expire(verb, n, c) })
			}
		})
	}
}

func (w *world) expire(verb string, n int, c clean) {
	w.Helper()
	what := fmt.Sprintf("%s, expired at call %d", verb, n)
	before := w.account.Inventory()
	p := w.process("dev")
	p.again = newSDK().send
	run := p.up
	if verb == "down" {
		if err := w.process("dev").up(w.Context()); err != nil {
			w.Fatal(err)
		}
		run = p.down
	}
	made, refused, writes := 0, 0, 0
	var since time.Time
	var first string
	p.alter = func(_ *process, c call, do func() error) error {
		p.mu.Lock()
		if !c.prefect {
			made++
		}
		late := made >= n && !c.prefect
		if late {
			if refused++; refused == 1 {
				since, first = time.Now(), c.key
			}
			if c.write {
				writes++
			}
		}
		p.mu.Unlock()
		if late {
			return expired(c)
		}
		return do()
	}
	err := run(w.Context())
	if refused == 0 {
		return // the remaining calls go to Prefect
	}
	if err == nil && cmp.Equal(before, w.account.Inventory()) {
		return // another call had already found the object gone
	}
	if !expiredAll(err) {
		w.Errorf("%s, at %s: have error %v, want only expired credentials", what, first, err)
	}
	if refused > maxReads || writes > maxWrites {
		w.Errorf("%s: %d calls after that, %d of them writes; want at most %d and %d", what, refused, writes, maxReads, maxWrites)
	}
	if took := time.Since(since); took > 5*time.Second {
		w.Errorf("%s: the run continued for %s, want it to stop at once", what, took)
	}
	w.wantTold(what, p.graph)
	w.finish(what, before, c.want)
}

// expiredAll reports whether each of the errors is about expired credentials and has a
// hint.
func expiredAll(err error) bool {
	if err == nil {
		return false
	}
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	return !slices.ContainsFunc(list, func(err error) bool {
		return awserr.Classify(err) != awserr.Credentials || !strings.Contains(awserr.Hint(err), "the same command")
	})
}

// wantTold compares the objects that the run reports with the account.
func (w *world) wantTold(what string, g *provision.Graph) {
	w.Helper()
	told := map[string]bool{}
	for _, a := range g.Standing().Actions {
		if a.Err != nil || a.Op == provision.Delete || a.Op == provision.Release {
			told[a.Step] = true
		}
	}
	kept := census(w.account.Inventory())
	for step, kind := range map[string]string{
		"bucket": "s3", "agent instance": "ec2 " + region + " instances", "agent instance profile": "iam profiles", "api key parameter": "ssm " + region,
		"log group": "logs " + region, "cluster": "ecs " + region + " clusters",
	} {
		if kept[kind] != "" && !told[step] {
			w.Errorf("%s: the account has %s, but the run does not report the %s; it reports %v", what, kept[kind], step,
				slices.Sorted(maps.Keys(told)))
		}
	}
}

// TestTwoAtOnce runs two commands at once, without the lease.
func TestTwoAtOnce(t *testing.T) {
	for _, k := range []kind{kinds[0], kinds[2]} {
		t.Run(k.name, func(t *testing.T) {
			var c clean
			bubble(t, func(w *world) { c = w.clean(k.prepare) })
			bubble(t, func(w *world) {
				k.prepare(w)
				before := w.account.Inventory()
				one, two := w.process("dev"), w.process("dev")
				err1, err2 := together(w.Context(), one.up, two.up)
				if err1 != nil || err2 != nil {
					w.Errorf("two ups at once: %v", errors.Join(err1, err2))
				}
				w.settle()
				w.wantComplete("two ups at once", c.want)
				one, two = w.process("dev"), w.process("dev")
				if err1, err2 = together(w.Context(), one.down, two.down); err1 != nil || err2 != nil {
					w.Errorf("two downs at once: %v", errors.Join(err1, err2))
				}
				w.settle()
				if d := cmp.Diff(before, w.account.Inventory()); d != "" {
					w.Errorf("after two downs at once the account has changed (-before +after):\n%s", d)
				}
			})
		})
	}
}

func together(ctx context.Context, one, two func(context.Context) error) (err1, err2 error) {
	var wg sync.WaitGroup
	wg.Go(func() { err1 = one(ctx) })
	wg.Go(func() { err2 = two(ctx) })
	wg.Wait()
	return err1, err2
}
