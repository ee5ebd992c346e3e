package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLocals: a local value can use everything that an attribute can use, each environment
// has its own, and down does without those that it cannot evaluate.
func TestLocals(t *testing.T) {
	const text = `
variable "size" {}
locals {
  place  = "${account}-${region}-an"
  prefix = "flows-${env_name}"
  bucket = join("-", [local.prefix, local["place"]])
  unused = 1 / 0
  parts  = { size = var.size, list = [for x in [local.prefix, "x"] : upper(x)] }
}
environment "dev" {
  bucket { name = local.bucket }
  tags = { size = local.parts.size, first = local.parts.list[0] }
}
environment "prod" {
  bucket { name = local.bucket }
}`
	f, err := load(text, Options{Env: "dev", Vars: map[string]string{"size": "big"}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Environment(place)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"size": "big", "first": "FLOWS-DEV"}
	if diff := cmp.Diff(want, e.Tags); diff != "" || e.Bucket.Name != "flows-dev-123456789012-us-east-1-an" {
		t.Errorf("have the bucket %s, tags %s", e.Bucket.Name, diff)
	}
	if _, err := load(text, Options{Env: "dev"}); err == nil || !strings.Contains(err.Error(), "FLOWBED_VAR_size") {
		t.Errorf("without the variable: have %v", err)
	}
	if _, err := load(text, Options{Env: "prod"}); err != nil { // which does not need it
		t.Error(err)
	}
	f, err = load(text, Options{Env: "dev", Destroy: true})
	if err != nil {
		t.Fatal(err)
	}
	if e, err = f.Environment(place); err != nil || e.Bucket.Name != "flows-dev-123456789012-us-east-1-an" || len(e.Tags) != 0 {
		t.Errorf("down: have %+v, %v", e, err)
	}
	_, err = load(strings.Replace(text, "local.prefix, local[", "var.size, local[", 1), Options{Env: "dev", Destroy: true})
	expect(t, err, "down needs \"name\"")
	expect(t, err, "--var size=")
}

// TestLocalsDoNotExplode: values and mistakes that double with each local value end with one
// error.
func TestLocalsDoNotExplode(t *testing.T) {
	for first, want := range map[string]string{
		`tonumber("x")`: "given string must be a decimal", `"0123456789"`: "more than a million characters", `["x"]`: "more than a million characters",
	} {
		var b strings.Builder
		fmt.Fprintf(&b, "locals {\na0 = %s\n", first)
		for i := 1; i < 60; i++ {
			ref := fmt.Sprintf("local.a%d", i-1)
			if first == `["x"]` {
				fmt.Fprintf(&b, "a%d = [%s, %s]\n", i, ref, ref)
			} else {
				fmt.Fprintf(&b, "a%d = \"${%s}${%s}\"\n", i, ref, ref)
			}
		}
		b.WriteString("}\nenvironment \"dev\" { tags = { x = jsonencode(local.a59) } }\n")
		_, err := load(b.String(), Options{})
		expect(t, err, want)
	}
}

// TestManyLocals: a long chain, and one in which each refers to all before it, take no
// noticeable time.
func TestManyLocals(t *testing.T) {
	for name, refer := range map[string]func(i int) string{
		"chain": func(i int) string { return fmt.Sprintf("local.l%d", i-1) },
		"all": func(i int) string {
			refs := make([]string, i)
			for j := range refs {
				refs[j] = fmt.Sprintf("local.l%d", j)
			}
			return "length([" + strings.Join(refs, ", ") + "])"
		},
	} {
		var b strings.Builder
		b.WriteString("locals {\nl0 = 1\n")
		for i := 1; i < 150; i++ {
			fmt.Fprintf(&b, "l%d = %s\n", i, refer(i))
		}
		b.WriteString("}\nenvironment \"dev\" { tags = { x = local.l149 } }\n")
		f, err := load(b.String(), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e, err := f.Environment(place); err != nil || e.Tags["x"] == "" {
			t.Errorf("%s: have %v, %v", name, e, err)
		}
	}
}
