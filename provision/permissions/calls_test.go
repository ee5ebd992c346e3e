package permissions_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision/permissions"
)

// TestPermissions compares what the kinds say with the calls that are made, both
// ways: in an account that allows only what they say, no call is refused, and all
// that they say, of the file of any life, is called by one of the lives, or implied by
// what is. The documentation lists all of it.
func TestPermissions(t *testing.T) {
	made, says := lived(t, slices.Concat(lives, drifts(), goes(t)))
	for n, implied := range says {
		if !implied && !made[n.verb][n.action] {
			t.Errorf("%s of the step %s has %s, which nothing has called", n.verb, n.step, n.action)
		}
	}
	says.wantListed(t)
}

// lived is which actions were called, all in all, by each verb, and what the kinds said that
// they need. Time is virtual in each life.
func lived(t *testing.T, list []life) (map[permissions.Verb]map[string]bool, said) {
	t.Helper()
	var mu sync.Mutex
	made, says := map[permissions.Verb]map[string]bool{}, said{}
	for _, v := range permissions.Verbs {
		made[v] = map[string]bool{}
	}
	t.Run("lives", func(t *testing.T) {
		for _, l := range list {
			t.Run(l.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					l.of(w)
					mu.Lock()
					defer mu.Unlock()
					for v, actions := range w.made {
						maps.Copy(made[v], actions)
					}
					for n, implied := range w.says {
						before, known := says[n]
						says[n] = implied && (before || !known)
					}
				})
			})
		}
	})
	return made, says
}
