package main

import (
	"slices"
	"time"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// chain is the length of the longest chain of calls, each of which began after
// the one before had ended: no faster machine or network lets the program do
// with fewer round trips than the chain of those that need each other, and from
// outside a call may need all that it has seen the answers of.
func chain(calls []moto.Call) (n int) {
	var end time.Time
	// Of the calls that may come next, the one that ends first leaves the most room.
	for _, c := range slices.SortedFunc(slices.Values(calls), func(a, b moto.Call) int { return a.End.Compare(b.End) }) {
		if !c.Begin.Before(end) {
			n, end = n+1, c.End
		}
	}
	return n
}

// inFlight is the largest number of calls under way at the same time.
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

// busy is for how long moto had at least one call in hand.
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
