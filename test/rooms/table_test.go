package rooms_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of rooms to docs/architecture.md")

// TestTableOfRooms compares the table in docs/architecture.md with the package
// comments.
func TestTableOfRooms(t *testing.T) {
	const begin, end = "<!-- rooms: written by `make golden` from the comments of the packages -->\n", "<!-- /rooms -->\n"
	page := filepath.Join(root, "docs", "architecture.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	have, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no markers for the table: %q … %q", page, begin, end)
	}
	all := rooms(t)
	var b strings.Builder
	b.WriteString("| room | what it is for |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		synopsis := all[name].synopsis
		if synopsis == "" {
			t.Errorf("%s has no package comment", name)
		}
		b.WriteString("| `" + name + "` | " + purpose(synopsis) + " |\n")
	}
	if want := b.String(); have != want {
		if !*update {
			t.Errorf("the table of %s is out of date: run `make golden`", page)
			return
		}
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// purpose returns a synopsis without the package's name.
func purpose(synopsis string) string {
	words := strings.Fields(synopsis)
	if len(words) > 2 && (words[0] == "Package" || words[0] == "Command") {
		words = words[2:]
	}
	return strings.TrimSuffix(strings.Join(words, " "), ".")
}
