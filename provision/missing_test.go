package provision_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
)

// borrowed is a data source that fails.
type borrowed struct{ err error }

func (b borrowed) Read(context.Context) (int, error) { return 0, b.err }

// TestMissing: what a data source reads and is not there is missing. What it cannot read is
// unknown.
func TestMissing(t *testing.T) {
	absent := func(name string) error { return fmt.Errorf("%s %w → correct it", name, provision.ErrAbsent) }
	for name, c := range map[string]struct {
		err   error
		op    provision.Op
		notes []string
		want  string
	}{
		"one":    {absent("a"), provision.Missing, []string{"a does not exist → correct it"}, "data: missing: a does not exist → correct it"},
		"two":    {errors.Join(absent("a"), absent("b")), provision.Missing, []string{"a does not exist → correct it", "b does not exist → correct it"}, "data: missing: a does not exist → correct it\ndata: missing: b does not exist → correct it"},
		"denied": {errors.New("AccessDenied"), provision.None, nil, "data: read: AccessDenied"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			g, _ := graph("a")
			d := provision.Data(g, "data", borrowed{c.err})
			provision.Add(g, "it", provision.Own, asking{thing{w: w, Name: "it", Me: "a"}, d})
			p, err := g.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			a := p.Actions[0]
			var notes []string
			for _, n := range a.Notes {
				notes = append(notes, n.Text)
			}
			if d := cmp.Diff(c.notes, notes); d != "" || a.Step != "data" || a.Op != c.op || (a.Err == nil) != (c.op == provision.Missing) {
				t.Errorf("%s: have %+v: %s", name, a, d)
			}
			if have := p.Err(); have == nil || have.Error() != c.want {
				t.Errorf("%s: have %v, want %s", name, have, c.want)
			}
			if err := g.Up(t.Context()); err == nil || err.Error() != c.want {
				t.Errorf("%s: up: %v", name, err)
			}
		})
	}
}
