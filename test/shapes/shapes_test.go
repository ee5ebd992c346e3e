// Package shapes checks docs/configurations.md: what eight published configurations set, and
// how flowbed's file says it.
package shapes

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/flowbed/flowbed/provision/spec"
)

const page = "../../docs/configurations.md"

// shape is one configuration of the page.
type shape struct {
	file        string // below testdata
	said, total int    // as the page claims
	rows        []row
}

// row is one thing that a configuration sets.
type row struct{ what, how string }

// said is the number of rows that flowbed's file can say, or that flowbed does by itself.
func (s shape) countSaid() int {
	n := 0
	for _, r := range s.rows {
		if !strings.HasPrefix(r.how, "no: ") {
			n++
		}
	}
	return n
}

var (
	claim = regexp.MustCompile(`(\d+) of (\d+) can be said\. .*\(\.\./test/shapes/testdata/([\w-]+\.hcl)\)`)
	entry = regexp.MustCompile(`^\| (.+) \| (.+) \|$`)
	sum   = regexp.MustCompile(`\*\*(\d+) of (\d+)\*\*`)
)

// read returns the page's configurations, and what it says about all of them together.
func read(t *testing.T) (shapes []shape, said, total int) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) (n int) {
		if _, err := fmt.Sscan(s, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if m := sum.FindStringSubmatch(line); m != nil {
			said, total = number(m[1]), number(m[2])
		}
		if m := claim.FindStringSubmatch(line); m != nil {
			shapes = append(shapes, shape{file: m[3], said: number(m[1]), total: number(m[2])})
			continue
		}
		m := entry.FindStringSubmatch(line)
		if m == nil || m[1] == "---" || m[1] == "what it sets" {
			continue
		}
		last := &shapes[len(shapes)-1]
		last.rows = append(last.rows, row{m[1], m[2]})
	}
	return shapes, said, total
}

// paths returns the attributes and blocks of a file's environments and defaults, such as
// "agent.service.cpu".
func paths(t *testing.T, file string) map[string]bool {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, diags := hclsyntax.ParseConfig(src, file, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	all := map[string]bool{"environment": true}
	var add func(prefix string, b *hclsyntax.Body)
	add = func(prefix string, b *hclsyntax.Body) {
		for name := range b.Attributes {
			all[prefix+name] = true
		}
		for _, block := range b.Blocks {
			all[prefix+block.Type] = true
			add(prefix+block.Type+".", block.Body)
		}
	}
	for _, block := range parsed.Body.(*hclsyntax.Body).Blocks {
		if block.Type == "environment" || block.Type == "defaults" {
			add("", block.Body)
		}
	}
	return all
}

// TestConfigurations: each configuration's file is valid, and sets each attribute that its
// table names. The counts are right, and at least 120 of 146 things can be said.
func TestConfigurations(t *testing.T) {
	shapes, wantSaid, wantTotal := read(t)
	said, total := 0, 0
	seen := map[string]bool{}
	for _, s := range shapes {
		t.Run(s.file, func(t *testing.T) {
			seen[s.file] = true
			said, total = said+s.countSaid(), total+len(s.rows)
			if s.countSaid() != s.said || len(s.rows) != s.total {
				t.Errorf("the page claims %d of %d, and has %d of %d", s.said, s.total, s.countSaid(), len(s.rows))
			}
			file := filepath.Join("testdata", s.file)
			if _, err := spec.Validate(file, spec.Options{}); err != nil {
				t.Error(err)
			}
			have := paths(t, file)
			for _, r := range s.rows {
				path, isPath := strings.CutPrefix(r.how, "`")
				path = strings.TrimSuffix(path, "`")
				reason := strings.HasPrefix(r.how, "no: ") || strings.HasPrefix(r.how, "by itself: ")
				if isPath == reason || isPath && !have[path] {
					t.Errorf("%s: %s is not in %s", r.what, r.how, s.file)
				}
			}
		})
	}
	if said != wantSaid || total != wantTotal || len(shapes) != 8 {
		t.Errorf("the page claims %d of %d, and has %d of %d in %d configurations", wantSaid, wantTotal, said, total, len(shapes))
	}
	if said < 120 || total != 146 {
		t.Errorf("%d of %d can be said, want 120 of 146", said, total)
	}
	files, err := filepath.Glob("testdata/*")
	if err != nil || len(files) != len(seen) {
		t.Errorf("testdata has %d files, the page %d (%v)", len(files), len(seen), err)
	}
}
