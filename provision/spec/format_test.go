package spec

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormat(t *testing.T) {
	for name, c := range map[string]struct{ have, want string }{
		"spaces":   {"environment \"dev\" {\nregion=\"us-east-1\"\n  account  = \"123456789012\"\n}\n", "environment \"dev\" {\n  region  = \"us-east-1\"\n  account = \"123456789012\"\n}\n"},
		"comments": {"a = 1 # one\nlong = 2 # two\n", "a    = 1 # one\nlong = 2 # two\n"},
		"returns":  {"a = 1 # one\r\nlong=\"${ a }\"\r\n", "a    = 1 # one\r\nlong = \"${a}\"\r\n"},
		"heredoc":  {"a = <<END\n  as  it   is\n END\nb=1\n", "a = <<END\n  as  it   is\n END\nb = 1\n"},
		"nothing":  {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := Format("config.hcl", []byte(c.have))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, string(have)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestFormatKeepsMeaning: what is formatted stays so, and reads as before.
func TestFormatKeepsMeaning(t *testing.T) {
	paths, err := filepath.Glob("testdata/good/*.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if paths = append(paths, example, "../../docs/demo/config.hcl"); len(paths) < 5 {
		t.Fatalf("only %d files", len(paths))
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		once, err := Format(path, src)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		twice, err := Format(path, once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s changes again: %v\n%s", path, err, cmp.Diff(string(once), string(twice)))
		}
		space := func(b []byte) string { return strings.Join(strings.Fields(string(b)), "") }
		if space(src) != space(once) {
			t.Errorf("%s: more than spaces has changed:\n%s", path, cmp.Diff(string(src), string(once)))
		}
	}
}

// TestFormatRefuses: mistakes in the syntax are named with their place, and no text of the
// file is shown where a secret may be.
func TestFormatRefuses(t *testing.T) {
	_, err := Format("config.hcl", []byte("a = 1\nvariable \"api_key\" { default = \"hunter2hunter2\n"))
	e, ok := errors.AsType[*Error](err)
	if !ok || !strings.HasPrefix(err.Error(), "config.hcl:2: ") {
		t.Fatalf("have %v", err)
	}
	var b bytes.Buffer
	if err := e.WriteTo(&b, 80, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String()+err.Error(), "hunter2") {
		t.Errorf("a secret is shown:\n%s", &b)
	}
}

// TestVeil: strings where a secret may be are overwritten, and nothing else.
func TestVeil(t *testing.T) {
	for name, c := range map[string]struct{ have, want string }{
		"config file": {"variable \"k\" {\n  default=\"hunter2\"\n}\nlocals {\n  k = \"a ${env(\"B\")} c\"\n}\nenvironment \"dev\" {\n  region=\"us-east-1\"\n  prefect {\n    api_key=\"hunter2\"\n  }\n}\n",
			"variable \"k\" {\n  default=\"*******\"\n}\nlocals {\n  k = \"* ${env(\"*\")} *\"\n}\nenvironment \"dev\" {\n  region=\"us-east-1\"\n  prefect {\n    api_key=\"*******\"\n  }\n}\n"},
		"one line": {"environment \"dev\" { prefect { api_key = \"hunter2\" } }\n", ""},
		"defaults": {"defaults {\n  prefect {\n    auth_string = <<E\nada:hunter2\nE\n  }\n}\n", "defaults {\n  prefect {\n    auth_string = <<E\n***********\nE\n  }\n}\n"},
		"values":   {"api_key=\"hunter2\"\nlist=[\"a\"]\n", "api_key=\"*******\"\nlist=[\"*\"]\n"},
	} {
		if have := string(Veil([]byte(c.have))); have != c.want {
			t.Errorf("%s:\n%s", name, cmp.Diff(c.want, have))
		}
	}
}
