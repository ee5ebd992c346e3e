package provision_test

import (
	"context"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// warned is a data source with a note.
type warned struct{ Text string }

func (w warned) Read(context.Context) (string, error) { return w.Text, nil }

func (warned) Notes(have string) []provision.Note {
	if have == "" {
		return nil
	}
	return []provision.Note{{Severity: provision.Warn, Text: have}}
}

// A plan shows a data source that has notes, and no other; after up, they are among the warnings.
func TestNotesOfDataSource(t *testing.T) {
	g := &provision.Graph{Owner: "dev"}
	provision.Data(g, "loud", warned{"out of reach"})
	provision.Data(g, "silent", warned{})
	p, err := g.Plan(t.Context())
	if err != nil || p.Err() != nil || !p.Empty() || len(p.Actions) != 1 || p.Actions[0].Step != "loud" || p.Actions[0].Notes[0].Text != "out of reach" {
		t.Fatalf("the plan is %+v, %v", p, err)
	}
	if err := g.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := g.Warnings(); len(w) != 1 || w[0] != (provision.Warning{Step: "loud", Text: "out of reach"}) {
		t.Errorf("the warnings are %+v", w)
	}
}

// TestPlanErr: the error of a plan says in words what the step was doing.
func TestPlanErr(t *testing.T) {
	for op, want := range map[provision.Op]string{
		provision.None:   "group: check: in another VPC",
		provision.Update: "group: change: in another VPC",
	} {
		p := provision.Plan{Actions: []provision.Action{{Step: "group", Op: op, Notes: []provision.Note{{Severity: provision.Error, Text: "in another VPC"}}}}}
		if err := p.Err(); err == nil || err.Error() != want {
			t.Errorf("have %v, want %s", err, want)
		}
	}
}
