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

// DefaultTTL is how long a dead holder's lease stays in force.
const DefaultTTL = 2 * time.Minute

const (
	firstPause = 300 * time.Millisecond // between two looks at the log; grows
	mostPause  = 5 * time.Second
	// After a deletion AWS may refuse the name for 30 seconds. Nobody holds the
	// lease then, so Wait has no say in it.
	rest = 45 * time.Second
	// A write that readings do not show for so long has gone with the parameter.
	settle = 10 * time.Second
	// What is done in leaving has this long, also after an interruption.
	leave = 15 * time.Second
)

// Lease is the right to change one environment, which one run has at a time.
type Lease struct {
	API     *ssm.Client
	ID      resource.Identity
	Command string        // up or down: what the others are told
	TTL     time.Duration // DefaultTTL if zero; at most MaxTTL
	Wait    time.Duration // for another holder; 0: not at all
	Notify  func(Held)    // told whom Acquire waits for, once for each; may be nil

	// Settle is how long the lease of a dead process of this machine is left in
	// force after its last word: AWS may not show yet what that run has done.
	Settle time.Duration

	clock func() time.Time // the machine's; time.Now if nil
	self  *self            // who this is; the process itself if nil
}

// Parameter is the name of the parameter that is the lease of an environment.
func Parameter(env string) string { return "/flowbed/" + env + "/lease" }

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

func (l *Lease) wall() time.Time {
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

// self is who writes entries.
type self struct {
	holder  string // user@host
	pid     int
	machine string             // see machine
	dead    func(pid int) bool // whether no process of this machine has the number
}

func (l *Lease) me() self {
	if l.self != nil {
		return *l.self
	}
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return self{plain(name + "@" + host), os.Getpid(), machine(), dead}
}

func (l *Lease) entry(k kind, nonce string) entry {
	me := l.me()
	return entry{
		Kind: k, Nonce: nonce, Holder: me.holder, PID: me.pid, Machine: me.machine,
		Command: plain(l.Command), TTLSeconds: int(l.ttl() / time.Second),
	}
}

// View is the lease as one reading showed it.
type View struct {
	h    history
	took time.Duration
}

// Look reads the lease, and changes nothing.
func (l *Lease) Look(ctx context.Context) (*View, error) {
	begun := time.Now()
	h, err := l.read(ctx)
	if err != nil {
		return nil, err
	}
	return &View{h, time.Since(begun)}, nil
}

// Held is who held the lease; nil if nobody did.
func (v *View) Held() *Held { return v.h.current() }

// Fresh reports whether there was no lease at all: nobody has ever held one, or
// the last one went with its environment.
func (v *View) Fresh() bool { return v.h.Versions == 0 }

// quiet is how long ago the last entry must be, for its writer to have ended
// before the reading began: AWS's clock is told by the second.
const quiet = 3 * time.Second

// Quiet reports whether nobody can have been at work since the reading began.
// That is not known of a Fresh lease, which may have been deleted just then.
func (v *View) Quiet() bool {
	return !v.Fresh() && v.Held() == nil && v.h.now.Sub(v.h.Now) > quiet+v.took
}

// Acquire waits until the lease is ours. It goes on from a view, if one is given.
// The context that it returns ends when the lease is lost, with a *LostError as
// its cause, and with Release; the handle renews the lease until then. A
// *HeldError says who has it when Wait is over. Errors of AWS can be told by
// awserr.
func (l *Lease) Acquire(ctx context.Context, seen *View) (*Handle, context.Context, error) {
	a := &attempt{l: l, begun: time.Now(), nonce: newNonce()}
	for pause := firstPause; ; pause = min(pause*3/2, mostPause) {
		a.other = nil
		h, err := a.read(ctx, seen)
		if err == nil && !a.got(h) {
			if err = a.next(ctx, h); err == nil {
				h, err = l.read(ctx)
			}
		}
		if err == nil && a.got(h) {
			handle, run := l.hold(ctx, a.nonce, a.sent, h)
			handle.alone = seen != nil && h.follows(seen.h)
			return handle, run, nil
		}
		seen = nil
		if err == nil {
			err = errUnseen // or another was quicker: the next look will tell
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

// append writes an entry about a lease that is there.
func (l *Lease) append(ctx context.Context, k kind, nonce string, h history) error {
	_, err := l.write(ctx, l.entry(k, nonce), h)
	return err
}

// jitter spreads those who wait for the same thing.
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
