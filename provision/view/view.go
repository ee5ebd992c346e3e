// Package view turns plans and events into text, a live board and JSON. It
// decides nothing: everything here is a function of what it is given, and knows
// neither AWS nor the file format. Whether there is colour and how wide the
// terminal is, the caller finds out.
//
// Three rules hold for every text: a symbol never stands without its word, a
// secret is never shown, and what comes from outside cannot move the cursor.
package view

import (
	"io"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// Options say how a text is to look. The zero value is plain text that is not
// fitted to any width.
type Options struct {
	Color  bool
	Width  int    // columns; 0 if nothing need fit
	Verb   string // "up" or "down"
	Full   bool   // documents whole, and unchanged steps too
	Header Header

	// Hint says what a person can do about an error; it may be nil, and returns
	// an empty string if it knows nothing.
	Hint func(error) string
}

// Header says whose account a plan is about.
type Header struct {
	Environment string
	Account     string // 12 digits
	Caller      string // an ARN
	Region      string
	Endpoint    string // empty for AWS itself
	Sandbox     bool
}

// Progress shows a run while it happens.
type Progress interface {
	// Notify takes the next event; it is for Graph.Notify.
	Notify(e provision.Event)

	// Done ends the display with a summary of how the run went. It does not
	// print the errors of the run as text; that is Error's.
	Done(o Outcome) error
}

// Outcome is how a run ended.
type Outcome struct {
	Elapsed time.Duration
	Err     error           // what Up or Down returned
	Left    *provision.Plan // what Down says is left; nil for up

	// Standing is what is there after an up that has failed; see Graph.Standing.
	Standing *provision.Plan
}

// write is one write of everything, so that lines of several writers do not mix.
func write(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}
