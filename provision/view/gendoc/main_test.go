package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/schemas")

// TestInStep holds docs/schemas against the structs.
func TestInStep(t *testing.T) {
	const root = "../../.."
	files, err := schemas(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(outputs) {
		t.Errorf("%d files for %d outputs", len(files), len(outputs))
	}
	for name, want := range files {
		path := filepath.Join(root, folder, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(have)); d != "" {
			t.Errorf("%s is not what the structs say: run make docs (-structs +file)\n%s", path, d)
		}
	}
	all, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if files[f.Name()] == nil {
			t.Errorf("%s describes no output", f.Name())
		}
	}
}

// TestFields: what a field's type and tag become.
func TestFields(t *testing.T) {
	w := &writer{structs: map[string]structure{"jsonThing": {fields: []field{{name: "thing", goType: "*jsonThing", optional: true}}}}, defs: map[string]object{}}
	for _, c := range []struct {
		f    field
		want string
	}{
		{field{goType: "string"}, `{"type":"string"}`},
		{field{goType: "string", schema: "a"}, `{"const":"a"}`},
		{field{goType: "string", schema: "date"}, `{"type":"string","format":"date"}`},
		{field{goType: "string", schema: "a|b"}, `{"enum":["a","b"]}`},
		{field{goType: "*string", schema: "date-time", doc: "D."}, `{"description":"D.","anyOf":[{"type":"string","format":"date-time"},{"type":"null"}]}`},
		{field{goType: "*[]jsonThing", optional: true}, `{"type":"array","items":{"$ref":"#/$defs/thing"}}`},
		{field{goType: "map[string]int"}, `{"type":"object","additionalProperties":{"type":"integer"}}`},
		{field{goType: "map[string]any", schema: "string|list"}, `{"type":"object","additionalProperties":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]}}`},
	} {
		o, err := w.field(c.f)
		if err != nil {
			t.Fatal(err)
		}
		have, err := o.MarshalJSON()
		if err != nil || string(have) != c.want {
			t.Errorf("%+v:\nhave %s, %v\nwant %s", c.f, have, err, c.want)
		}
	}
	if have, err := w.defs["thing"].MarshalJSON(); err != nil || string(have) != `{"type":"object","properties":{"thing":{"$ref":"#/$defs/thing"}}}` {
		t.Errorf("have %s, %v", have, err)
	}
	for _, f := range []field{{goType: "any"}, {goType: "unknown"}} {
		if o, err := w.field(f); err == nil {
			t.Errorf("%+v became %v", f, o)
		}
	}
	if have := description("jsonThing", "jsonThing is one thing,\nor another."); have != "One thing, or another." {
		t.Errorf("have %q", have)
	}
}
