// Package faultmatrix tests what happens to an environment if one call of a run
// fails, for each write and each kind of fault.
//
// The tests of this package run the matrix in the sandbox, in virtual time. Those of
// test/e2e run it with the real program, against moto. Each compares its part of
// docs/fault-matrix.md with what it finds.
//
// A [Key] identifies a call by its operation and its target, not by its number:
// steps run in parallel, so the numbers differ from run to run.
package faultmatrix

// Fault is a way in which a call fails.
type Fault int

// The faults, in the order in which the matrix shows them.
const (
	KilledBefore Fault = iota // the process dies before the call is executed
	KilledAfter               // the process dies after the call is executed
	ReplyLost                 // executed; the reply is lost, and the SDK sends the call again
	Throttled                 // rejected once: too many calls
	Broken                    // rejected once: internal error of the service
	Reset                     // the connection is reset before the call is executed
	NoReply                   // executed; there is no reply, and nothing sends it again
	Stopped                   // the process is stopped during the call, until its lock is over
	Suspended                 // the same happens to its machine, whose monotonic clock stands still
)

// Faults lists all faults.
var Faults = []Fault{KilledBefore, KilledAfter, ReplyLost, Throttled, Broken, Reset, NoReply, Stopped, Suspended}

func (f Fault) String() string {
	return [...]string{"killed before", "killed after", "reply lost", "throttled", "5xx", "reset", "no reply", "stopped", "suspended"}[f]
}

// Sleeps reports whether the process wakes up after the end of its lock.
func (f Fault) Sleeps() bool { return f == Stopped || f == Suspended }

// Kills reports whether the fault ends the process.
func (f Fault) Kills() bool { return f == KilledBefore || f == KilledAfter }

// The outcomes of a run in which a call fails. Either way, the environment is complete
// or gone in the end.
const (
	GoesOn  = "goes on"  // the run itself succeeds
	NextRun = "next run" // the run fails; the next one completes its work
)
