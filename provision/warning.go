package provision

// Warning is what will not work until somebody acts, although the step is done.
type Warning struct {
	Step string
	Text string
}

// Warnings returns the warnings of Validate and CheckUse for the last readings, each text
// once. It makes no calls. After up, they say what up could not repair.
func (g *Graph) Warnings() (list []Warning) {
	seen := map[string]bool{}
	for _, s := range g.steps {
		l := s.last()
		if s.data && s.validate == nil || s.own == Prune || l.err != nil || !l.found {
			continue
		}
		a := g.inspect(s)
		if a.Op == Conflict || s.own == Adopt && a.Owner.By == "" { // the warning is about the adoption
			continue
		}
		for _, n := range a.Notes {
			if n.Severity == Warn && !seen[n.Text] {
				seen[n.Text] = true
				list = append(list, Warning{s.name, n.Text})
			}
		}
	}
	return list
}
