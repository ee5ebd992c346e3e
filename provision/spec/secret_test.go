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

// TestSecretInAMistake writes a secret into files with mistakes of all kinds, of which many
// keep flowbed from knowing that it is one: no message shows it, nor a line with it.
func TestSecretInAMistake(t *testing.T) {
	const s = sentinel
	variable := func(body string) string {
		return "variable \"k\" {\n" + body + "\n}\nenvironment \"dev\" { region = \"us-east-1\" }\n"
	}
	prefect := func(body string) string {
		return in("prefect", "api_url = \"https://prefect.example.com/api\"\n"+body+"\n")
	}
	for name, src := range map[string]string{
		"heredoc":                  variable("sensitive = true\ndefault = <<EOT\n" + s + "%{x\nEOT"),
		"heredoc, keyword":         variable("sensitive = true\ndefault = <<EOT\n%{" + s + "}\nEOT"),
		"heredoc, like attributes": variable("sensitive = true\ndefault = <<EOT\nregion = " + s + "\n${\nEOT"),
		"heredoc without an end":   variable("sensitive = true\ndefault = <<EOT\nregion = " + s + "\n"),
		"several lines":            prefect("auth_string = join(\":\", [\"admin\",\n\"" + s + "${X\"])"),
		"lines like attributes":    prefect("auth_string = join(\":\", [\n region = " + s + "\n])"),
		"parentheses":              variable("sensitive = true\ndefault = (\n\"" + s + "\" \"more\"\n)"),
		"unclosed text":            prefect("api_key = \"" + s + "\nwork_pool = \"a\""),
		"after an unclosed text":   "environment \"dev\" {\n region = \"us-east-1\n prefect {\n api_key = \"\n region = \"" + s + "\"\n }\n}",
		"no equals sign":           prefect("api_key \"" + s + "\""),
		"no quotes":                prefect("api_key = " + strings.ReplaceAll(s, "-", "_")),
		"no quotes, minus":         prefect("api_key = " + s),
		"no quotes, twice":         prefect("api_key = " + s + " " + s),
		"as a variable":            prefect("api_key = var." + s),
		"as an index":              prefect("api_key = var[\"" + s + "\"]"),
		"as a label":               strings.Replace(prefect(""), "prefect {", "prefect \""+s+"\" {", 1),
		"as a label of a variable": "variable \"k\" \"" + s + "\" {}\nenvironment \"dev\" {}",
		"as an environment's name": prefect("api_key = env(\"" + s + "\")"),
		"as a path":                prefect("api_key = file(\"" + s + "\")"),
		"as a name":                prefect(s + " = 1"),
		"as a block":               prefect(s + " {}"),
		"as a function":            prefect("api_key = " + s + "(1)"),
		"escape":                   prefect("api_key = \"\\Q" + s + "\""),
		"misspelled":               prefect("api_keyy = \"" + s + "\""),
		"misspelled block":         strings.Replace(prefect("api_key = \""+s+"\""), "prefect {", "prefct {", 1),
		"another block":            in("agent", "api_key = \""+s+"\"\ninstance_type = 5"),
		"block in another":         in("agent", "prefect {\napi_key = \""+s+"\"\n}\n"),
		"beside the environments":  "prefect {\napi_key = \"" + s + "\"\n}\nenvironment \"dev\" {}",
		"attribute of the file":    "api_key = \"" + s + "\"\nenvironment \"dev\" {}",
		"in an object":             "environment \"dev\" {\n prefect = { api_key = \"" + s + "\" }\n}",
		"misspelled sensitive":     variable("sensitiv = true\ndefault = \"" + s + "\""),
		"odd sensitive":            variable("sensitive = \"ja\"\ndefault = \"" + s + "\" + 1"),
		"misspelled default":       variable("sensitive = true\ndefalt = \"" + s + "\""),
		"twice":                    variable("default = 1") + variable("sensitive = true\ndefault = \""+s+"\""),
		"set twice":                prefect("api_key = \"a\"\napi_key = \"" + s + "\""),
		"name set twice":           prefect(s + " = 1\n" + s + " = 1"),
		"URL":                      in("prefect", "api_url = \"http://me:"+s+"@prefect.example.com:port/api\"\n"),
		"URL without a user":       in("prefect", "api_url = \"http://:"+s+"@prefect.example.com/api\"\n"),
		"URL in another place":     in("agent", "instance_type = \"http://me:"+s+"@prefect.example.com/api\"\n"),
		"URL in a syntax error":    in("prefect", "api_url = \"http://me:"+s+"@prefect.example.com/api\n"),
		"wrong attribute":          prefect("api_key = \"" + s + "\"\nversion = \"" + s + "x\""),
		"wrong attribute, key":     prefect("version = \"1.4.2\"\napi_key = \"x" + s + "\""),
		"local":                    prefect("api_key = local.k") + "\nlocals {\n k = upper(\n\"" + s + "\", 1)\n}",
		"local, twice":             prefect("api_key = local.k") + "\nlocals {\n k = 1\n}\nlocals {\n k = \"" + s + "\"\n}",
		"local, syntax":            "locals {\n k = \"" + s + "\" x\n}\n" + prefect("api_key = local.k"),
		"panicking function":       prefect("api_key = format(\"%\", \"" + s + "\")"),
		"large":                    prefect("api_key = join(\"\", [for a in range(1000) : [for b in range(1000) : \"" + s + "\"]])"),
		"deep":                     prefect("api_key = " + strings.Repeat("(", 600) + "\"" + s + "\"" + strings.Repeat(")", 600)),
		"CRLF":                     strings.ReplaceAll(variable("sensitive = true\ndefault = (\n\""+s+"\" \"more\"\n)"), "\n", "\r\n"),
		"carriage returns only":    strings.ReplaceAll(variable("sensitive = true\ndefault = (\n\""+s+"\" \"more\"\n)"), "\n", "\r"),
		"line separators":          strings.ReplaceAll(prefect("api_key = \""+s+"\" x"), "\n", "\u2028"),
		"one line":                 "environment \"dev\" { prefect { api_key = \"" + s + "\" } }",
		"no UTF-8":                 prefect("api_key = \"\xff" + s + "\""),
	} {
		for _, o := range []Options{{}, {Destroy: true}, {partial: true}} {
			o.Environ = noEnviron
			f := newFile(o)
			read := f.load
			if o.partial {
				read = f.validate
			}
			f, err := read("config.hcl", []byte(src))
			if err == nil && !o.Destroy {
				t.Errorf("%s: accepted", name)
			}
			text := said(t, f, err)
			for _, form := range []string{s, strings.ReplaceAll(s, "-", "_"), s[:8]} {
				if strings.Contains(text, form) {
					t.Errorf("%s: shows the secret:\n%s\nof\n%s", name, text, src)
					break
				}
			}
		}
	}
}

// TestSourceIsShown: where no secret can be, the line is shown, although the file has one.
func TestSourceIsShown(t *testing.T) {
	const secret = "variable \"k\" {\n sensitive = true\n default = \"" + sentinel + "\"\n}\n"
	for src, want := range map[string]string{
		secret + in("agent", "instance_type = 5x\n"):                                                    "instance_type = 5x",
		secret + in("bucket", "expire_days = -1\n"):                                                     "expire_days = -1",
		in("prefect", "api_key = var.k\napi_url = \"htp://prefect.example.com/api\"\n") + "\n" + secret: "htp://prefect.example.com/api",
		secret + "environment \"dev\" {\n region = \"us-east\"\n}":                                      "us-east",
	} {
		_, err := load(src, Options{Environ: noEnviron})
		text := said(t, nil, err)
		silent(t, text)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("have %v", err)
		}
		var b bytes.Buffer
		if err := e.WriteTo(&b, 0, false); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%v: does not show %q:\n%s", err, want, &b)
		}
	}
}
