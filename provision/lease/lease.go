package lease

import (
	"context"
	"math/rand/v2"
	"os"
	"os/user"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/resource"
)

// DefaultTTL is how long the lease of a dead run stays in force.
const DefaultTTL = 2 * time.Minute

const (
	firstPause = 300 * time.Millisecond // between two reads of the log; it grows
	maxPause   = 5 * time.Second
	// After a deletion AWS may refuse the name for 30 seconds. Nobody holds the
	// lease then, so Wait does not limit this.
	nameReuse = 45 * time.Second
	// A write that no read has shown after this time was deleted with the parameter.
	settle = 10 * time.Second
	// The time limit for cleaning up, which also happens after an interruption.
	cleanup = 15 * time.Second
)

// Lease is the right to change one environment. Only one run has it at a time.
type Lease struct {
	API     *ssm.Client
	ID      resource.Identity
	Command string        // up or down; shown to runs that wait
	TTL     time.Duration // DefaultTTL if zero; at most MaxTTL
	Wait    time.Duration // how long to wait for another holder; 0 does not wait
	Notify  func(Held)    // called once for each holder that Acquire waits for; may be nil

	// Settle is how long to wait after the last write of a dead process on this
	// machine before taking its lease over. AWS may not show that run's last
	// changes earlier.
	Settle time.Duration

	// Fence stops the writes of this run while it does not hold the lease. nil stops only
	// the writes of the lease itself.
	Fence *Fence

	clock  func() time.Time // the machine's clock; time.Now if nil
	writer *writer          // this process if nil
}

// Parameter is the name of the parameter that holds the lease of an environment.
func Parameter(env string) string { return resource.Names{Env: env}.Lease() }

// fence is the fence of this run.
func (l *Lease) fence() *Fence {
	if l.Fence == nil {
		l.Fence = new(Fence)
	}
	return l.Fence
}

func (l *Lease) parameter() string { return Parameter(l.ID.Env) }

// Permissions are what the calls need. An up, too, leaves no lease behind where it
// has built nothing.
func (l *Lease) Permissions() resource.Permissions {
	arn := []string{l.ID.ARN("ssm", l.ID.Region, "parameter"+l.parameter())}
	need := []resource.Permission{
		{Actions: []string{"ssm:GetParameterHistory", "ssm:PutParameter", "ssm:DeleteParameter"}, Resources: arn},
		{Actions: []string{"ssm:AddTagsToResource"}, Resources: arn, Implied: "Systems Manager checks it where PutParameter carries tags"},
	}
	return resource.Permissions{Build: need, Delete: need}
}

// now is the machine's clock, for people to read.
func (l *Lease) now() time.Time {
	if l.clock != nil {
		return l.clock()
	}
	return time.Now()
}

func (l *Lease) ttl() time.Duration {
	if l.TTL <= 0 {
		return DefaultTTL
	}
	return min(max(l.TTL.Truncate(time.Second), time.Second), MaxTTL)
}

// writer is the process that writes entries.
type writer struct {
	holder  string // user@host
	pid     int
	machine string             // see machine
	dead    func(pid int) bool // reports whether no process on this machine has this number
}

func (l *Lease) self() writer {
	if l.writer != nil {
		return *l.writer
	}
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return writer{sanitize(name + "@" + host), os.Getpid(), machine(), dead}
}

func (l *Lease) entry(k kind, nonce string) entry {
	w := l.self()
	return entry{
		Kind: k, Nonce: nonce, Holder: w.holder, PID: w.pid, Machine: w.machine,
		Command: sanitize(l.Command), TTLSeconds: int(l.ttl() / time.Second),
	}
}

// View is the lease as one read showed it.
type View struct {
	h    history
	took time.Duration
}

// Look reads the lease. It changes nothing.
func (l *Lease) Look(ctx context.Context) (*View, error) {
	begun := time.Now()
	h, err := l.read(ctx)
	if err != nil {
		return nil, err
	}
	return &View{h, time.Since(begun)}, nil
}

// Held is the run that held the lease; nil if nobody did.
func (v *View) Held() *Held { return v.h.current() }

// Fresh reports whether the lease did not exist: no run has ever held it, or down
// deleted it together with the environment.
func (v *View) Fresh() bool { return v.h.Versions == 0 }

// quiet is the age of the last entry from which its writer must have ended before the
// read began. AWS's clock is known only to the second.
const quiet = 3 * time.Second

// Quiet reports whether no run can have changed the environment since the read began.
// It is false for a Fresh lease, which a run may have deleted just before.
func (v *View) Quiet() bool {
	return !v.Fresh() && v.Held() == nil && v.h.now.Sub(v.h.Now) > quiet+v.took
}

// Acquire waits until this run holds the lease. It starts from a view, unless that is
// nil. The handle renews the lease. The context that Acquire returns ends at Release, or
// when the lease is lost, with a *LostError as its cause. If another run still holds the
// lease after Wait, the error is a *HeldError. Package awserr classifies errors from AWS.
func (l *Lease) Acquire(ctx context.Context, seen *View) (*Handle, context.Context, error) {
	a := &attempt{l: l, begun: time.Now(), nonce: newNonce()}
	claims := outside(ctx)
	for pause := firstPause; ; pause = min(pause*3/2, maxPause) {
		a.other = nil
		h, err := a.read(ctx, seen)
		if err == nil && !a.holds(h) {
			if err = a.next(claims, h); err == nil {
				h, err = l.read(ctx)
			}
		}
		if err == nil && a.holds(h) {
			handle, run := l.hold(ctx, a.nonce, a.from, h)
			handle.alone = seen != nil && h.follows(seen.h)
			return handle, run, nil
		}
		seen = nil
		if err == nil {
			err = errUnseen // or another run was faster; the next read shows it
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err = a.judge(err); err == nil {
			err = sleep(ctx, a.shorten(jitter(pause), h))
		}
		if err != nil {
			a.abandon(ctx)
			return nil, nil, err
		}
	}
}

// append writes an entry about an existing lease.
func (l *Lease) append(ctx context.Context, k kind, nonce string, h history, options ...func(*ssm.Options)) error {
	_, err := l.write(ctx, l.entry(k, nonce), h, options...)
	return err
}

// jitter spreads the retries of runs that wait for the same thing.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
