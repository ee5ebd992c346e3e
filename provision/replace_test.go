package provision_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// fixed is a thing that is replaced if its value differs, by its deletion, which others may prevent.
type fixed struct {
	thing
	Kept func() bool
}

func (f fixed) Changes(have state) []provision.Change {
	if have.Value == "" || have.Value == f.Value { // it has none before and right after its creation
		return f.thing.Changes(have)
	}
	return []provision.Change{{Field: "value", From: provision.Text(have.Value), To: provision.Text(f.Value), Replace: true,
		Do: func(ctx context.Context) error { return f.Delete(ctx, have) }}}
}

func (f fixed) CheckDelete(context.Context, state) ([]provision.Note, error) {
	if f.Kept() {
		return []provision.Note{{Severity: provision.Error, Text: "somebody needs it"}}, nil
	}
	return nil, nil
}

// TestReplaceOfKept: what prevents a deletion prevents a replacement. The plan says so, and up
// changes nothing; if it happens after the plan, up does not begin with the object.
func TestReplaceOfKept(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w, checks := newWorld(), 0
			w.objects["a-it"] = object{ID: "i", Value: "old", By: "a"}
			kept := func() bool { checks++; return !late || checks > 1 }
			g, _ := graph("a")
			base := provision.Add(g, "base", provision.Own, thing{w: w, Name: "a-base", Me: "a"})
			provision.Add(g, "it", provision.Own, fixed{thing{w: w, Name: "a-it", Me: "a", Value: "new", Uses: refs(base)}, kept})
			const want = "it: replace: somebody needs it"
			p := mustPlan(t, g.Plan)
			if err := p.Err(); !late && (err == nil || err.Error() != want) || late && err != nil || p.Count(provision.Replace) != 1 {
				t.Errorf("late %v: the plan has %v: %+v", late, err, p.Actions)
			}
			w.delay = 10 * time.Second // so that the step reads again what the plan has read
			if err := g.Up(t.Context()); err == nil || err.Error() != want {
				t.Errorf("late %v: up: %v, want %s", late, err, want)
			}
			if o := w.objects["a-it"]; o.ID != "i" || w.carriedOut("delete a-it") > 0 || !late && len(w.writes) > 0 {
				t.Errorf("late %v: up has made %q", late, w.writes)
			}
		})
	}
}
