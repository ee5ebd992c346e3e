package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// Ignored lets others change each field that a config file can ignore, and then each other
// field: up leaves the one as they set it, repairs the other, and then has nothing to do. Where
// they change only one field, it does not matter that all others are ignored.
func Ignored(ctx context.Context, t *testing.T, empty func() *World, c Case) {
	may, _ := life{t, empty(), c, nil}.graph().Fields(c.Step)
	for _, f := range c.Fields {
		tried, others := 0, 0
		for _, other := range c.Fields {
			if !may.Has(f.Name) || other.Name == f.Name {
				continue
			}
			others++
			if (life{t, empty(), c, nil}).ignores(ctx, f, other) {
				tried++
			}
		}
		if others > 0 && tried == 0 {
			t.Errorf("no other field differs together with %s", f.Name)
		}
		all := slices.DeleteFunc(slices.Clone(may), func(name string) bool { return name == f.Name })
		life{t, empty(), c, all}.alone(ctx, f)
	}
}

// alone lets others change one field, which is not ignored, and checks that up puts it back and
// changes nothing else.
func (l life) alone(ctx context.Context, f Field) {
	l.t.Helper()
	l.up(ctx)
	if err := f.Tamper(ctx, l.w); err != nil {
		l.t.Fatalf("%s: cannot tamper: %v", f.Name, err)
	}
	what := fmt.Sprintf("others set %s, and these are ignored: %s", f.Name, strings.Join(l.ignored, ", "))
	if err := l.graph().Up(ctx); err != nil {
		l.t.Errorf("%s: up: %v", what, err)
		return
	}
	l.wantUnchanged(ctx, what)
	life{l.t, l.w, l.c, nil}.wantUnchanged(ctx, what+", and now nothing is ignored")
}

// ignores ignores f while up repairs another field. It returns false if not both can differ at
// the same time.
func (l life) ignores(ctx context.Context, f, other Field) bool {
	l.t.Helper()
	lenient := l
	lenient.ignored = provision.Fields{f.Name}
	l.up(ctx)
	if err := f.Tamper(ctx, l.w); err != nil {
		l.t.Fatalf("%s: cannot tamper: %v", f.Name, err)
	}
	want := differences(l.plan(ctx))
	if other.Tamper(ctx, l.w) != nil {
		return false
	}
	a := lenient.plan(ctx)
	if !ignores(a, f.Name) { // another object takes its place, or the second has undone the first
		return a.Op == provision.Replace
	}
	what := fmt.Sprintf("others set %s, which is ignored, and then %s", f.Name, other.Name)
	if !slices.ContainsFunc(a.Changes, func(c provision.Change) bool { return c.Field == other.Name }) {
		l.t.Errorf("%s: the plan has %+v, want %s, too", what, a, other.Name)
		return true
	}
	if err := lenient.graph().Up(ctx); err != nil {
		l.t.Errorf("%s: up: %v", what, err)
		return true
	}
	lenient.wantUnchanged(ctx, what)
	if a := lenient.plan(ctx); !ignores(a, f.Name) {
		l.t.Errorf("%s: the next plan has the notes %v, want that %s is ignored", what, a.Notes, f.Name)
	}
	if have := differences(l.plan(ctx)); !slices.Equal(have, want) {
		l.t.Errorf("%s: after up, these differ: %q, want %q", what, have, want)
	}
	return true
}

// ignores reports whether an action leaves a difference of a field alone.
func ignores(a provision.Action, field string) bool {
	return slices.ContainsFunc(a.Notes, func(n provision.Note) bool {
		return n.Severity == provision.Info && strings.HasPrefix(n.Text, "ignores a difference of "+field)
	})
}

// differences are what others have set.
func differences(a provision.Action) (list []string) {
	for _, c := range a.Changes {
		list = append(list, c.Field+" is "+c.From.String())
	}
	return list
}

// IgnoredLater stops up after each of its writes, each time in a new account, and checks that
// the next run sets all the fields of what the first one created, although they are ignored
// later.
func IgnoredLater(ctx context.Context, t *testing.T, empty func() *World, c Case) {
	may, _ := life{t, empty(), c, nil}.graph().Fields(c.Step)
	for n := 1; ; n++ {
		l := life{t, empty(), c, may}
		if !l.cutShort(ctx, n, func(ctx context.Context, g *provision.Graph) error { return g.Up(ctx) }) {
			break
		}
		l.up(ctx)
		what := fmt.Sprintf("up was stopped after write %d and run again", n)
		l.wantUnchanged(ctx, what)
		life{t, l.w, c, nil}.wantUnchanged(ctx, what+", and now nothing is ignored")
	}
}
