package templates

import (
	"embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

//go:embed *.sh *.service *.py *.yaml
var texts embed.FS

// text is an embedded text with its values.
func text(name string, values map[string]string) (string, error) {
	raw, err := texts.ReadFile(name)
	if err != nil {
		return "", err
	}
	out, err := fill(string(raw), values)
	if err != nil {
		return "", fmt.Errorf("fill %s: %w", name, err)
	}
	return out, nil
}

// placeholder is {{name}}. There is no logic in the texts: Go decides what
// varies. text/template would keep the linker from dropping unused methods, and
// make the program several times as large.
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
			errs = append(errs, fmt.Errorf("no placeholder for %s", name))
		}
	}
	return out, errors.Join(errs...)
}
