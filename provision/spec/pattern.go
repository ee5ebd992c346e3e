package spec

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is first used: a
// command that reads no spec should not pay for it, and the longer ones cost.
type pattern func() *regexp.Regexp

func compile(expr string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

func (p pattern) matches(s string) bool { return p().MatchString(s) }
