// Package provision brings a set of cloud objects to a described state, shows
// beforehand what it would do, and takes the set away again. It keeps no state
// of its own: every run reads what is there.
//
// A [Resource] is a Go struct that says how one object should be. Its Read says
// how the object is, and its Changes lists the differences, each with the call
// that removes it. [Graph.Plan] collects these lists, [Graph.Up] works them off
// until they are empty, and [Graph.Down] walks the same graph backwards. A plan
// and the run that follows it cannot disagree, because they are one list.
//
// What the engine promises:
//
//   - Plan and PlanDown call nothing but Read (and CheckDelete).
//   - State decides, not replies: after each action the object is read again,
//     and the run goes by what is found, not by what a reply said. A reading
//     that is too old is taken again before anything is done by it.
//   - A successful action is awaited, never repeated because of a stale read. A
//     refused one is tried again after a pause that grows, and given up when the
//     object has been in no new state for as long as the step's patience.
//   - An object of another owner is never changed or deleted, nor is one that its
//     maker does not share; see [Ownership].
//   - A value that is not known yet never reaches an action.
//   - When a step fails, the steps that depend on it are skipped and the others
//     finish. When the context ends, nothing new is started, but a call under
//     way is allowed to finish, so that nothing is left half known.
//   - Down deletes users before what they use. As soon as a deletion is accepted
//     the next step may try its own; if it is still refused, it waits.
//
// A run goes by what it finds, and not by the plan that was shown: what has
// changed between the two, it sees.
//
// The engine alone knows about time. It uses the time package directly; tests
// run it in virtual time with testing/synctest.
package provision
