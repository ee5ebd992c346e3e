package provision

import (
	"fmt"
	"slices"
	"strings"
)

// inspectDown returns what down would do for the last reading of a step.
func (g *Graph) inspectDown(s *step) Action { return g.inspectDownAt(s, s.last()) }

func (g *Graph) inspectDownAt(s *step, l *reading) Action {
	a := g.inspectAlone(s, l)
	if why := g.keptBy(s); a.Op == Delete && why != "" {
		a.Op, a.Err, a.Owner.Leave = Leave, nil, strings.TrimSpace(a.Object+" is left: "+why)
		a.Notes = append([]Note{{Warn, a.Owner.Leave}}, a.Owner.Notes...)
	}
	return a
}

// inspectAlone is inspectDownAt without a look at the other steps.
func (g *Graph) inspectAlone(s *step, l *reading) Action {
	if l.err != nil {
		return readFailed(s, l)
	}
	a := Action{Step: s.name}
	if s.data {
		return a
	}
	o := s.owner(l.have)
	doubt := s.doubtful(l, o)
	if !l.found && doubt == "" {
		return a
	}
	a.Owner, a.Object = o, label(l.have)
	switch {
	case s.own == External:
		a.Op = Skip
		a.Notes = []Note{{Info, "is external"}}
	case doubt != "":
		a.Owner.Leave = doubt
		a.leave()
	default:
		g.inspectOwned(s, l, &a)
	}
	a.Notes = append(a.Notes, a.Owner.Notes...)
	return a
}

func (a *Action) leave() { a.Op, a.Notes = Leave, []Note{{Warn, a.Owner.Leave}} }

// inspectOwned sets what down would do with an object that has an owner.
func (g *Graph) inspectOwned(s *step, l *reading, a *Action) {
	others := a.Owner.Others(g.Owner)
	claimed, leaving := a.Owner.Uses(g.Owner), l.live(a.Owner, g.Owner)
	switch {
	case !g.mayDelete(s, a.Owner):
		a.Op = Skip
		a.Notes = []Note{{Info, ownerText(a.Owner)}}
	case a.Owner.Leave != "":
		a.leave()
	case len(others) == 0 && !claimed && len(leaving) > 0:
		a.Op = Skip
		a.Notes = []Note{{Info, "is being released by " + leavingText(leaving)}}
	case len(others) == 0:
		a.Op = Delete
		a.addCheck(l)
	case claimed:
		a.Op = Release
		a.Notes = []Note{{Info, "still used by " + strings.Join(others, ", ")}}
	default:
		a.Op = Skip
		a.Notes = []Note{{Info, a.Owner.UsedBy(others)}}
	}
}

// mayDelete reports whether down may delete an object, or release our claim on it. A shared
// object has no claims if a run removed the last one, or replaced it by a mark, and was
// killed before it could delete the object. Any environment may then delete it.
func (g *Graph) mayDelete(s *step, o Owner) bool {
	abandoned := len(o.Claims) == 0
	return o.By == g.Owner || s.own == Share && o.By != "" && (o.Uses(g.Owner) || abandoned)
}

// doubtful returns why it is not certain that an object is ours; empty if it is certain, or
// if the object certainly belongs to somebody else. An object under a name of ours without
// an owner may be ours, and have lost its tags. Only a kind of step that never takes over
// what others created can tell so.
func (s *step) doubtful(l *reading, o Owner) string {
	switch {
	case o.Doubt != "":
		return o.Doubt
	case l.found && o.By == "" && len(o.Users()) == 0 && (s.own == Own || s.own == Prune):
		return fmt.Sprintf("%s has no flowbed tags, so it is not certain that it belongs to this environment → delete it yourself if it does",
			label(l.have))
	}
	return ""
}

// keptBy returns why an object must stay, although the run may delete it: an object that
// the run leaves needs it. It is empty if there is no such reason.
func (g *Graph) keptBy(s *step) string {
	for _, t := range g.steps {
		if t.keeps == nil || !slices.Contains(t.deps, s) {
			continue
		}
		l := t.settled()
		if l.err != nil {
			continue
		}
		op := g.inspectDownAt(t, l).Op
		for _, k := range t.keeps(l.have, op == Leave || op == Skip) {
			if slices.Contains(k.Object.targets(), s) {
				return k.Why
			}
		}
	}
	return ""
}
