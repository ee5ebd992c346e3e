package provision

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// split separates the changes that up makes from those that it leaves to others. A difference that
// needs a new object is none that a killed run has left: a new object was created without it.
func (g *Graph) split(s *step, have any, all []Change) (made, ignored []Change) {
	fields, unfinished := g.Ignore[s.name], g.unfinishedBy(s, have) != ""
	if len(fields) == 0 {
		return all, nil
	}
	for _, c := range all {
		if fields.Has(c.Field) && !c.Claims && !c.Required && (c.Replace || !unfinished) {
			ignored = append(ignored, c)
		} else {
			made = append(made, c)
		}
	}
	return made, ignored
}

// unfinishedBy is what marks an object that this environment has not finished; empty if none does.
func (g *Graph) unfinishedBy(s *step, have any) string {
	if o := s.owner(have); o.By == g.Owner {
		return o.Unfinished
	}
	return ""
}

// notIgnoredYet says why up makes a change of a field although the field is ignored, and what to do
// if up never can; empty if no such field is among those of the change.
func (g *Graph) notIgnoredYet(s *step, fields Fields) string {
	have, _ := s.state()
	mark, object := g.unfinishedBy(s, have), cmp.Or(label(have), s.name)
	for _, f := range fields {
		if mark != "" && g.Ignore[s.name].Has(f) {
			return fmt.Sprintf("%[1]s is not ignored yet: %[2]s has %[3]s until up has set all its fields once → if others set %[1]s, remove %[3]s from %[2]s", f, object, mark)
		}
	}
	return ""
}

type unfinishedKey struct{}

// unfinished returns the context of a call that may create an object of the step.
func (g *Graph) unfinished(ctx context.Context, s *step) context.Context {
	if len(g.Ignore[s.name]) == 0 {
		return ctx
	}
	return context.WithValue(ctx, unfinishedKey{}, true)
}

// Unfinished reports whether some fields of what a call creates are ignored later. If the call
// leaves fields to Changes, it must mark the object: then its Owner is Unfinished, and a run
// that follows a killed one still sets them. Changes then has one that removes the mark, which
// is Last.
func Unfinished(ctx context.Context) bool { return ctx.Value(unfinishedKey{}) != nil }

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
// when they create their objects. Required are those of their fields that it cannot. It makes no
// calls. The lists are empty if there is no such step.
func (g *Graph) Fields(name string) (fields, required Fields) {
	at := slices.IndexFunc(g.steps, func(s *step) bool { return s.name == name && !s.data })
	if at < 0 {
		return nil, nil
	}
	for _, s := range g.steps {
		if s.kind != g.steps[at].kind {
			continue
		}
		for _, c := range s.changes(s.zero) {
			if c.Required {
				required = append(required, c.Field)
			} else {
				fields = append(fields, c.Field)
			}
		}
	}
	slices.Sort(fields)
	slices.Sort(required)
	return slices.Compact(fields), slices.Compact(required)
}
