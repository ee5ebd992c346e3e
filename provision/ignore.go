package provision

import (
	"fmt"
	"slices"
	"strings"
)

// split separates the changes that up makes from those that it leaves to others. A claim on a
// shared object is never left, and neither is what a new object still lacks.
func (g *Graph) split(s *step, all []Change) (made, ignored []Change) {
	fields := g.Ignore[s.name]
	if len(fields) == 0 || s.made.Load() {
		return all, nil
	}
	for _, c := range all {
		if slices.Contains(fields, c.Field) && !c.Claims {
			ignored = append(ignored, c)
		} else {
			made = append(made, c)
		}
	}
	return made, ignored
}

// ignoredNotes tell what up leaves alone, so that it is never silent.
func ignoredNotes(list []Change) (notes []Note) {
	for _, c := range list {
		text := fmt.Sprintf("ignores a difference of %s", c.Field)
		switch {
		case len(c.Causes) > 0:
			text += ": " + strings.Join(c.Causes, "; ")
		case !c.From.long() && !c.To.long():
			text += fmt.Sprintf(": it is %s, and the config file wants %s", orNone(c.From), orNone(c.To))
		}
		notes = append(notes, Note{Info, text})
	}
	return notes
}

func orNone(v Value) string {
	if v.IsNothing() {
		return "(none)"
	}
	return v.String()
}

// Fields returns the fields that Ignore can name for a step: those that the steps of its kind set
// when they create their objects. It makes no calls. The list is empty if there is no such step.
func (g *Graph) Fields(name string) (fields []string) {
	at := slices.IndexFunc(g.steps, func(s *step) bool { return s.name == name && !s.data })
	if at < 0 {
		return nil
	}
	for _, s := range g.steps {
		if s.kind != g.steps[at].kind {
			continue
		}
		for _, c := range s.changes(s.zero) {
			fields = append(fields, c.Field)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}
