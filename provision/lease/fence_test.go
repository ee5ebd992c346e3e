package lease

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/sandbox"
)

// clocks are a machine's clocks, which a test sets.
type clocks struct{ steady, wall time.Time }

func (c *clocks) read() (steady, wall time.Time) { return c.steady, c.wall }

func (c *clocks) add(steady, wall time.Duration) {
	c.steady, c.wall = c.steady.Add(steady), c.wall.Add(wall)
}

// limit is how long the holder of a new lease may write.
const limit = DefaultTTL - DefaultTTL/8

// held is the fence of a run that has just acquired its lease.
func held(c *clocks, notify func(error)) *Fence {
	f := &Fence{Clock: c.read}
	l := &Lease{ID: demo, Fence: f}
	f.open(demo.Env, l.term(f.now(), start), notify)
	return f
}

// guarded are a client's calls to AWS, behind a fence.
func guarded(f *Fence, w wire) *ssm.Client {
	cfg := f.Guard(aws.Config{
		Region: demo.Region, HTTPClient: w, Credentials: sandbox.New().Config(demo.Region).Credentials,
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.RateLimiter = 8, ratelimit.None
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			})
		},
	})
	return ssm.NewFromConfig(cfg)
}

func put(ctx context.Context, api *ssm.Client) error {
	_, err := api.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("n"), Value: aws.String("v")})
	return err
}

// TestFenceByEachClock: a write that is being retried stops as soon as one clock says that
// the lease is over. A clock that goes back says nothing.
func TestFenceByEachClock(t *testing.T) {
	for name, c := range map[string]struct {
		steady, wall, server time.Duration // at each attempt
		want                 int           // attempts
	}{
		"all stand still":      {0, 0, 0, 8},
		"monotonic":            {limit / 2, 0, 0, 2},
		"wall":                 {0, limit / 2, 0, 2},
		"AWS's date":           {0, 0, limit / 2, 2},
		"in one go, monotonic": {limit, 0, 0, 1},
		"in one go, wall":      {0, time.Hour, 0, 1},
		"in one go, date":      {0, 0, time.Hour, 1},
		"wall goes back":       {limit / 4, -time.Hour, 0, 4},
		"date goes back":       {0, limit / 4, -time.Hour, 4},
	} {
		t.Run(name, func(t *testing.T) {
			clocks := &clocks{start, start}
			var lost []error
			f := held(clocks, func(err error) { lost = append(lost, err) })
			attempts, date := 0, start
			api := guarded(f, func(string) (int, string, time.Time) {
				attempts++
				clocks.add(c.steady, c.wall)
				date = date.Add(c.server)
				return 500, `{"__type": "InternalServerError"}`, date
			})
			err := put(t.Context(), api)
			if attempts != c.want {
				t.Errorf("have %d attempts, want %d: %v", attempts, c.want, err)
			}
			over := c.want < 8
			if is := errors.As(err, new(*LostError)); is != over || (len(lost) == 1) != over || (f.Over() != nil) != over {
				t.Errorf("have %v, told %v, over: %v; want the lease lost: %t", err, lost, f.Over(), over)
			}
			if over && !errors.Is(err, lost[0]) {
				t.Errorf("the call ended with %v, and the run with %v", err, lost[0])
			}
			attempts = 0
			if again := put(t.Context(), api); over && (attempts > 0 || again == nil) {
				t.Errorf("the next write: %d attempts, %v", attempts, again)
			}
		})
	}
}

