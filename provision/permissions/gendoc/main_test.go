package main

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/permissions.md")

// TestInStep holds docs/permissions.md against the table.
func TestInStep(t *testing.T) {
	const path = "../../../docs/permissions.md"
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
		t.Error("docs/permissions.md is not what the table says: run make docs")
	}
}
