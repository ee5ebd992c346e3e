package lease

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision"
)

// Fence stops the writes of a run that does not hold its lease. A run that was stopped, or
// whose machine was suspended, for longer than its lease wakes up in the middle of a call.
// By then another run may be changing the environment. So every attempt of every writing
// call asks the fence right before it leaves, the SDK's own retries included.
//
// The lease is over as soon as one clock says so: the machine's monotonic clock, its wall
// clock, or the date in AWS's replies. The monotonic clock stands still while a machine is
// suspended, and a wall clock may be wrong.
//
// It also stops each attempt of a call whose provision.Window is over.
//
// The zero Fence stops all writes. Acquire opens it, and it closes for good when the lease
// is released or lost.
type Fence struct {
	// Clock returns the present by the machine's monotonic clock and by its wall clock.
	// It is time.Now if nil.
	Clock func() (steady, wall time.Time)

	mu     sync.Mutex
	env    string
	term   *term // nil before Acquire
	server time.Time
	failed error       // of the last renewal, since the term began
	lost   error       // why nothing may leave any more
	notify func(error) // is called once, when a clock shows that the lease is over

	windows map[*provision.Window]bool // of the attempts under way that have one
}

// instant is a moment by the clocks of the machine.
type instant struct {
	steady time.Time // compares by the monotonic clock
	wall   time.Time
}

// term is the time for which a lease is certainly in force.
type term struct {
	from   instant       // before the call that wrote the entry
	length time.Duration // counted from there
	server time.Time     // the end by AWS's clock; zero if unknown
}

// left is the time until the first clock says that the lease is over.
func (t term) left(now instant, server time.Time) time.Duration {
	left := t.length - max(now.steady.Sub(t.from.steady), now.wall.Sub(t.from.wall))
	if !t.server.IsZero() && !server.IsZero() {
		left = min(left, t.server.Sub(server))
	}
	return left
}

var (
	errUnlocked  = errors.New("flowbed holds no lock, so it changes nothing; this is a bug, please report it")
	errReleased  = errors.New("flowbed has released its lock, so it changes nothing more; this is a bug, please report it")
	errSuspended = errors.New("this process or its machine was suspended, or its clock was changed")
)

func (f *Fence) now() instant {
	if f.Clock != nil {
		steady, wall := f.Clock()
		return instant{steady, wall}
	}
	now := time.Now()
	return instant{now, now.Round(0)} // Round drops the monotonic reading
}

// open lets writes pass for the first term of a lease.
func (f *Fence) open(env string, t term, notify func(error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.env, f.term, f.notify, f.lost = env, &t, notify, nil
}

// extend begins the next term. It returns false if the present one is over by now: then
// AWS may have ignored the entry, and another run may hold the lease.
func (f *Fence) extend(next term) bool {
	if f.Check() != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.term, f.failed = &next, nil
	return true
}

// fail remembers why a renewal has failed, for the error if there is no other.
func (f *Fence) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = err
}

// close stops all writes from now on.
func (f *Fence) close(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost == nil || errors.Is(why, errReleased) {
		f.lost = why
	}
}

// left is how long writes may pass, if nothing else is heard from AWS.
func (f *Fence) left() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.term == nil || f.lost != nil {
		return 0
	}
	return max(0, f.term.left(f.now(), f.server))
}

// Check returns nil if a write may leave now. Otherwise it returns the reason, which is a
// *LostError if the lease was lost.
func (f *Fence) Check() error {
	f.mu.Lock()
	if f.term == nil {
		f.mu.Unlock()
		return errUnlocked
	}
	if f.lost == nil {
		if f.term.left(f.now(), f.server) <= 0 {
			why := f.failed
			if why == nil {
				why = errSuspended
			}
			f.lost = &LostError{Env: f.env, Err: why}
			lost, notify := f.lost, f.notify
			f.mu.Unlock()
			notify(lost)
			return lost
		}
	}
	defer f.mu.Unlock()
	return f.lost
}

// Over returns an error from the moment when a clock shows that the lease is over, until
// its release. Nothing needs to leave the process then, not even a read. It also returns one
// while an attempt is under way whose own window is over: a connection does not tell whose
// bytes it carries, and the SDK repeats the other calls.
func (f *Fence) Over() error {
	if err := f.Check(); errors.As(err, new(*LostError)) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.windows {
		if f.closed(*w) {
			return provision.ErrWindow
		}
	}
	return nil
}

// closed reports whether the window of a call is over by any clock.
func (f *Fence) closed(w provision.Window) bool {
	t := term{from: instant{w.From, w.From.Round(0)}, length: w.Length, server: w.Until}
	return t.left(f.now(), f.server) <= 0
}

// within notes that an attempt is under way, until the function that it returns is called.
func (f *Fence) within(ctx context.Context) (ended func()) {
	w, ok := provision.WindowOf(ctx)
	if !ok {
		return func() {}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.windows == nil {
		f.windows = map[*provision.Window]bool{}
	}
	f.windows[&w] = true
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.windows, &w)
	}
}

// observe remembers AWS's latest date.
func (f *Fence) observe(server time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if server.After(f.server) {
		f.server = server
	}
}

// Guard returns a configuration whose clients pass the fence.
func (f *Fence) Guard(cfg aws.Config) aws.Config {
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), f.middleware)
	return cfg
}

const fenceID = "flowbed:fence"

// middleware checks a call before it begins, and each of its attempts before it is sent.
func (f *Fence) middleware(s *middleware.Stack) error {
	if _, there := s.Initialize.Get(fenceID); there {
		return nil
	}
	err := s.Initialize.Add(middleware.InitializeMiddlewareFunc(fenceID,
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			out middleware.InitializeOutput, meta middleware.Metadata, err error) {
			if err := f.pass(ctx); err != nil {
				return out, meta, err
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	if err != nil {
		return err
	}
	// Deserialize is the step that is closest to the wire.
	return s.Deserialize.Add(middleware.DeserializeMiddlewareFunc(fenceID,
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
			out middleware.DeserializeOutput, meta middleware.Metadata, err error) {
			if err := f.pass(ctx); err != nil {
				return out, meta, err
			}
			ended := f.within(ctx)
			out, meta, err = next.HandleDeserialize(ctx, in)
			ended()
			if date, ok := awsmiddleware.GetServerTime(meta); ok {
				f.observe(date)
			}
			return out, meta, err
		}), middleware.Before)
}

func (f *Fence) pass(ctx context.Context) error {
	if ctx.Value(outsideKey{}) != nil || reads.MatchString(middleware.GetOperationName(ctx)) {
		return nil
	}
	if err := f.Check(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if w, ok := provision.WindowOf(ctx); ok && f.closed(w) {
		return provision.ErrWindow
	}
	return nil
}

// reads matches the names of operations that change nothing. Whatever it does not match
// counts as a write.
var reads = regexp.MustCompile(`^(Get|List|Describe|Head|Simulate|Lookup|Decode|BatchGet)[A-Z]`)

type outsideKey struct{}

// outside returns a context for the calls that a run makes to get its lease. They cannot
// need the lease.
func outside(ctx context.Context) context.Context {
	return context.WithValue(ctx, outsideKey{}, true)
}
