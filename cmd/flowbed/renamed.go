package main

import (
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// sayRenamed says with the plan of an environment that is wholly new which other one is in the region
// that the file does not name: who renames an environment in the file gets a second one. Of several,
// it says nothing: they are colleagues'. It makes no calls. It knows only those whose claims the plan
// has read, on what the new one shares with them.
func (a *app) sayRenamed(s *session, p provision.Plan) {
	if list := unnamed(p, s.id.Owner(), s.file.Describes); len(list) == 1 {
		a.note("%s, which shares resources with %s, is not in %s. If that is the old name of your environment, `flowbed list` shows what is left of it.",
			list[0], s.env.Name, a.config)
	}
}

// unnamed are the other environments of the region that a plan has met, if it has not met its own.
func unnamed(p provision.Plan, own string, described func(name string) bool) (list []string) {
	_, region, _ := strings.Cut(own, "@")
	if p.Count(provision.Create) == 0 {
		return nil
	}
	for _, o := range p.Actions {
		if o.Owner.By == own || o.Owner.Uses(own) {
			return nil
		}
		for _, other := range append(o.Owner.Users(), o.Owner.By) {
			if name, in, ok := strings.Cut(other, "@"); ok && in == region && !described(name) && !slices.Contains(list, other) {
				list = append(list, other)
			}
		}
	}
	slices.Sort(list)
	return list
}
