package lease

import (
	"errors"
	"fmt"
	"time"
)

// Held is a lease in somebody's hands. Its moments are by AWS's clock.
type Held struct {
	Nonce   string        `json:"nonce"`             // of this lease and no other
	Holder  string        `json:"holder"`            // user@host
	PID     int           `json:"pid"`               // on that host
	Machine string        `json:"machine,omitempty"` // the host's boot; empty if unknown
	Command string        `json:"command"`           // up or down
	Since   time.Time     `json:"since"`
	Expires time.Time     `json:"expires"` // if it is not renewed
	TTL     time.Duration `json:"ttl"`
}

const moment = "2006-01-02 15:04:05 MST"

// Who is the holder in words: user, host, command and process.
func (h Held) Who() string {
	return fmt.Sprintf("%s (flowbed %s, process %d)", h.Holder, h.Command, h.PID)
}

// String is the holder and the times, in words.
func (h Held) String() string {
	return fmt.Sprintf("%s since %s, until %s unless renewed",
		h.Who(), h.Since.UTC().Format(moment), h.Expires.UTC().Format(moment))
}

// HeldError says that somebody else holds the lease.
type HeldError struct {
	Env    string
	Held   Held
	Waited time.Duration // before giving up
}

func (e *HeldError) Error() string {
	s := fmt.Sprintf("environment %s is in use: %s", e.Env, e.Held)
	if e.Waited >= time.Second {
		s += fmt.Sprintf(" (waited %s)", e.Waited.Round(time.Second))
	}
	return s
}

// Hint says what a person can do about it.
func (e *HeldError) Hint() string {
	return fmt.Sprintf("wait for it, with a longer --lock-timeout if need be; if that run is dead, its lease runs out by itself "+
		"at %s, and `flowbed unlock` shows and removes it", e.Held.Expires.UTC().Format(moment))
}

// LostError says that a lease that this run held is not in force any more. It
// is the cause of the end of the run's context.
type LostError struct {
	Env string
	Now *Held // who holds it instead, if anybody
	Err error // why it could not be renewed, if that is the reason
}

func (e *LostError) Error() string {
	s := "lost the lease on environment " + e.Env
	switch {
	case e.Now != nil:
		s += ": it is held by " + e.Now.Who()
	case e.Err != nil:
		s += ": it could not be renewed in time: " + e.Err.Error()
	default:
		s += ": it was removed, as flowbed unlock does"
	}
	return s + "; stopped, because another run may be at work"
}

func (e *LostError) Unwrap() error { return e.Err }

// Hint says what a person can do about it.
func (e *LostError) Hint() string {
	return "run the same command again: it waits for its turn, looks at what is there, and goes on from here"
}

// ErrChanged says that a lease is not held by the one that was to be removed.
var ErrChanged = errors.New("the lease has changed hands meanwhile")

// ForeignError says that the parameter is not a lease of ours.
type ForeignError struct {
	Parameter string
	Err       error // what is wrong with it, if known
}

func (e *ForeignError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("parameter %s holds a lease that this flowbed cannot read: %v", e.Parameter, e.Err)
	}
	return fmt.Sprintf("parameter %s exists, and is not a lease of flowbed", e.Parameter)
}

func (e *ForeignError) Unwrap() error { return e.Err }

// Hint says what a person can do about it.
func (e *ForeignError) Hint() string {
	if e.Err != nil {
		return "use the newer flowbed that wrote it"
	}
	return "find out whose it is, and delete it, or give the environment another name"
}
