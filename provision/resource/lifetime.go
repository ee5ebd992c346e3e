package resource

import (
	"strings"
	"sync"
	"time"
)

// The tags of an environment with a ttl.
const (
	KeyExpires = "flowbed:expires-at" // on each object that only this environment uses: a time in RFC 3339, UTC
	KeyTTL     = "flowbed:ttl"        // on its log group: the ttl from which the expiry was computed
)

// Lifetime is the expiry of an environment. All its objects have the same expiry, which
// the log group records. A later run keeps it, unless the ttl has changed or the expiry
// has passed. A nil Lifetime means that the environment does not expire.
type Lifetime struct {
	TTL   time.Duration // more than 0, in whole seconds
	Start time.Time     // of this run

	// LogTags returns the tags from the last reading of the environment's log group. It
	// returns nil if they are unknown, or if the log group is not ours.
	LogTags func() Tags

	mu   sync.Mutex
	kept time.Time // the expiry from the log group, after a reading has shown it
}

// Expires is the time at which the environment expires. While the log group is being read
// again, it is the time from the reading before.
func (l *Lifetime) Expires() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.LogTags(); t[KeyTTL] == l.Text() {
		if at, ok := t.Expires(); ok && at.After(l.Start) {
			l.kept = at
		}
	}
	if !l.kept.IsZero() {
		return l.kept
	}
	return l.Start.UTC().Truncate(time.Second).Add(l.TTL)
}

// Text is the ttl as in the tag: "8h", "1h30m".
func (l *Lifetime) Text() string { return Span(l.TTL) }

// Span formats a duration without the units that are zero at its end.
func Span(d time.Duration) string {
	s := d.Round(time.Second).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// Expires is the expiry in the tags; ok is false if there is none, or if it is not a time.
func (t Tags) Expires() (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, t[KeyExpires])
	return at.UTC(), err == nil
}

// life returns the tags of an object that expires with its environment.
func (i Identity) life() Tags {
	if i.Life == nil {
		return nil
	}
	return Tags{KeyExpires: i.Life.Expires().Format(time.RFC3339)}
}
