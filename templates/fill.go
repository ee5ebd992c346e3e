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

// text fills in an embedded template.
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

// placeholder matches {{name}}. The templates hold no logic: Go code decides what
// varies. text/template would keep the linker from dropping unused methods, which
// makes the binary several times as large.
var placeholder = regexp.MustCompile(`\{\{([a-z0-9_]+)\}\}`)

// fill replaces each placeholder with its value. The caller has already quoted
// the values. A missing value, an unused value and a leftover brace are errors.
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
