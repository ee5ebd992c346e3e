package resource

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// The tags of an environment that is not to stay for ever.
const (
	KeyExpires = "flowbed:expires-at" // on every object of the environment alone: a time in RFC 3339, UTC
	KeyTTL     = "flowbed:ttl"        // on its log group: the ttl from which that time was told
)

// Lifetime says until when the objects of an environment are meant to live. They
// all have one expiry, which the log group keeps: a later run does not move it,
// unless the ttl is another one, or it has passed. A nil Lifetime is for ever.
type Lifetime struct {
	TTL   time.Duration // more than 0, in whole seconds
	Start time.Time     // of this run

	// LogTags returns the tags of the environment's log group as they were read
	// last; nil if they are not known, or the group is not the environment's.
	LogTags func() Tags

	mu   sync.Mutex
	kept time.Time // the log group's, once it was seen
}

// Expires is the time at which the environment's life ends. While the log
// group is being read again, it is that of the reading before.
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

// Text is the ttl as it is written in the tag: "8h", "1h30m".
func (l *Lifetime) Text() string { return Span(l.TTL) }

// Span is a length of time without the parts that are zero.
func Span(d time.Duration) string {
	s := d.Round(time.Second).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// Expires is the time at which the object's life ends; ok is false if it has no
// such tag, or one that is no time.
func (t Tags) Expires() (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, t[KeyExpires])
	return at.UTC(), err == nil
}

// life are the tags of an object that goes with its environment.
func (i Identity) life() Tags {
	if i.Life == nil {
		return nil
	}
	return Tags{KeyExpires: i.Life.Expires().Format(time.RFC3339)}
}

// spent are the tags of a life that the spec does not limit any more. They are
// ours, so they go.
func (t Tags) spent(want Tags) (keys []string, was string) {
	var b []string
	for _, k := range []string{KeyExpires, KeyTTL} {
		_, wanted := want[k]
		if v, ok := t[k]; ok && !wanted {
			keys = append(keys, k)
			b = append(b, fmt.Sprintf("%s=%s", k, v))
		}
	}
	return keys, strings.Join(b, ", ")
}
