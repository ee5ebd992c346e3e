package resource

import (
	"fmt"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Outside is something on the internet that an environment needs.
type Outside struct {
	What    string // for example "pypi.org for the agent's packages"
	Instead string // what the file may say, so that the environment can do without
}

// notes warn of what is out of reach of the tasks and the agent. Closed says that the spec wants
// subnets without a way out; otherwise the routes tell. They cannot tell of a proxy in the VPC.
func (s NetworkState) notes(closed bool, list []Outside) []provision.Note {
	notes := s.cutOff()
	var ids []string
	for _, n := range s.Subnets {
		if n.Closed || s.CutOff {
			ids = append(ids, n.ID)
		}
	}
	which := "the private subnets"
	switch {
	case len(list) == 0 || !closed && len(ids) == 0:
		return notes
	case !closed:
		which = strings.Join(ids, " and ")
	}
	var what, instead []string
	for _, o := range list {
		what, instead = append(what, o.What), append(instead, o.Instead)
	}
	return append(notes, provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(
		"as far as the routes tell, %s cannot be reached from %s, which have no way out → %s; or use subnets with a NAT gateway",
		strings.Join(what, " and "), which, strings.Join(instead, "; "))})
}
