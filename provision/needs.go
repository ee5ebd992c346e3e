package provision

import (
	"maps"
	"slices"
)

// Needs returns, for each step of a plan, the steps of the plan that it refers to, in the order of
// the graph. It leaves out those that follow from others: what a needed step needs in turn. Steps
// that are not in the plan, such as data sources, are passed over.
func (g *Graph) Needs(p Plan) map[string][]string {
	in := map[string]bool{}
	for _, a := range p.Actions {
		in[a.Step] = true
	}
	direct, all := map[string]map[string]bool{}, map[string]map[string]bool{}
	for _, s := range g.steps { // each comes after those that it refers to
		near, far := map[string]bool{}, map[string]bool{}
		for _, d := range s.deps {
			if in[d.name] {
				near[d.name] = true
				far[d.name] = true
			} else {
				maps.Copy(near, direct[d.name])
			}
			maps.Copy(far, all[d.name])
		}
		direct[s.name], all[s.name] = near, far
	}
	needs := map[string][]string{}
	for _, s := range g.steps {
		if !in[s.name] {
			continue
		}
		for _, d := range g.steps {
			implied := slices.ContainsFunc(slices.Collect(maps.Keys(direct[s.name])), func(o string) bool { return all[o][d.name] })
			if direct[s.name][d.name] && !implied {
				needs[s.name] = append(needs[s.name], d.name)
			}
		}
	}
	return needs
}
