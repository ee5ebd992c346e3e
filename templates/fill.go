package templates

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// placeholder is {{name}}. There is no logic in the texts: what varies is
// decided in Go. text/template would keep the linker from leaving out unused
// methods, and the program would be several times as large.
var placeholder = regexp.MustCompile(`\{\{([a-z0-9_]+)\}\}`)

// fill replaces each placeholder of a text by its value, which must be quoted
// for its place already. It is an error if a value is missing or not used, or
// if braces are left over.
func fill(text string, values map[string]string) (string, error) {
	var errs []error
	used := map[string]bool{}
	rest := placeholder.ReplaceAllString(text, "")
	if strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
		errs = append(errs, errors.New("a brace is left over"))
	}
	out := placeholder.ReplaceAllStringFunc(text, func(p string) string {
		name := p[2 : len(p)-2]
		v, ok := values[name]
		if !ok {
			errs = append(errs, fmt.Errorf("no value for %s", name))
		}
		used[name] = true
		return v
	})
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !used[name] {
			errs = append(errs, fmt.Errorf("no place for %s", name))
		}
	}
	return out, errors.Join(errs...)
}

// plain refuses what no quoting of any of the languages makes safe.
func plain(what, s string) error {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return fmt.Errorf("%s: %q has a control character", what, s)
		}
	}
	return nil
}

// shellQuote makes one word of s for a shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// unitQuote makes one word of s for a command line in a systemd unit, where
// also % and $ have a meaning.
func unitQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(s) + `"`
}

// unitText makes s harmless in a systemd unit's description.
func unitText(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// envQuote makes a value of s for a line NAME=value of systemd's environment
// files.
func envQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`).Replace(s) + `"`
}

// codeQuote makes a string literal of s for Python and for YAML: printable ASCII
// within double quotes means the same to both.
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