// TestFenceOutsideALease: without a lease, and after its release, only reads pass.
func TestFenceOutsideALease(t *testing.T) {
	var calls []string
	answer := func(op string) (int, string, time.Time) {
		calls = append(calls, op)
		return 200, `{}`, start
	}
	clocks := &clocks{start, start}
	released := held(clocks, func(err error) { t.Errorf("told of %v", err) })
	released.close(errReleased)
	clocks.add(time.Hour, time.Hour)
	for name, f := range map[string]*Fence{"new": {}, "released": released} {
		t.Run(name, func(t *testing.T) {
			calls = nil
			api := guarded(f, answer)
			if err := put(t.Context(), api); err == nil || errors.As(err, new(*LostError)) {
				t.Errorf("a write ended with %v", err)
			}
			if _, err := api.GetParameterHistory(t.Context(), &ssm.GetParameterHistoryInput{Name: aws.String("n")}); err != nil {
				t.Error(err)
			}
			if err := put(outside(t.Context()), api); err != nil {
				t.Errorf("a claim: %v", err)
			}
			if f.Over() != nil {
				t.Errorf("over: %v", f.Over())
			}
			if want := []string{"GetParameterHistory", "PutParameter"}; !slices.Equal(calls, want) {
				t.Errorf("have calls %v, want %v", calls, want)
			}
		})
	}
}

// TestFenceReads: an operation that is not known to read counts as a write.
func TestFenceReads(t *testing.T) {
	for op, reads := range map[string]bool{
		"GetParameter": true, "ListRoles": true, "DescribeInstances": true, "HeadBucket": true, "SimulatePrincipalPolicy": true,
		"GetObject": true, "BatchGetImage": true, "Getaway": false, "PutObject": false, "SendCommand": false, "ReceiveMessage": false,
		"CreateRole": false, "": false, "BatchDeleteImage": false, "AssociateAddress": false, "UntagRole": false,
	} {
		ctx := middleware.WithOperationName(t.Context(), op)
		if err := new(Fence).pass(ctx); (err == nil) != reads {
			t.Errorf("%q: have %v, want it to pass: %t", op, err, reads)
		}
	}
}

// TestSuspendedHolder: the machine's monotonic clock stands still while it is suspended. The
// run that wakes up neither writes nor renews its lease, whoever holds it by now.
func TestSuspendedHolder(t *testing.T) {
	for _, taken := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := sandbox.New()
			var slept atomic.Int64 // by which the wall clock is ahead
			alice := by(a, "alice", 0)
			alice.Fence = &Fence{Clock: func() (steady, wall time.Time) { return time.Now(), time.Now().Add(time.Duration(slept.Load())) }}
			h, run := acquire(t, alice)
			time.Sleep(time.Minute) // with a renewal
			if run.Err() != nil {
				t.Fatal(context.Cause(run))
			}
			if taken {
				h.crash() // while alice is suspended, her renewals are too
				time.Sleep(DefaultTTL)
				bob, _ := acquire(t, by(a, "bob", 0))
				defer releaseOf(t, bob, false)
			}
			slept.Store(int64(5 * time.Minute))
			writes := len(a.Writes())
			cfg := alice.Fence.Guard(a.Config(demo.Region))
			err := put(t.Context(), ssm.NewFromConfig(cfg))
			if lost, is := errors.AsType[*LostError](err); !is || !strings.Contains(lost.Error(), "suspended") || !errors.Is(context.Cause(run), lost) {
				t.Errorf("a write after waking up: %v; the run: %v", err, context.Cause(run))
			}
			if err := h.Release(true); !errors.As(err, new(*LostError)) {
				t.Errorf("the release: %v", err)
			}
			if made := a.Writes()[writes:]; len(made) > 0 {
				t.Errorf("after waking up, the run wrote %v", made)
			}
		})
	}
}

// TestRenewalKeepsTheFenceOpen, by all clocks.
func TestRenewalKeepsTheFenceOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sandbox.New()
		alice := by(a, "alice", 0)
		h, _ := acquire(t, alice)
		for range 20 {
			time.Sleep(time.Minute)
			if err := alice.Fence.Check(); err != nil {
				t.Fatal(err)
			}
		}
		releaseOf(t, h, false)
		if err := alice.Fence.Check(); !errors.Is(err, errReleased) {
			t.Errorf("after the release: %v", err)
		}
	})
}
