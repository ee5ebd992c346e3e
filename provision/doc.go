// Package provision reconciles a set of cloud objects with their desired state,
// shows the changes first, and deletes the objects again. It keeps no state file:
// every run reads the actual state.
//
// A [Resource] is a Go struct that describes the desired state of one object. Its
// Read returns the actual state, and its Changes lists the differences, each with
// the call that removes it. [Graph.Plan] collects these lists, [Graph.Up] makes the
// calls until the lists are empty, and [Graph.Down] walks the same graph backwards.
// A plan and the run that follows it cannot disagree, because both use one list.
//
// What the engine promises:
//
//   - Plan and PlanDown call only Read, Detail and CheckDelete. They change nothing.
//   - The actual state decides, not the reply to a call: the engine reads the object
//     again after each action. It also reads an object again before it acts on a
//     reading that is too old.
//   - The engine never repeats an action that succeeded. It waits until a reading
//     shows the result. It retries an action that the service rejected, with growing
//     pauses, and the step fails when its state has not changed for as long as its
//     patience.
//   - The engine never changes or deletes an object of another owner, unless that
//     owner shares it; see [Ownership].
//   - An unknown value never reaches an action.
//   - When a step fails, the engine skips the steps that depend on it and finishes
//     the others. When the context ends, it starts nothing new, but lets running
//     calls finish, so that their results are known.
//   - Down deletes an object before the objects that it depends on. The next step
//     may try its own deletion as soon as the service has accepted the first one. If
//     the service rejects it, the step waits, and says what for if the resource can tell
//     ([BlockerFinder]). Its patience counts from the last change of what it waits for.
//
// A run acts on the state that it reads, not on the plan that a user saw. So it
// notices what has changed since the plan.
//
// Only the engine waits and measures time. It uses the time package directly; tests
// run it in virtual time with testing/synctest.
package provision
