package core

import (
	"regexp"
	"strings"
)

// Wild reports whether s matches a pattern with the wildcards * and ?.
func Wild(pattern, s string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == s
	}
	p := regexp.QuoteMeta(pattern)
	p = strings.ReplaceAll(strings.ReplaceAll(p, `\*`, ".*"), `\?`, ".")
	return regexp.MustCompile("^(?s:" + p + ")$").MatchString(s)
}
