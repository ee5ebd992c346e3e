package rooms_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFiles: what a test or a tool writes does not get into the repository. All that belongs
// here is text, and what people write or generate is smaller.
func TestFiles(t *testing.T) {
	const most = 128 << 10
	ignored := []string{"bin", "flowbed", "config.hcl"} // see .gitignore
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case relErr != nil:
			return relErr
		case name != "." && strings.HasPrefix(d.Name(), ".") && d.IsDir() || slices.Contains(ignored, name):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || slices.Contains([]string{".test", ".out"}, filepath.Ext(name)):
			return nil
		}
		text, err := os.ReadFile(path)
		switch {
		case err != nil:
			return err
		case len(text) > most:
			t.Errorf("%s has %d KiB", name, len(text)>>10)
		case strings.ContainsAny(string(text), "\x00\x1b") && filepath.Ext(name) != ".golden":
			t.Errorf("%s has bytes of a terminal, or is not text", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
