package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/e2e/able"
)

var demo = resource.Identity{Env: "demo", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "test"}

// by is the lease as one of several machines sees it.
func by(a *sandbox.Account, name string, wait time.Duration) *Lease {
	return &Lease{
		API: ssm.NewFromConfig(a.Config(demo.Region)), ID: demo, Command: "up", Wait: wait,
		writer: &writer{holder: name + "@host", pid: 4711, dead: func(int) bool { return false }},
	}
}

func acquire(t *testing.T, l *Lease) (*Handle, context.Context) {
	t.Helper()
	h, ctx, err := l.Acquire(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return h, ctx
}

func releaseOf(t *testing.T, h *Handle, remove bool) {
	t.Helper()
	if err := h.Release(remove); err != nil {
		t.Error(err)
	}
}

// crash leaves a lease as a killed process does.
func (k *Handle) crash() {
	k.stop()
	<-k.done
}

// exists reports whether the parameter does, and its tags.
func exists(t *testing.T, a *sandbox.Account) (resource.Tags, bool) {
	t.Helper()
	out, err := ssm.NewFromConfig(a.Config(demo.Region)).ListTagsForResource(t.Context(), &ssm.ListTagsForResourceInput{
		ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: aws.String(Parameter(demo.Env)),
	})
	if err != nil {
		return nil, false
	}
	tags := resource.Tags{}
	for _, tag := range out.TagList {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return tags, true
}

// TestOneAtATime has many wait for the lease, each of whom reads the whole log
// every few seconds: twice as many take four times as long.
func TestOneAtATime(t *testing.T) {
	users := 6
	if able.All() {
		users = 12
	}
	throttled := &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
	for _, c := range []struct {
		name    string
		account func(*sandbox.Account)
		clock   func(i int) time.Duration // how far the machine's is ahead
		remove  func(i int) bool          // who is a down
	}{
		{name: "plain"},
		{name: "reads that lag", account: func(a *sandbox.Account) { a.Lag = 2 * time.Second }},
		{name: "clocks that differ", clock: func(i int) time.Duration { return time.Duration(i%3-1) * time.Minute }},
		{name: "some delete it", remove: func(i int) bool { return i%3 == 0 }},
		{name: "some delete it, and the name rests", remove: func(i int) bool { return i%3 == 0 },
			account: func(a *sandbox.Account) { a.ParameterRest = 30 * time.Second }},
		{name: "all at once", clock: func(i int) time.Duration { return time.Duration(i%3-1) * time.Minute },
			remove: func(i int) bool { return i%3 == 0 },
			account: func(a *sandbox.Account) {
				a.Lag, a.ParameterRest = time.Second, 30*time.Second
				r := rand.New(rand.NewPCG(7, 7))
				a.Fault = func(c sandbox.Call) (f sandbox.Fault) {
					switch n := r.IntN(10); {
					case n < 2:
						f.Refuse = throttled
					case n < 4 && c.Operation == "PutParameter":
						f.Lose = true
					}
					return f
				}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := sandbox.New()
				if c.account != nil {
					c.account(a)
				}
				var wg sync.WaitGroup
				var mu sync.Mutex
				inside, served := 0, 0
				for i := range users {
					l := by(a, fmt.Sprint("user", i), 3*time.Hour)
					if c.clock != nil {
						ahead := c.clock(i)
						l.clock = func() time.Time { return time.Now().Add(ahead) }
					}
					wg.Go(func() {
						h, ctx, err := l.Acquire(t.Context(), nil)
						if err != nil {
							t.Errorf("user%d: %v", i, err)
							return
						}
						mu.Lock()
						if inside++; inside != 1 {
							t.Errorf("user%d: %d hold the lease", i, inside)
						}
						served++
						mu.Unlock()
						if err := sleep(ctx, time.Duration(1+i*20)*time.Second); err != nil {
							t.Errorf("user%d: %v", i, err)
						}
						mu.Lock()
						inside--
						mu.Unlock()
						releaseOf(t, h, c.remove != nil && c.remove(i))
					})
				}
				wg.Wait()
				if served != users {
					t.Errorf("%d of %d had the lease", served, users)
				}
			})
		})
	}
}

