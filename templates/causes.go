package templates

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Program is the text of what makes a machine or a container an agent: a setup script, or the
// text of a container; see ContainerText in package resource for its form.
type Program struct {
	Text    string
	Version string // of the flowbed that wrote it; empty if it is not known
}

// Causes says in words why two programs differ, such as "prefect 3.9.0 → 3.9.1". What comes
// from the config file has the name that it has there. All the rest is flowbed's own, and the
// cause is then another release of flowbed. There is at least one cause, unless the texts are
// equal. No cause has a value that may be long.
func Causes(have, want Program) (list []string) {
	if have.Text == want.Text {
		return nil
	}
	from, to := read(have.Text), read(want.Text)
	list = from.versions(to)
	explained := map[string]bool{}
	for _, name := range []string{prefectItself, prefectAWS} {
		f, t := from.versionsOf[name], to.versionsOf[name]
		explained[name] = f != t && f != "" && t != ""
	}
	for _, name := range names(from.values, to.values) {
		f, t := from.values[name], to.values[name]
		if f == t {
			continue
		}
		explained[name] = true
		if !follows(name, f, t, explained) {
			list = append(list, changed(name, f, t))
		}
	}
	for _, name := range names(from.own, to.own) {
		if f, t := from.own[name], to.own[name]; f != t && !follows(name, f, t, explained) {
			return append(list, writer(have, want))
		}
	}
	if len(list) == 0 { // what differs is in nothing that is told apart
		list = append(list, writer(have, want))
	}
	return list
}

// cause has the values from which a part follows. Always means that any difference of the part
// follows from one of a value, and not only that the part is there or not.
type cause struct {
	values []string
	always bool
}

var causes = map[string]cause{
	packageDate: {[]string{prefectItself}, true}, "constraints": {[]string{prefectItself}, true}, "options": {[]string{prefectItself}, true},
	"install": {[]string{prefectItself, packageDate}, false}, "python": {[]string{prefectItself}, false}, "variable": {[]string{prefectItself}, false},
	"deadline": {[]string{valueTTL}, false}, "proxy": {[]string{valueProxy}, false}, "setup": {[]string{valueSetup}, false},
	"fetch": {[]string{valueSecret}, true}, valueImage: {[]string{prefectItself, prefectAWS}, true},
}

// follows reports whether a difference follows from another one, which is explained.
func follows(name, from, to string, explained map[string]bool) bool {
	c := causes[family(name)]
	return slices.ContainsFunc(c.values, func(v string) bool { return explained[v] }) && (c.always || from == "" || to == "")
}

// family is what parts are called of which a program has one at most, such as the installation
// with a date, and the one without.
func family(name string) string {
	if strings.HasPrefix(name, variablePrefix) {
		return "variable"
	}
	for _, f := range []string{"install", "python"} {
		if strings.HasPrefix(name, f) {
			return f
		}
	}
	return name
}

// names are the keys of both, sorted.
func names(a, b map[string]string) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func changed(name, from, to string) string {
	switch {
	case from == "":
		return plus(name, "+", "added")
	case to == "":
		return plus(name, "-", "removed")
	case shown[name]:
		return name + " " + from + " → " + to
	}
	return name + " changed"
}

// plus says that a value has come or gone. Of several with the same name, it is a list.
func plus(name, sign, word string) string {
	if of, one, ok := strings.Cut(name, " "); ok && of == valueEnv {
		return of + " " + sign + one
	}
	return name + " " + word
}

// shown are values that are short and say more than that they changed.
var shown = map[string]bool{valueTTL: true, valuePool: true, valueImage: true, valueTimeout: true, packageDate: true}

// versions compares packages.
func (p parts) versions(to parts) (list []string) {
	for _, name := range []string{prefectItself, prefectAWS} {
		from, to := p.versionsOf[name], to.versionsOf[name]
		if from != to && from != "" && to != "" && (name == prefectItself || len(list) == 0) {
			list = append(list, name+" "+from+" → "+to)
		}
	}
	var diff string
	for _, one := range p.packages {
		if !slices.Contains(to.packages, one) {
			diff += " -" + one
		}
	}
	for _, one := range to.packages {
		if !slices.Contains(p.packages, one) {
			diff += " +" + one
		}
	}
	if diff != "" {
		list = append(list, "pip_packages"+diff)
	}
	return list
}

// writer says which releases of flowbed wrote the two.
func writer(have, want Program) string {
	what := "setup script"
	if isContainer(want.Text) {
		what = "container command"
	}
	switch {
	case want.Version == "" || want.Version == have.Version:
		return "flowbed's " + what
	case have.Version == "":
		return fmt.Sprintf("flowbed %s's %s", want.Version, what)
	}
	return fmt.Sprintf("flowbed %s's %s instead of flowbed %s's", want.Version, what, have.Version)
}
