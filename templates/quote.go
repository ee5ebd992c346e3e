package templates

import (
	"fmt"
	"regexp"
	"strings"
)

// needsNoQuotes matches a word that means itself in a shell and in a systemd unit.
var needsNoQuotes = regexp.MustCompile(`^[A-Za-z0-9/._:-]+$`)

// shellQuote quotes s as one word for a shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// shellWord is shellQuote if s needs it.
func shellWord(s string) string {
	if needsNoQuotes.MatchString(s) {
		return s
	}
	return shellQuote(s)
}

// unitQuote quotes s as one word for a command line in a systemd unit, where %
// and $ have a meaning too.
func unitQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(s) + `"`
}

// unitText escapes s for a systemd unit's description.
func unitText(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// envQuote quotes s as a value for a line NAME=value of systemd's environment
// files.
func envQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`).Replace(s) + `"`
}

// codeQuote quotes s as a string literal for Python and for YAML: both read
// printable ASCII within double quotes in the same way.
func codeQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String() + `"`
}
