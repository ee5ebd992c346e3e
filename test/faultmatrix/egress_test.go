package faultmatrix_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/test/faultmatrix"
)

// narrow is an environment with narrowed egress, and wide is the same without.
const (
	narrow = `
environment "%s" {
  network {
    egress {
      cidrs = ["10.0.0.0/8"]
      ports = [443, 5432]
    }
  }
}
%.0s`
	wide = `
environment "%s" {
}
%.0s`
)

// egress is an account whose environment has narrowed egress. Its tables have the calls that are
// about the rules.
var egress = kind{name: "egress", faults: faultmatrix.Faults, prepare: func(w *world) { w.text = narrow }}

func ofEgress(keys []string) []string {
	return slices.DeleteFunc(keys, func(key string) bool { return !strings.Contains(key, "SecurityGroupEgress") })
}

// TestEachCallOfEgress injects each fault at each call that narrows or widens the egress.
func TestEachCallOfEgress(t *testing.T) {
	eachCall(t, []kind{egress}, func(c clean) map[string][]string {
		return map[string][]string{"up": ofEgress(c.up), "change": ofEgress(c.change)}
	})
}
