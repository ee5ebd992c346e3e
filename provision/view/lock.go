package view

import (
	"io"
	"time"
)

// Lock is the lock of an environment.
type Lock struct {
	Holder  string // user@host
	Command string // of flowbed
	PID     int    // on the holder's host
	Since   time.Time
	Expires time.Time // unless the holder renews it
}

type (
	jsonLock struct {
		Holder  string `json:"holder"`  // user@host
		Command string `json:"command"` // up or down
		PID     int    `json:"pid"`     // on the holder's host
		Since   string `json:"since" schema:"date-time"`
		Expires string `json:"expires" schema:"date-time"` // unless the holder renews it
	}
	jsonUnlock struct {
		FormatVersion string     `json:"format_version" schema:"2"`
		Type          string     `json:"type" schema:"lock"`
		Header        jsonHeader `json:"header"`
		Lock          *jsonLock  `json:"lock"`    // null if the environment is not locked
		Removed       bool       `json:"removed"` // the lock was removed
	}
)

// LockJSON writes the lock of an environment as one JSON document. A nil lock means that the
// environment is not locked.
func LockJSON(w io.Writer, h Header, l *Lock, removed bool) error {
	doc := jsonUnlock{FormatVersion: FormatVersion, Type: "lock", Header: jsonHeader(h), Removed: removed}
	if l != nil {
		doc.Lock = &jsonLock{l.Holder, l.Command, l.PID, stamp(l.Since), stamp(l.Expires)}
	}
	return document(w, doc)
}
