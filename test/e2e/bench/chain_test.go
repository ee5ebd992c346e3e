package main

import (
	"testing"
	"time"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

func calls(spans ...[2]int) (list []moto.Call) {
	at := func(n int) time.Time { return time.Unix(0, 0).Add(time.Duration(n) * time.Millisecond) }
	for _, s := range spans {
		list = append(list, moto.Call{Begin: at(s[0]), Sent: at(s[0]), Answered: at(s[1]), End: at(s[1])})
	}
	return list
}

func TestChain(t *testing.T) {
	for _, c := range []struct {
		name                  string
		calls                 []moto.Call
		chain, inFlight, busy int
	}{
		{"none", nil, 0, 0, 0},
		{"one", calls([2]int{0, 50}), 1, 1, 50},
		{"two at once", calls([2]int{0, 50}, [2]int{1, 51}), 1, 2, 51},
		{"two in a row, with a pause", calls([2]int{60, 110}, [2]int{0, 50}), 2, 1, 100},
		{"a long one beside three short ones", calls([2]int{0, 100}, [2]int{0, 10}, [2]int{10, 20}, [2]int{20, 30}), 3, 2, 100},
		{"a short one makes room for a chain", calls([2]int{0, 50}, [2]int{5, 20}, [2]int{25, 40}, [2]int{45, 60}), 3, 2, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n := chain(c.calls); n != c.chain {
				t.Errorf("the longest chain has %d calls, want %d", n, c.chain)
			}
			if n := inFlight(c.calls); n != c.inFlight {
				t.Errorf("%d are in flight at once, want %d", n, c.inFlight)
			}
			if d := busy(c.calls); d != time.Duration(c.busy)*time.Millisecond {
				t.Errorf("busy for %v, want %d ms", d, c.busy)
			}
		})
	}
}
