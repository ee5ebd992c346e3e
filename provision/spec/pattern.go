package spec

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled on first use, so that commands
// that read no file do not pay for it.
type pattern func() *regexp.Regexp

func compile(expr string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

func (p pattern) matches(s string) bool { return p().MatchString(s) }
