package spec

import (
	"slices"
	"strings"
)

// requirement matches a Python package: its name, extras and versions. The language of
// requirements also has URLs, and conditions on the Python, which an agent does not need: it
// installs only wheels, for one version of Python.
// https://packaging.python.org/en/latest/specifications/dependency-specifiers/
var requirement = compile(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?) *(?:\[ *` + extra + `(?: *, *` + extra + `)* *\])? *(?:` + versions + `(?: *, *` + versions + `)*)?$`)

const (
	extra    = `[A-Za-z0-9][A-Za-z0-9._-]*`
	versions = `(?:===|==|!=|~=|<=|>=|<|>) *[A-Za-z0-9][A-Za-z0-9._*+!-]*`
)

// packageName is the name in a requirement as the package index compares it; empty if the
// requirement is not valid. https://packaging.python.org/en/latest/specifications/name-normalization/
func packageName(text string) string {
	m := requirement().FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return strings.ToLower(separators().ReplaceAllString(m[1], "-"))
}

var separators = compile(`[-_.]+`)

// ofPrefect are the packages whose versions flowbed sets.
var ofPrefect = []string{"prefect", "prefect-aws"}

func (d *decoder) checkPackages(field *[]string) {
	names := make([]string, len(*field))
	for i, p := range *field {
		names[i] = packageName(p)
		switch name := names[i]; {
		case name == "":
			d.badElement(field, i, p, "Invalid package", `%s is not a package that flowbed installs.%s`, packageAdvice(p))
		case slices.Contains(ofPrefect, name):
			d.badElement(field, i, p, "Package of Prefect", "%s is installed anyway, in the version that fits. → set version in the prefect block, and remove the package here")
		case slices.Contains(names[:i], name):
			d.badElement(field, i, p, "Duplicate", "%s is in the list twice. → remove one of them")
		}
	}
}

// packageAdvice is what to do about a package that is not valid.
func packageAdvice(text string) string {
	switch {
	case strings.HasPrefix(text, "-"):
		return " It is an option of pip. → use the names of packages"
	case strings.ContainsAny(text, "@/\\"):
		return " It is a URL or a path. → use the name of a package in the package index"
	case strings.Contains(text, ";"):
		return " The agent has one version of Python, so a condition has no use. → remove the semicolon and what follows"
	}
	return ` → use a name and versions, for example "s3fs==2024.1.0" or "pandas[parquet]>=2,<3"`
}
