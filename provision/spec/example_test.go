package spec

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
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

// TestExampleHasAll walks the structs and looks for each block and attribute.
func TestExampleHasAll(t *testing.T) {
	src, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	parsed, diags := hclparse.NewParser().ParseHCL(src, "config.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	types := map[string]reflect.Type{"environment": reflect.TypeFor[Environment](), "defaults": reflect.TypeFor[Environment](), "variable": reflect.TypeFor[Variable]()}
	found := map[string]bool{}
	for _, b := range parsed.Body.(*hclsyntax.Body).Blocks {
		if ty := types[b.Type]; ty != nil {
			written(b, ty, strings.Replace(b.Type, "defaults", "environment", 1), found)
		}
	}
	delete(types, "defaults")
	for name, ty := range types {
		eachName(ty, name, func(path, last string) {
			if !found[path] && !strings.Contains(string(src), "# "+last+" ") {
				t.Errorf("config.hcl.example has no %s", path)
			}
		})
	}
}

// written notes the paths of what stands in a block.
func written(b *hclsyntax.Block, ty reflect.Type, path string, found map[string]bool) {
	for name := range b.Body.Attributes {
		found[path+"."+name] = true
	}
	for _, m := range members(ty) {
		for _, inner := range b.Body.Blocks {
			if m.block && inner.Type == m.name {
				found[path+"."+m.name] = true
				written(inner, ty.Field(m.index).Type.Elem(), path+"."+m.name, found)
			}
		}
	}
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
