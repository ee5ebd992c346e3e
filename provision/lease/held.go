package lease

import (
	"errors"
	"fmt"
	"time"
)

// Held describes the run that holds a lease. All times are by AWS's clock.
type Held struct {
	Nonce   string        `json:"nonce"`             // unique to this lease
	Holder  string        `json:"holder"`            // user@host
	PID     int           `json:"pid"`               // on the holder's host
	Machine string        `json:"machine,omitempty"` // identifies the host's boot; empty if unknown
	Command string        `json:"command"`           // up or down
	Since   time.Time     `json:"since"`
	Expires time.Time     `json:"expires"` // unless the holder renews it
	TTL     time.Duration `json:"ttl"`
}

const timeFormat = "2006-01-02 15:04:05 MST"

// Who names the holder: user, host, command and process.
func (h Held) Who() string {
	return fmt.Sprintf("%s (flowbed %s, process %d)", h.Holder, h.Command, h.PID)
}

// String names the holder and the times of the lease.
func (h Held) String() string {
	return fmt.Sprintf("%s since %s, expires %s unless renewed",
		h.Who(), h.Since.UTC().Format(timeFormat), h.Expires.UTC().Format(timeFormat))
}

// HeldError means that another run holds the lease.
type HeldError struct {
	Env    string
	Held   Held
	Waited time.Duration // before giving up
}

func (e *HeldError) Error() string {
	s := fmt.Sprintf("environment %s is locked by %s", e.Env, e.Held)
	if e.Waited >= time.Second {
		s += fmt.Sprintf(" (waited %s)", e.Waited.Round(time.Second))
	}
	return s
}

// Hint is what the user can do.
func (e *HeldError) Hint() string {
	return fmt.Sprintf("wait longer with --lock-timeout; if that run is dead, wait until its lock expires at %s, "+
		"or remove it now with `flowbed unlock`", e.Held.Expires.UTC().Format(timeFormat))
}

// LostError means that this run held the lease and lost it. It is the cause of the
// run's context.
type LostError struct {
	Env string
	Now *Held // the run that holds it now; may be nil
	Err error // why the renewal failed; may be nil
}

func (e *LostError) Error() string {
	s := "lost the lock on environment " + e.Env
	switch {
	case e.Now != nil:
		s += ": " + e.Now.Who() + " holds it now"
	case e.Err != nil:
		s += ": could not renew it in time: " + e.Err.Error()
	default:
		s += ": somebody removed it, for example with flowbed unlock"
	}
	return s + "; stopped, because another run may be changing the environment"
}

func (e *LostError) Unwrap() error { return e.Err }

// Hint is what the user can do.
func (e *LostError) Hint() string {
	return "run the same command again: it waits for the lock and continues from here"
}

// ErrChanged means that another run has taken the lease since it was shown.
var ErrChanged = errors.New("another run has taken the lock")

// ConflictError means that the parameter is not a lease that this program can read.
type ConflictError struct {
	Parameter string
	Err       error // why it cannot be read; nil if it is not a lease
}

func (e *ConflictError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("parameter %s holds a lock that this version of flowbed cannot read: %v", e.Parameter, e.Err)
	}
	return fmt.Sprintf("parameter %s exists, but it is not a flowbed lock", e.Parameter)
}

func (e *ConflictError) Unwrap() error { return e.Err }

// Hint is what the user can do.
func (e *ConflictError) Hint() string {
	if e.Err != nil {
		return "use the newer version of flowbed"
	}
	return "find its owner and delete it, or rename the environment"
}
