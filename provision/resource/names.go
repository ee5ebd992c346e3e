package resource

import (
	"strings"

	"github.com/flowbed/flowbed/provision/names"
)

// Names derives every name that flowbed gives by itself. The type is at home in a
// package without imports, because the file's language needs it, too.
type Names = names.Names

// Names are the names of the environment's objects.
func (i Identity) Names() Names { return Names{Env: i.Env, Account: i.Account, Region: i.Region} }

// derived reports whether a name begins like those that flowbed gives by itself.
func derived(name string) bool { return strings.HasPrefix(name, names.Prefix) }
