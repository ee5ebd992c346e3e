package rooms_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAddingAResource keeps the list of files in docs/adding-a-resource.md true: the
// files that know the repository are those that the page names, and no more.
func TestAddingAResource(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "adding-a-resource.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := func(section string) map[string]bool {
		_, rest, ok := strings.Cut(string(text), "<!-- "+section+" -->\n")
		table, _, closed := strings.Cut(rest, "<!-- /"+section+" -->")
		if !ok || !closed {
			t.Fatalf("the page has no table %s", section)
		}
		files := map[string]bool{}
		for row := range strings.Lines(table) {
			cells := strings.Split(row, "|")
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				files[m[1]] = true
				if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
					t.Errorf("%s: %v", section, err)
				}
			}
		}
		return files
	}
	kind, then := listed("kind"), listed("then")
	if len(kind) > 8 {
		t.Errorf("a kind takes %d hand-written files, and is meant to take at most 8", len(kind))
	}
	want := maps.Clone(kind)
	maps.Copy(want, then)
	want["provision/sandbox/services.go"] = true // generated
	if d := cmp.Diff(slices.Sorted(maps.Keys(want)), filesWithRepository(t)); d != "" {
		t.Errorf("files with the repository (-the page +the code):\n%s", d)
	}
}

// ecr matches what only the repository brought into the code, and the first line of
// its block in the example. The word alone is also GitHub's.
var ecr = regexp.MustCompile(`RepositoryState|KindRepository|(resource|spec|\be|env)\.Repository\b|\*Repository\b|repositoryName|` +
	`repository_uri|service/ecr"|sandbox/ecr"|"repository"|"ecr\.[A-Z]|putScanning|\n  repository \{|A .repository. block`)

// filesWithRepository are the hand-written files that know the repository.
func filesWithRepository(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case relErr != nil:
			return relErr
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"docs", "testdata", "rooms", "bin", "peers"}, d.Name())):
			return filepath.SkipDir
		case d.IsDir() || !slices.Contains([]string{".go", ".md", ".example"}, filepath.Ext(name)):
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil && ecr.Match(text) {
			list = append(list, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
