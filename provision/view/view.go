// Package view renders plans and events as text, as a live board and as JSON. It only
// formats what it is given, and depends neither on AWS nor on the file format. The
// caller decides about color and width.
//
// Three rules hold for every text: a symbol always comes with a word, no secret is
// shown, and text from outside cannot move the cursor.
package view

import (
	"io"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
)

// Options control the look of a text. The zero value is plain text without color and
// without wrapping.
type Options struct {
	Color   bool
	Width   int    // columns to wrap at; 0 does not wrap
	Verb    string // "up" or "down"
	Full    bool   // show whole documents and unchanged steps
	Compact bool   // one line for each step of a plan, without its fields
	Quiet   bool   // no progress of a run, and of its summary only what is not right
	Header  Header

	// Incomplete means that a list of environments is one of those that could be found:
	// not everything could be read.
	Incomplete bool

	// Cost is what the environment costs a month after up, or, with the verb down, what down
	// ends; nil if that is not known.
	Cost *cost.Estimate

	// Hint returns what the user can do about an error, or an empty string. It may
	// be nil.
	Hint func(error) string
}

// Header names the environment and the account that an output is about.
type Header struct {
	Environment string
	Account     string // 12 digits
	Caller      string // an ARN
	Region      string
	Endpoint    string // empty for AWS itself
	Sandbox     bool

	// Endpoints are those of the AWS services that have another endpoint than Endpoint.
	Endpoints map[string]string
}

// Progress shows a run while it is running.
type Progress interface {
	// Begin says how many steps have something to do.
	Begin(total int)

	// Notify takes the next event. Set Graph.Notify to it.
	Notify(e provision.Event)

	// Done ends the display with a summary of the run. The error is that of the
	// writer. As text, Done does not print the errors of the run; Error does.
	Done(o Outcome) error
}

// Outcome is how a run ended.
type Outcome struct {
	Elapsed time.Duration
	Err     error           // what Up or Down returned
	Left    *provision.Plan // what Down returned; nil for up

	Warnings []provision.Warning // what up could not repair; see Graph.Warnings

	// Standing is what exists after up has failed; see Graph.Standing.
	Standing *provision.Plan
}

// write writes everything at once, so that the lines of several writers do not mix.
func write(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}
