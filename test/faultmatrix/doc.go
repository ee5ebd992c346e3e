// Package matrix is the crash and fault matrix: what becomes of an environment
// when one call of a run goes wrong, for every writing call and every way to go
// wrong. The tests of this package go through it in the sandbox, in virtual
// time; those of test/e2e with the real program, against a server that we
// did not write. Both keep their part of docs/fault-matrix.md true.
//
// A call is known by what it does to what (see [Key]), and not by its number:
// steps run at the same time, so that numbers differ from run to run.
package faultmatrix

// Fault is a way in which a call goes wrong.
type Fault int

// The ways, in the order in which the matrix shows them.
const (
	KilledBefore Fault = iota // the process dies before the call is carried out
	KilledAfter               // the process dies after the call was carried out
	ReplyLost                 // carried out; the reply is lost, and the SDK sends the call again
	Throttled                 // refused once: too many calls
	Broken                    // refused once: an internal error of the service
	Reset                     // the connection is reset before the call is carried out
	NoReply                   // carried out; there is no reply, and nobody sends it again
)

// Faults are all ways.
var Faults = []Fault{KilledBefore, KilledAfter, ReplyLost, Throttled, Broken, Reset, NoReply}

func (f Fault) String() string {
	return [...]string{"killed before", "killed after", "reply lost", "throttled", "5xx", "reset", "no reply"}[f]
}

// Kills reports whether the fault ends the process.
func (f Fault) Kills() bool { return f == KilledBefore || f == KilledAfter }

// What becomes of the run in which a call went wrong. In both cases the
// environment is complete in the end, or gone.
const (
	GoesOn  = "goes on"  // the run itself comes to a good end
	NextRun = "next run" // the run ends; the next one completes its work
)
