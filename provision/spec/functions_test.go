package spec

import (
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// TestFunctions holds the documented example of each function to be true, and
// finds functions without one.
func TestFunctions(t *testing.T) {
	b, err := os.ReadFile("gendoc/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{"env": true, "file": true}
	table := newFunctions(Options{}.withDefaults(), "testdata", &meter{})()
	ctx := &hcl.EvalContext{Functions: table}
	for line := range strings.Lines(string(b)) {
		left, right, ok := strings.Cut(strings.TrimSpace(line), ") = ")
		if !ok {
			t.Errorf("no example: %s", line)
		}
		name, _, _ := strings.Cut(left, "(")
		shown[name] = true
		if have, want := value(t, left+")", ctx), value(t, right, nil); have != want {
			t.Errorf("%s) is %s, want %s", left, have, want)
		}
	}
	for name := range table {
		if !shown[name] {
			t.Errorf("gendoc/functions.txt has no example of %s", name)
		}
	}
}

// value evaluates an expression to JSON, so that a list equals a tuple.
func value(t *testing.T, text string, ctx *hcl.EvalContext) string {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "example", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	v, _ = v.UnmarkDeep()
	json, err := stdlib.JSONEncode(v)
	if err != nil {
		t.Fatal(err)
	}
	return json.AsString()
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "text", "bytes": "\xff\xfe", "big": strings.Repeat("x", maxFile+1)} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"a.txt": "", "./a.txt": "", "~/a.txt": "", dir + "/a.txt": "", "~": "is a directory, not a file", "b.txt": dir + "/b.txt does not exist",
		"~ada/a.txt": dir + "/~ada/a.txt does not exist", "bytes": "not UTF-8", "big": "1 MiB", "a.txt/b": "not a directory",
	} {
		f := newFile(Options{Home: dir, Environ: noEnviron})
		_, err := f.load(dir+"/config.hcl", []byte(`environment "dev" { tags = { file = file("`+path+`") } }`))
		expect(t, err, want)
	}
	homeless := newFile(Options{Environ: noEnviron})
	homeless.o.Home = ""
	_, err := homeless.load("config.hcl", []byte(`environment "dev" { tags = { a = file("~/a") } }`))
	expect(t, err, "HOME")
}

func TestVariables(t *testing.T) {
	const src = `
variable "days" { default = 30 }
variable "on" { default = true }
variable "list" { default = ["subnet-0a1b2c3d"] }
variable "text" { default = null }
environment "dev" {
  logs { retention_days = var.days }
  bucket { versioning = var.on }
  network { subnets = var.list }
  cluster { name = var.text }
}`
	environ := map[string]string{"FLOWBED_VAR_days": "60", "FLOWBED_VAR_text": "from-env"}
	f, err := load(src, Options{
		Vars:    map[string]string{"days": "90", "on": "false", "list": `["subnet-0a1b2c3e", "subnet-0a1b2c3f"]`},
		Environ: func(n string) (string, bool) { v, ok := environ[n]; return v, ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Environment(place)
	if err != nil {
		t.Fatal(err)
	}
	if e.Logs.RetentionDays != 90 || *e.Bucket.Versioning || len(e.Network.Subnets) != 2 || e.Cluster.Name != "from-env" {
		t.Errorf("have %d, %t, %v, %s", e.Logs.RetentionDays, *e.Bucket.Versioning, e.Network.Subnets, e.Cluster.Name)
	}
}

// A CI system passes a secret that it does not have as an empty string.
func TestEmptySecretIsUnset(t *testing.T) {
	const src = `
variable "key" { sensitive = true }
environment "dev" {
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = var.key
  }
  agent {}
}`
	empty := func(string) (string, bool) { return "", true }
	_, err := load(src, Options{Environ: empty})
	expect(t, err, "FLOWBED_VAR_key")
	_, err = load(src, Options{Environ: noEnviron, Vars: map[string]string{"key": ""}})
	expect(t, err, "FLOWBED_VAR_key")
}

func TestNearest(t *testing.T) {
	words := []string{"bucket", "task_role", "tags", "logs", "vpc"}
	for word, want := range map[string]string{
		"bukcet": "bucket", "Bucket": "bucket", "taskrole": "task_role", "tag": "tags", "vcp": "vpc", "colour": "", "x": "",
	} {
		if have := nearest(word, words); have != want {
			t.Errorf("%s: have %q, want %q", word, have, want)
		}
	}
}

// TestFunctionThatPanics: neither its stack nor its arguments are shown, and the text of a
// panic is not mistaken for a value that is too large.
func TestFunctionThatPanics(t *testing.T) {
	f := newFile(Options{Environ: noEnviron})
	broken := function.New(&function.Spec{
		Params: []function.Parameter{{Name: "x", Type: cty.String}}, Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { panic(args[0].AsString()) },
	})
	expr, diags := parseExpression([]byte(`broken("goroutine")`), "x", f.meter)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	_, diags = f.meter.read(expr, &hcl.EvalContext{Functions: map[string]function.Function{"broken": f.meter.bounded("broken", broken)}})
	if text := diags.Error(); !strings.Contains(text, "cannot handle") || strings.Contains(text, "goroutine") {
		t.Errorf("have %s", text)
	}
}
