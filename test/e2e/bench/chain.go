package main

import (
	"slices"
	"time"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// chain returns the length of the longest chain of calls in which each call started after
// the previous one ended. It is an upper bound of the critical path: seen from outside,
// a call may depend on every reply before it.
func chain(calls []moto.Call) (n int) {
	var end time.Time
	// Of the possible next calls, the one that ends first leaves the most room.
	for _, c := range slices.SortedFunc(slices.Values(calls), func(a, b moto.Call) int { return a.End.Compare(b.End) }) {
		if !c.Begin.Before(end) {
			n, end = n+1, c.End
		}
	}
	return n
}

// inFlight returns the largest number of calls in flight at the same time.
func inFlight(calls []moto.Call) (most int) {
	for _, c := range calls {
		n := 0
		for _, o := range calls {
			if !o.Begin.After(c.Begin) && o.End.After(c.Begin) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// busy returns for how long moto was working on at least one call.
func busy(calls []moto.Call) (sum time.Duration) {
	calls = slices.SortedFunc(slices.Values(calls), func(a, b moto.Call) int { return a.Sent.Compare(b.Sent) })
	var until time.Time
	for _, c := range calls {
		from := c.Sent
		if from.Before(until) {
			from = until
		}
		if c.Answered.After(from) {
			sum += c.Answered.Sub(from)
			until = c.Answered
		}
	}
	return sum
}
