package resource

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/names"
)

// IAM's limits for a role. Nobody can raise them. White space does not count.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	MaxInline = 10240 // characters of all inline policies together
	MaxTags   = 50
)

// Room is how much of IAM's limits a role uses.
type Room struct{ Inline, Tags int }

// Room returns how much of IAM's limits a role uses now. It does not know the content of the
// policies that other environments have in a shared role: to read them would take a call for
// each. Unread tells how long such a policy is.
func (r Role) Room(have RoleState) Room {
	u := Room{Tags: len(have.Tags)}
	for name, doc := range have.Inline {
		u.Inline += r.length(name, doc)
	}
	return u
}

func (r Role) length(name, doc string) int {
	if doc == "" && r.Unread != nil {
		return r.Unread(name)
	}
	return lengthOf(doc)
}

// lengthOf counts the characters of a policy as IAM does.
func lengthOf(doc string) (n int) {
	for _, c := range doc {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}

// after returns how much of the limits a role will use after up, and what up adds.
func (r Role) after(have RoleState) (u, adds Room) {
	want := r.inline()
	for name, doc := range want {
		u.Inline += lengthOf(doc)
		adds.Inline += max(0, lengthOf(doc)-lengthOf(have.Inline[name]))
	}
	if r.Shared { // up leaves the policies of others alone
		for name, doc := range have.Inline {
			if _, ours := want[name]; !ours && name != r.ID.Names().SharedPolicy() {
				u.Inline += r.length(name, doc)
			}
		}
	}
	adds.Tags = have.Tags.added(r.tags(), r.Shared)
	if !r.Shared {
		adds.Tags -= len(have.Tags.stale(r.tags()))
	}
	u.Tags = len(have.Tags) + adds.Tags
	return u, adds
}

// Full returns why a role has no room for what this environment adds to it; empty if it has.
func (r Role) Full(have RoleState) string {
	u, adds := r.after(have)
	switch {
	case adds.Inline > 0 && u.Inline > MaxInline && r.Shared:
		return fmt.Sprintf("%s has %d of %d characters left for inline policies, and this environment needs %d",
			r.Name, max(0, MaxInline-u.Inline+adds.Inline), MaxInline, adds.Inline)
	case adds.Inline > 0 && u.Inline > MaxInline:
		return fmt.Sprintf("the inline policies of %s would have %d characters, and IAM allows %d", r.Name, u.Inline, MaxInline)
	case adds.Tags > 0 && u.Tags > MaxTags:
		return fmt.Sprintf("%s has %d tags, this environment needs %d more, and IAM allows %d", r.Name, len(have.Tags), adds.Tags, MaxTags)
	}
	return ""
}

// room is Full as a note: the plan must fail before anything is written.
func (r Role) room(have RoleState) []provision.Note {
	why := r.Full(have)
	if why == "" {
		return nil
	}
	return []provision.Note{{Severity: provision.Error, Text: why + " → " + r.moreRoom()}}
}

// moreRoom is what the user can do about a role that is full.
func (r Role) moreRoom() string {
	if r.Shared {
		return `name another role in the file: execution_role { name = "` + r.ID.Names().ExecutionRole() + `" }`
	}
	in := ""
	if r.Block != "" {
		in = " in " + r.Block
	}
	return "use fewer statement blocks" + in + ", or move them to a managed policy (policies = [...]); for tags, remove some from the file or from the role"
}

// limited adds what to do to IAM's own refusal, which comes if the estimate of the policies
// of others was too low, or if others have just filled the role.
func (r Role) limited(err error) error {
	if err == nil || awserr.Code(err) != "LimitExceeded" {
		return err
	}
	return &advised{err, r.moreRoom()}
}

// advised is an error with what to do about it.
type advised struct {
	error
	hint string
}

func (a *advised) Unwrap() error { return a.error }

// Hint is what to do about the error.
func (a *advised) Hint() string { return a.hint }

// others reports whether the text is the name of another environment's policy in a shared
// role, whose content this environment does not read.
func (r Role) others(name string) bool {
	return r.Shared && derived(name) && name != r.ID.Names().SharedPolicy()
}

// OpensKey reports whether a shared role has a policy of another environment: then the tasks
// of this one can read the key of that one.
func (r Role) OpensKey(have RoleState) bool { return len(r.keys(have, r.others)) > 0 }

// keys returns the environments whose keys a shared role can read, as name@region, because it
// has their policies.
func (r Role) keys(have RoleState, of func(policy string) bool) (envs []string) {
	for _, policy := range slices.Sorted(maps.Keys(have.Inline)) {
		if n, ok := names.OfSharedPolicy(policy); ok && of(policy) {
			envs = append(envs, n.Env+"@"+n.Region)
		}
	}
	return envs
}

// Opens implements provision.Sharer. Whoever may pass the role and register a task definition
// can name in it any secret that the role can read.
func (r Role) Opens(have RoleState) []provision.Note {
	may := "the agents of all of them, and whoever may pass " + r.Name + " and register task definitions, "
	envs := r.keys(have, derived)
	if len(envs) == 0 {
		return []provision.Note{{Severity: provision.Info, Text: may + "can run tasks with it; it can read no secret of an environment"}}
	}
	return []provision.Note{{Severity: provision.Warn, Text: fmt.Sprintf(
		"%scan read the secrets of %s, because this role can → to separate them, name another role in the file: execution_role { name = %q }",
		may, strings.Join(envs, ", "), r.ID.Names().ExecutionRole())}}
}
