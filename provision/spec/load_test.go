package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// options are the comments at the top of a test file: "# --env dev",
// "# --var name=value", "# --var-file FILE", "# --removal", "# --validate", "# NAME=value"
// for an environment variable.
func options(src string) Options {
	o := Options{Home: "testdata/home", Vars: map[string]string{}}
	environ := map[string]string{}
	for line := range strings.Lines(src) {
		words, ok := strings.CutPrefix(strings.TrimSpace(line), "# ")
		if !ok {
			break
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(words, "--var "), "=")
		switch env, isEnv := strings.CutPrefix(words, "--env "); {
		case isEnv:
			o.Env = env
		case words == "--removal":
			o.Destroy = true
		case words == "--validate":
			o.partial = true
		case strings.HasPrefix(words, "--var-file "):
			o.VarFiles = append(o.VarFiles, strings.TrimPrefix(words, "--var-file "))
		case strings.HasPrefix(words, "--var "):
			o.Vars[name] = value
		default:
			environ[name] = value
		}
	}
	o.Environ = func(name string) (string, bool) { v, ok := environ[name]; return v, ok }
	return o
}

func golden(t *testing.T, path, have string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s (-want +have):\n%s", path, diff)
	}
}

func each(t *testing.T, pattern string, f func(t *testing.T, path string, o Options)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".hcl"), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f(t, path, options(string(src)))
		})
	}
}

// TestBad shows everything that is wrong with each bad file.
func TestBad(t *testing.T) {
	each(t, "testdata/bad/*.hcl", func(t *testing.T, path string, o Options) {
		open := Load
		if o.partial {
			open = Validate
		}
		_, err := open(path, o)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("have %v, want an *Error", err)
		}
		var b bytes.Buffer
		if err := e.WriteTo(&b, 100, false); err != nil {
			t.Fatal(err)
		}
		golden(t, strings.TrimSuffix(path, ".hcl")+".golden", b.String())
		if len(strings.Split(e.Error(), "\n")) != len(e.Diags) {
			t.Errorf("not one line for each diagnostic: %s", e.Error())
		}
	})
}

// TestGood shows the warnings of each good file, and the environment at a place.
func TestGood(t *testing.T) {
	each(t, "testdata/good/*.hcl", func(t *testing.T, path string, o Options) {
		f, err := Load(path, o)
		if err != nil {
			t.Fatal(err)
		}
		e, err := f.Environment(Place{Account: "123456789012", Region: "eu-central-1"})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := f.WriteWarnings(&b, 100, false); err != nil {
			t.Fatal(err)
		}
		b.Write(asJSON(t, e))
		golden(t, strings.TrimSuffix(path, ".hcl")+".golden", b.String())
	})
}

func TestMissingFile(t *testing.T) {
	for _, path := range []string{"testdata/nothing.hcl", "testdata"} {
		_, err := Load(path, Options{})
		e, ok := errors.AsType[*Error](err)
		if !ok || len(e.Diags) != 1 || !strings.Contains(e.Diags[0].Detail, "--config") {
			t.Errorf("%s: have %v", path, err)
		}
	}
}

func asJSON(t *testing.T, e *Environment) []byte {
	t.Helper()
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}
