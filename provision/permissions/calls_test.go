package permissions_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/lifecycle"
)

// TestPermissions compares what the kinds say with the calls that are made, both
// ways: in an account that allows only what they say, no call is refused, and all
// that they say is called by one of the lives, or implied by what is.
func TestPermissions(t *testing.T) {
	made := lived(t, slices.Concat(lives, drifts(), goes(t)))
	bounded := adding(everything(t), lifecycle.BoundedRole.Spec)
	narrow := edited(t, everything(t), lifecycle.NarrowGroup.Edits...)
	logged := edited(t, everything(t), lifecycle.AccessLogs.Edits...)
	keyed := adding(everything(t), lifecycle.Keyed)
	for _, text := range []string{everything(t), byDefault(t, everything(t)), bounded, keyed, inService, narrow, logged, inVPCOfAnother} {
		for _, v := range permissions.Verbs {
			for _, s := range needs(t, text, here, v, stack.Options{ForceDestroy: true}) {
				for _, p := range s.Permissions {
					for _, a := range p.Actions {
						if !made[v][a] && p.Implied == "" {
							t.Errorf("%s of the step %s has %s, which nothing has called", v, s.Step, a)
						}
					}
				}
			}
		}
	}
}

// lived is which actions were called, all in all, by each verb. Time is virtual in
// each life.
func lived(t *testing.T, list []life) map[permissions.Verb]map[string]bool {
	t.Helper()
	var mu sync.Mutex
	made := map[permissions.Verb]map[string]bool{}
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
				})
			})
		}
	})
	return made
}