// A holder that renews for longer than AWS keeps versions is not forgotten.
func TestLongRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		h, ctx := acquire(t, by(a, "alice", 0))
		free := make(chan time.Time)
		go func() {
			second, _ := acquire(t, by(a, "bob", 4*time.Hour))
			free <- time.Now()
			releaseOf(t, second, false)
		}()
		if err := sleep(ctx, 80*time.Minute); err != nil {
			t.Fatal(err)
		}
		if n := len(a.Writes()); n < 110 { // AWS keeps 100
			t.Fatalf("only %d versions were written", n)
		}
		end := time.Now()
		releaseOf(t, h, false)
		if got := (<-free).Sub(end); got < 0 || got > 10*time.Second {
			t.Errorf("bob had the lease %v after the release", got)
		}
		synctest.Wait()
	})
}

func TestDeadHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		h, _ := acquire(t, by(a, "alice", 0))
		h.crash()
		begun := time.Now()
		var told []Held
		l := by(a, "bob", 5*time.Minute)
		l.Notify = func(h Held) { told = append(told, h) }
		second, _ := acquire(t, l)
		if took := time.Since(begun); took < DefaultTTL || took > DefaultTTL+time.Second {
			t.Errorf("bob waited %v for a lease of %v", took, DefaultTTL)
		}
		if len(told) != 1 || told[0].Holder != "alice@host" || told[0].Command != "up" || told[0].PID != 4711 {
			t.Errorf("bob was told of %v", told)
		}
		if err := h.Release(true); err == nil {
			t.Error("alice gave back what is bob's")
		}
		if held, err := l.Current(t.Context()); err != nil || held == nil || held.Holder != "bob@host" {
			t.Errorf("have %v, %v, want bob", held, err)
		}
		releaseOf(t, second, false)
	})
}

// Who died on this machine is not waited for.
func TestDeadProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		gone := false
		on := func(name, machine string) *Lease {
			l := by(a, name, 0)
			l.writer.machine, l.writer.dead = machine, func(int) bool { return gone }
			return l
		}
		h, _ := acquire(t, on("alice", "m1"))
		h.crash()
		for _, l := range []*Lease{on("bob", "m1"), on("bob", "m2"), on("bob", "")} {
			if _, _, err := l.Acquire(t.Context(), nil); err == nil {
				t.Fatalf("the machine %q took the lease of a living process", l.writer.machine)
			}
			gone = true
		}
		begun := time.Now()
		second, _ := acquire(t, on("bob", "m1"))
		if took := time.Since(begun); took > time.Second {
			t.Errorf("bob waited %v", took)
		}
		second.crash()

		// What that one did last may not be visible yet.
		careful := on("bob", "m1")
		careful.Settle, careful.Wait = 15*time.Second, time.Minute
		begun = time.Now()
		third, _ := acquire(t, careful)
		if took := time.Since(begun); took < 14*time.Second || took > 31*time.Second { // and two pauses of at most 7.5 s
			t.Errorf("bob waited %v, want about 15 s", took)
		}
		releaseOf(t, third, false)
	})
}

func TestLostReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		a.ParameterRest = 30 * time.Second
		a.Fault = func(c sandbox.Call) sandbox.Fault { return sandbox.Fault{Lose: c.Write} }
		for range 3 {
			h, ctx := acquire(t, by(a, "alice", 0))
			if err := sleep(ctx, 5*time.Minute); err != nil {
				t.Fatal(err)
			}
			releaseOf(t, h, false)
			h, _ = acquire(t, by(a, "alice", 0))
			releaseOf(t, h, true)
			if _, ok := exists(t, a); ok {
				t.Fatal("the parameter is still there")
			}
		}
	})
}

// Between the call and its reply anything may happen, also to the last one.
func TestDeletionWithoutReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		down, up := by(a, "down", 0), by(a, "up", time.Hour)
		h, _ := acquire(t, down)
		var second *Handle
		var run context.Context
		a.Fault = func(c sandbox.Call) (f sandbox.Fault) {
			if c.Operation == "DeleteParameter" {
				a.Fault = nil
				f.Refuse = errors.Join(&smithy.GenericAPIError{Code: "ServiceUnavailable"})
				f.Then = func() {
					// It was carried out, and another one is quick.
					_, _ = up.API.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String(Parameter(demo.Env))})
					second, run = acquire(t, up)
				}
			}
			return f
		}
		releaseOf(t, h, true)
		if err := sleep(run, 10*time.Minute); err != nil {
			t.Errorf("the next one lost its lease: %v", err)
		}
		releaseOf(t, second, false)
	})
}

func TestUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		other := by(a, "carol", 0)
		if held, err := other.Current(t.Context()); held != nil || err != nil {
			t.Fatalf("have %v, %v, want no holder", held, err)
		}
		h, _ := acquire(t, by(a, "alice", 0))
		shown, err := other.Current(t.Context())
		if err != nil || shown.Holder != "alice@host" {
			t.Fatalf("have %v, %v, want alice", shown, err)
		}
		releaseOf(t, h, false)
		if err := other.Break(t.Context(), shown.Nonce); err != nil {
			t.Errorf("a lease that has ended: %v", err)
		}
		h, ctx := acquire(t, by(a, "bob", 0))
		if err := other.Break(t.Context(), shown.Nonce); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "bob@host") {
			t.Errorf("have %v, want ErrChanged with bob", err)
		}
		if shown, err = other.Current(t.Context()); err != nil || shown.Holder != "bob@host" {
			t.Fatalf("have %v, %v, want bob", shown, err)
		}
		if err := other.Break(t.Context(), shown.Nonce); err != nil {
			t.Fatal(err)
		}
		next, _ := acquire(t, other)
		begun := time.Now()
		<-ctx.Done()
		lost, ok := errors.AsType[*LostError](context.Cause(ctx))
		if took := time.Since(begun); !ok || lost.Now == nil || lost.Now.Holder != "carol@host" || took > DefaultTTL/3 {
			t.Errorf("bob was told %v after %v", context.Cause(ctx), took)
		}
		if err := h.Release(true); !errors.Is(err, lost) {
			t.Errorf("have %v, want %v", err, lost)
		}
		releaseOf(t, next, false)
	})
}

// When AWS cannot be reached, the holder stops before another one can begin.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		cut := by(a, "alice", 0)
		cut.API = ssm.NewFromConfig(a.Config(demo.Region), func(o *ssm.Options) { o.Retryer = aws.NopRetryer{} })
		var off atomic.Bool
		a.Fault = func(c sandbox.Call) (f sandbox.Fault) {
			if off.Load() {
				f.Refuse = &smithy.GenericAPIError{Code: "InternalServerError"}
			}
			return f
		}
		h, ctx := acquire(t, cut)
		_ = sleep(ctx, 30*time.Second)
		off.Store(true)
		<-ctx.Done()
		off.Store(false)
		if lost, ok := errors.AsType[*LostError](context.Cause(ctx)); !ok || lost.Err == nil || awserr.Classify(lost) != awserr.Transient {
			t.Errorf("the cause is %v", context.Cause(ctx))
		}
		if _, _, err := by(a, "bob", 0).Acquire(t.Context(), nil); err == nil {
			t.Error("bob began before alice had surely stopped")
		}
		if err := h.Release(false); err == nil {
			t.Error("alice gave back what she had lost")
		}
		second, _ := acquire(t, by(a, "bob", DefaultTTL))
		releaseOf(t, second, false)
	})
}

func TestParameterDeletedByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		l := by(a, "alice", 0)
		h, ctx := acquire(t, l)
		if _, err := l.API.DeleteParameter(t.Context(), &ssm.DeleteParameterInput{Name: aws.String(l.parameter())}); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		if _, ok := errors.AsType[*LostError](context.Cause(ctx)); !ok {
			t.Errorf("the cause is %v", context.Cause(ctx))
		}
		_ = h.Release(false)
		if _, ok := exists(t, a); ok {
			t.Error("the parameter is there again")
		}
	})
}

func TestInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		h, _ := acquire(t, by(a, "alice", 0))
		_, _, err := by(a, "bob", 30*time.Second).Acquire(t.Context(), nil)
		want := "environment demo is locked by alice@host (flowbed up, process 4711) since 2000-01-01 00:00:00 UTC, " +
			"expires 2000-01-01 00:02:00 UTC unless renewed (waited 30s)"
		if err == nil || err.Error() != want {
			t.Errorf("have %v\nwant %v", err, want)
		}
		held, ok := errors.AsType[*HeldError](err)
		want = "wait longer with --lock-timeout; if that run is dead, wait until its lock expires at 2000-01-01 00:02:00 UTC, " +
			"or remove it now with `flowbed unlock`"
		if !ok || held.Hint() != want {
			t.Errorf("have %v\nwant %v", held.Hint(), want)
		}
		begun := time.Now()
		if _, _, err := by(a, "bob", 0).Acquire(t.Context(), nil); err == nil || time.Since(begun) > 0 {
			t.Errorf("without waiting: %v after %v", err, time.Since(begun))
		}
		releaseOf(t, h, false)
		releaseOf(t, h, true) // no effect
		if tags, ok := exists(t, a); !ok || tags.Owner().By != demo.Owner() {
			t.Errorf("the parameter's tags are %v", tags)
		}
	})
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		stop := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		h, run, err := by(a, "alice", 0).Acquire(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		waiting := make(chan error)
		wait, cancelWait := context.WithCancelCause(t.Context())
		go func() {
			_, _, err := by(a, "bob", time.Hour).Acquire(wait, nil)
			waiting <- err
		}()
		time.Sleep(10 * time.Second)
		cancelWait(stop)
		if err := <-waiting; !errors.Is(err, stop) {
			t.Errorf("waiting ended with %v", err)
		}
		cancel(stop)
		<-run.Done()
		if !errors.Is(context.Cause(run), stop) {
			t.Errorf("the run ended with %v", context.Cause(run))
		}
		time.Sleep(5 * time.Minute) // what is under way finishes, under the lease
		if held, err := by(a, "bob", 0).Current(t.Context()); err != nil || held == nil {
			t.Errorf("have %v, %v, want alice", held, err)
		}
		releaseOf(t, h, false)
	})
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, op := range []string{"GetParameterHistory", "PutParameter"} {
			for _, code := range []string{"AccessDeniedException", "UnknownOperationException"} {
				a := sandbox.New()
				a.Fault = func(c sandbox.Call) (f sandbox.Fault) {
					if c.Operation == op {
						f.Refuse = &smithy.GenericAPIError{Code: code, Message: "no"}
					}
					return f
				}
				begun := time.Now()
				_, _, err := by(a, "alice", time.Hour).Acquire(t.Context(), nil)
				if awserr.Classify(err) != awserr.Denied || time.Since(begun) > 0 || !strings.Contains(err.Error(), Parameter("demo")) {
					t.Errorf("%s, %s: %v after %v", op, code, err, time.Since(begun))
				}
			}
		}
	})
}

func TestForeign(t *testing.T) {
	for _, value := range []string{"mine", `{"v": 2, "kind": "claim"}`} {
		a := sandbox.New()
		l := by(a, "alice", time.Hour)
		if _, err := l.API.PutParameter(t.Context(), &ssm.PutParameterInput{
			Name: aws.String(l.parameter()), Type: types.ParameterTypeString, Value: aws.String(value),
		}); err != nil {
			t.Fatal(err)
		}
		_, _, err := l.Acquire(t.Context(), nil)
		conflict, ok := errors.AsType[*ConflictError](err)
		if !ok || errors.Is(err, errNewer) != strings.Contains(value, "v") || conflict.Hint() == "" {
			t.Errorf("%s: %v", value, err)
		}
		if _, err := l.Tidy(t.Context()); err == nil {
			t.Errorf("%s: tidied", value)
		}
		if n := len(a.Writes()); n != 1 {
			t.Errorf("%s: %d writes to what is not ours", value, n-1)
		}
	}
}

func TestTidy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		l := by(a, "alice", time.Hour)
		if found, err := l.Tidy(t.Context()); found || err != nil {
			t.Errorf("have %v, %v, want nothing", found, err)
		}
		h, _ := acquire(t, by(a, "bob", 0))
		if found, err := l.Tidy(t.Context()); !found || err == nil {
			t.Errorf("have %v, %v, want bob's", found, err)
		}
		h.crash()
		time.Sleep(DefaultTTL)
		if found, err := l.Tidy(t.Context()); !found || err != nil {
			t.Errorf("have %v, %v, want it gone", found, err)
		}
		if _, ok := exists(t, a); ok {
			t.Error("the parameter is still there")
		}
	})
}

// Nobody contends: the usual case costs little.
func TestCalls(t *testing.T) {
	a := sandbox.New()
	h, _ := acquire(t, by(a, "alice", 0))
	releaseOf(t, h, true)
	var have []string
	for _, c := range a.Calls() {
		have = append(have, c.Operation)
	}
	want := []string{"GetParameterHistory", "PutParameter", "GetParameterHistory", "DeleteParameter"}
	if !slices.Equal(have, want) {
		t.Errorf("have %v\nwant %v", have, want)
	}
}
