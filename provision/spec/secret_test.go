package spec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// sentinel must not be seen anywhere.
const sentinel = "Sentinel-7f3a-Secret"

// said is all that an error or the warnings of a file say, in every form.
func said(t *testing.T, f *File, err error) string {
	t.Helper()
	var b bytes.Buffer
	if e, ok := errors.AsType[*Error](err); ok {
		b.WriteString(e.Error())
		for _, file := range e.Files {
			b.Write(file.Bytes)
		}
		if err := errors.Join(e.WriteTo(&b, 0, false), e.WriteTo(&b, 20, true)); err != nil {
			t.Fatal(err)
		}
	}
	if f != nil {
		if err := f.WriteWarnings(&b, 0, true); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func silent(t *testing.T, said string) {
	t.Helper()
	if strings.Contains(strings.ToLower(said), strings.ToLower(sentinel)) {
		t.Errorf("shows the secret:\n%s", said)
	}
}

// TestSecretEverywhere puts a secret into each attribute in many ways: it is
// accepted nowhere but where a secret belongs, and never shown.
func TestSecretEverywhere(t *testing.T) {
	expressions := []string{
		`var.s`, `"${var.s}"`, `"x-${upper(var.s)}"`, `[var.s]`, `{ (var.s) = "x" }`, `{ x = var.s }`, `jsondecode(var.s)`,
		`tonumber(var.s)`, `tobool(var.s)`, `file(var.s)`, `env(var.s)`, `parseint(var.s, 10)`, `regex(var.s, "a")`,
		`format(var.s, 1)`, `format("%d", var.s)`, `{ a = 1 }[var.s]`, `var.s.x`, `var.s[0]`, `var[var.s]`, `var.s + 1`,
		`var.s ? 1 : 2`, `element([], var.s)`, `try(file(var.s))`, `can(var.s)`, `[for x in [var.s] : file(x)]`, `-var.s`,
		`lookup({}, var.s)`, `zipmap([var.s], [])`, `merge(var.s)`, `var`, `var.l[0]`, `csvdecode(var.s)`, `join(var.s, 1)`,
	}
	options := Options{Vars: map[string]string{"s": sentinel, "l": fmt.Sprintf("[%q]", sentinel)}}
	const head = "variable \"s\" { sensitive = true }\nvariable \"l\" {\nsensitive = true\ndefault = []\n}\n"
	eachName(reflect.TypeFor[Environment](), "", func(path, last string) {
		block := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(path, "."), last), ".", " ")
		for i, x := range expressions {
			all := ways(strings.TrimSpace(block), last, x)
			for _, text := range []string{all[0], all[1+i%3]} {
				for _, destroy := range []bool{false, true} {
					options.Destroy = destroy
					f, err := load(head+text, options)
					silent(t, said(t, f, err))
					if err == nil && !destroy && path != ".prefect.api_key" && path != ".prefect.auth_string" && x != "can(var.s)" {
						t.Errorf("%s = %s: accepted in\n%s", path, x, text)
					}
				}
			}
		}
	})
}

// ways are files that give an expression to an attribute: directly, through a local value,
// through a local value in a map, and in the defaults.
func ways(block, attribute, x string) (files []string) {
	file := func(x string) string {
		text := fmt.Sprintf("%s = %s\n", attribute, x)
		if block == "prefect" && attribute != "api_url" {
			text += "api_url = \"https://prefect.example.com/api\"\n"
		}
		if block == "" {
			return "environment \"dev\" {\n" + text + "}"
		}
		return in(block, text)
	}
	return []string{
		file(x), file("local.x") + "\nlocals { x = " + x + " }",
		file("local.m.x") + "\nlocals {\n m = { x = local.y }\n y = " + x + "\n}",
		strings.Replace(file(x), `environment "dev"`, "defaults", 1) + "\nenvironment \"dev\" {}",
	}
}

// TestPasswordInURL writes a password into the URL of each attribute that has one, in valid
// and in broken files: no message shows it.
func TestPasswordInURL(t *testing.T) {
	for _, attribute := range []string{"api_url", "version", "work_pool", "ca_file", "nonsense"} {
		for _, text := range []string{
			`"https://ada:` + sentinel + `@prefect.example/api"`, `"https://` + sentinel + `@prefect.example/api"`,
			`"https://ada:` + sentinel + `@prefect.example/%zz"`, `"https://ada:` + sentinel + `@prefect.example`,
			`file("https://ada:` + sentinel + `@prefect.example/api")`,
		} {
			f, err := load(in("prefect", attribute+" = "+text+"\n"), Options{})
			if err == nil {
				t.Errorf("%s = %s: accepted", attribute, text)
			}
			silent(t, said(t, f, err))
		}
	}
}

// TestSecretInBadFiles gives a secret to every test file through a variable, and
// through everything that comes from outside.
func TestSecretInBadFiles(t *testing.T) {
	for _, pattern := range []string{"testdata/bad/*.hcl", "testdata/good/*.hcl"} {
		each(t, pattern, func(t *testing.T, path string, o Options) {
			for _, destroy := range []bool{false, true} {
				o := o
				o.Destroy = destroy
				o.Environ = func(name string) (string, bool) {
					public, isVar := strings.CutPrefix(name, "FLOWBED_VAR_")
					return sentinel, !isVar || public == "api_key" || public == "secret"
				}
				f, err := Load(path, o)
				silent(t, said(t, f, err))
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	src := `
variable "a" { sensitive = true }
variable "b" {
  sensitive = true
  default   = { token = "second secret", list = ["third secret"] }
}
variable "c" { default = "public" }
` + in("prefect", "api_url = \"https://prefect.example.com/api\"\napi_key = env(\"KEY\")")
	f, err := load(src, Options{Vars: map[string]string{"a": "first secret"}, Environ: func(name string) (string, bool) {
		return "the-key", name == "KEY"
	}})
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Join(f.Secrets(), ",")
	for _, want := range []string{"first secret", "second secret", "third secret", "the-key"} {
		if !strings.Contains(have, want) {
			t.Errorf("no %q in %q", want, have)
		}
	}
	if strings.Contains(have, "public") {
		t.Errorf("have %q", have)
	}
}

// TestSecretLines hides a secret of several lines that stands in the file.
func TestSecretLines(t *testing.T) {
	src := "variable \"a\" {\nsensitive = true\ndefault = <<EOT\n" + sentinel + " one\n" + sentinel + " two\nEOT\n}\n" +
		"environment \"dev\" {\nregion = \"" + sentinel + " two\"\n}"
	f, err := load(src, Options{})
	if err == nil {
		t.Fatal("no error")
	}
	silent(t, said(t, f, err))
}
