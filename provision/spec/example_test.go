package spec

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const example = "../../config.hcl.example"

func noEnviron(string) (string, bool) { return "", false }

// TestExample loads the example, as it is and with its alternative put to use.
func TestExample(t *testing.T) {
	src, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	other := regexp.MustCompile(`public_key .*`).ReplaceAllString(string(src), "")
	other = strings.Replace(other, "# key_name", "key_name", 1)
	for name, text := range map[string]string{"as it is": string(src), "with a key pair": other} {
		t.Run(name, func(t *testing.T) {
			o := Options{Env: "dev", Home: "testdata/home", Environ: noEnviron, Vars: map[string]string{"api_key": "pnu_0123456789abcdef"}}
			f, err := newFile(o).load("config.hcl", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Warnings) > 0 {
				t.Errorf("warnings: %v", f.Warnings)
			}
			if diff := cmp.Diff([]string{"pnu_0123456789abcdef"}, f.Secrets()); diff != "" {
				t.Error(diff)
			}
			if f.EnvName() != "dev" || f.Region() != "us-east-1" || f.Account() != "123456789012" {
				t.Errorf("have %s, %s, %s", f.EnvName(), f.Region(), f.Account())
			}
			if _, err := f.Environment(Place{Account: f.Account(), Region: f.Region()}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestExampleHasAll walks the structs and looks for each block and attribute in its place. In a
// comment is as good. ignore_changes stands in one block: the example says that all have it.
func TestExampleHasAll(t *testing.T) {
	src, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	found := written(t, string(src))
	for name, ty := range map[string]reflect.Type{"environment": reflect.TypeFor[Environment](), "variable": reflect.TypeFor[Variable]()} {
		eachName(ty, name, func(path, last string) {
			if !found[path] && (last != "ignore_changes" || !strings.Contains(string(src), "# ignore_changes = [\"encryption\"] # in any block:")) {
				t.Errorf("config.hcl.example has no %s", path)
			}
		})
	}
}

var (
	exampleLine = regexp.MustCompile(`^\s*(?:# )?([a-z0-9_]+)(?: "[^"]*")?\s*([{=])(.*)$`)
	exampleEnd  = regexp.MustCompile(`^\s*(?:# )?}`)
)

// written are the paths of the blocks and attributes in a text, those in comments too.
func written(t *testing.T, text string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	var within []string
	for line := range strings.Lines(text) {
		m := exampleLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		switch {
		case m != nil:
			name := strings.Replace(m[1], "defaults", "environment", 1)
			found[strings.Join(append(slices.Clone(within), name), ".")] = true
			if m[2] == "{" && !strings.Contains(m[3], "}") {
				within = append(within, name)
			}
		case exampleEnd.MatchString(line):
			if len(within) == 0 {
				t.Fatal("a block ends that did not begin")
			}
			within = within[:len(within)-1]
		}
	}
	if len(within) > 0 {
		t.Fatalf("these blocks do not end: %v", within)
	}
	return found
}

func eachName(ty reflect.Type, path string, f func(path, last string)) {
	for _, m := range members(ty) {
		switch {
		case m.label:
			continue
		case m.block:
			eachName(ty.Field(m.index).Type.Elem(), path+"."+m.name, f)
		}
		f(path+"."+m.name, m.name)
	}
}

// TestFieldsHaveTags keeps a field from being left out of the language.
func TestFieldsHaveTags(t *testing.T) {
	var check func(ty reflect.Type)
	check = func(ty reflect.Type) {
		if n := len(members(ty)); n != ty.NumField() {
			t.Errorf("%s: %d of %d fields have an hcl tag", ty, n, ty.NumField())
		}
		for _, m := range members(ty) {
			if m.block {
				check(ty.Field(m.index).Type.Elem())
			}
		}
	}
	check(reflect.TypeFor[Environment]())
}
