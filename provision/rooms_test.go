package provision_test

import (
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/flowbed/flowbed/"

// mayKnow is which room may import which; docs/architecture.md draws it. For the
// sandbox, see TestSandboxRooms.
var mayKnow = map[string][]string{
	"provision":             {},
	"provision/awserr":      {},
	"provision/prefect":     {},
	"templates":             {},
	"provision/view":        {"provision"},
	"provision/spec":        {"provision/prefect"},
	"provision/resource":    {"provision", "provision/awserr", "provision/prefect"},
	"provision/lease":       {"provision/awserr", "provision/resource"},
	"provision/inventory":   {"provision/awserr", "provision/resource"},
	"provision/permissions": {"provision", "provision/resource"},
	"provision/doctor": {"provision", "provision/awserr", "provision/lease", "provision/permissions", "provision/prefect",
		"provision/resource", "provision/spec", "provision/stack"},
	"provision/stack": {"provision", "provision/awserr", "provision/lease", "provision/permissions", "provision/prefect",
		"provision/resource", "provision/spec", "templates"},
}

// Rooms that grow towards each other are hard to part again.
func TestRooms(t *testing.T) {
	for room, allowed := range mayKnow {
		for name := range imports(t, filepath.Join("..", filepath.FromSlash(room))) {
			if other, ours := strings.CutPrefix(name, module); ours && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s, and may know only %v", room, other, allowed)
			}
		}
	}
	for name := range imports(t, ".") {
		if strings.Contains(name, "/aws/") || strings.Contains(name, "/hcl/") {
			t.Errorf("the engine imports %s", name)
		}
	}
}

// The linker keeps every method of the SDK's clients if text/template is there.
func TestNoTemplates(t *testing.T) {
	rooms := []string{"../cmd/flowbed"}
	for room := range mayKnow {
		rooms = append(rooms, filepath.Join("..", filepath.FromSlash(room)))
	}
	for _, room := range rooms {
		for name := range imports(t, room) {
			if path.Base(name) == "template" {
				t.Errorf("%s imports %s: see docs/decisions/0006-no-text-template.md", room, name)
			}
		}
	}
}

// imports are what the files of a folder import, tests aside.
func imports(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no Go files (%v)", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[p] = true
		}
	}
	return found
}
