package main

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/spec.md")

// TestInStep holds docs/spec.md against the structs.
func TestInStep(t *testing.T) {
	const path = "../../../docs/spec.md"
	want, err := render("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("docs/spec.md is not what the structs say: run make docs")
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		f                 field
		meaning, fallback string
	}{
		{field{doc: `The size. Default: 16.`, opt: true}, "The size.", "16"},
		{field{doc: `Its name. Default: "a". There is more.`, opt: true}, "Its name. There is more.", "`\"a\"`"},
		{field{doc: `A key.`, opt: true}, "A key.", "none"},
		{field{doc: `The API at <id>.`}, "The API at &lt;id&gt;.", "**required**"},
	} {
		meaning, fallback := c.f.split()
		if meaning != c.meaning || fallback != c.fallback {
			t.Errorf("%q: have %q, %q; want %q, %q", c.f.doc, meaning, fallback, c.meaning, c.fallback)
		}
	}
}
