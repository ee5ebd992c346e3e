package resource

import (
	"strings"

	"github.com/flowbed/flowbed/provision/names"
)

// Names derives all names that flowbed gives. It is defined in a package of its own,
// because package spec needs it without the AWS SDK.
type Names = names.Names

// Names returns the names for the environment.
func (i Identity) Names() Names { return Names{Env: i.Env, Account: i.Account, Region: i.Region} }

// derived reports whether a name has the prefix of the names that flowbed gives.
func derived(name string) bool { return strings.HasPrefix(name, names.Prefix) }
