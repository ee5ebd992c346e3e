package templates

import (
	"fmt"
	"regexp"
	"strings"
)

// needsNoQuotes matches a word that a shell and a systemd unit take literally.
var needsNoQuotes = regexp.MustCompile(`^[A-Za-z0-9/._:-]+$`)

// shellQuote quotes s as one word for a shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ShellWord quotes s for a shell only if s needs it.
func ShellWord(s string) string {
	if needsNoQuotes.MatchString(s) {
		return s
	}
	return shellQuote(s)
}

// unitQuote quotes s as one word of a command line in a systemd unit, where % and
// $ are special too.
func unitQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(s) + `"`
}

// unitText escapes s for a systemd unit's description.
func unitText(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// envQuote quotes s as the value in a NAME=value line of a systemd environment
// file.
func envQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`).Replace(s) + `"`
}

// codeQuote quotes s as a string literal for Python and YAML. Both read printable
// ASCII in double quotes the same way.
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
