package iam

import (
	"strings"
	"unicode"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// Principal reports whether a name can be a principal. AWS rejects roles of this
// account that do not exist, including deleted ones.
func Principal(r *core.Request, name string) bool {
	if name == "*" || len(name) == 12 && strings.Trim(name, "0123456789") == "" {
		return true
	}
	field := strings.SplitN(name, ":", 6)
	if len(field) != 6 || field[0] != "arn" || field[2] != "iam" && field[2] != "sts" {
		return false
	}
	if field[4] != r.AccountID || !strings.HasPrefix(field[5], "role/") {
		return true
	}
	_, role, _ := strings.Cut(name, ":role")
	known := RoleNamed(r, role[strings.LastIndex(role, "/")+1:])
	return known != nil && known.ARN == name
}

func (r *request) parsePolicy(text string, kind core.PolicyKind) (wrong string) {
	_, wrong = core.ParsePolicy(text, kind, func(name string) bool { return Principal(r.Request, name) })
	return wrong
}

// sizeWithoutSpace returns the size of a policy as IAM measures it: without white
// space.
func sizeWithoutSpace(text string) (n int) {
	for _, c := range text {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}
