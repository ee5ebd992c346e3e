package spec

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// FuzzLoad: no file makes the loader panic, each diagnostic has its place, the
// secret is never shown, and a file that loads gives an environment whose names
// AWS takes.
func FuzzLoad(f *testing.F) {
	paths := []string{example}
	for _, pattern := range []string{"testdata/bad/*.hcl", "testdata/good/*.hcl"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		paths = append(paths, more...)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src), false)
		f.Add(string(src), true)
	}
	f.Fuzz(func(t *testing.T, src string, destroy bool) {
		if strings.Contains(strings.ToLower(src), "sentinel") { // the file itself says it
			return
		}
		o := Options{Destroy: destroy, Home: "testdata/home", Environ: func(string) (string, bool) { return "", false }}
		if sensitiveKey.MatchString(src) {
			o.Vars = map[string]string{"api_key": sentinel}
		}
		whole := o
		whole.partial = true
		all, err := newFile(whole).validate("config.hcl", []byte(src))
		check(t, all, err)
		file, err := newFile(o).load("config.hcl", []byte(src))
		check(t, file, err)
		if err != nil {
			return
		}
		e, err := file.Environment(Place{Account: "123456789012", Region: "ap-southeast-1"})
		check(t, file, err)
		if err == nil {
			checkEnvironment(t, e)
		}
	})
}

var sensitiveKey = regexp.MustCompile(`^variable "api_key" \{ sensitive = true \}\n`)

// errorLine is how each line of an error looks.
var errorLine = regexp.MustCompile(`^(vars\.(hcl|json)|config\.hcl):[0-9]+: [^:\n]+: .+\n?$|^[0-9]+ more messages are not shown$`)

func check(t *testing.T, f *File, err error) {
	t.Helper()
	silent(t, said(t, f, err))
	if err == nil {
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || !e.Diags.HasErrors() {
		t.Fatalf("have %v, want an *Error", err)
	}
	for line := range strings.Lines(e.Error()) {
		if !errorLine.MatchString(line) {
			t.Errorf("not a line of an error: %q", line)
		}
	}
	for _, d := range e.Diags {
		if d.Subject == nil || d.Summary == "" || d.Detail == "" {
			t.Errorf("half a diagnostic: %+v", d)
		}
	}
}

func checkEnvironment(t *testing.T, e *Environment) {
	t.Helper()
	if why := badBucketName(e.Bucket.Name); why != "" {
		t.Errorf("bucket %q: %s", e.Bucket.Name, why)
	}
	for _, name := range []string{e.TaskRole.Name, e.ExecutionRole.Name, "flowbed-" + e.Name + "-agent"} {
		if !roleName.matches(name) {
			t.Errorf("role %q", name)
		}
	}
	if !clusterName.matches(e.Cluster.Name) {
		t.Errorf("cluster %q", e.Cluster.Name)
	}
	if e.Network == nil || e.Logs == nil || e.Bucket.Versioning == nil {
		t.Errorf("not complete: %+v", e)
	}
}

// FuzzNames: whatever an environment is called, all names that are made from it
// are names that AWS takes.
func FuzzNames(f *testing.F) {
	for _, region := range []string{"us-east-1", "us-gov-west-1", "ap-southeast-1", "eu-isoe-west-1"} {
		f.Add(strings.Repeat("a", 32), region)
		f.Add("a-----------------b-", region)
		f.Add("a", region)
	}
	logGroup := regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	f.Fuzz(func(t *testing.T, name, region string) {
		if len(region) > len("ap-southeast-1") { // as long as they get
			return
		}
		file, err := Bare(name, Options{})
		if err != nil {
			return
		}
		place := Place{Account: "123456789012", Region: region}
		e, err := file.Environment(place)
		if err != nil {
			return
		}
		checkEnvironment(t, e)
		global := Bucket{Namespace: "global"}
		global.complete(place.names(name))
		if why := badBucketName(global.Name); why != "" {
			t.Errorf("bucket %q: %s", global.Name, why)
		}
		if !poolName.matches(e.Prefect.WorkPool) || !logGroup.MatchString(place.names(name).LogGroup()) {
			t.Errorf("pool %q, log group %q", e.Prefect.WorkPool, place.names(name).LogGroup())
		}
	})
}

// FuzzSecret: a secret in a block that is made for secrets is not shown, whatever stands
// around it in the block, and whatever follows.
func FuzzSecret(f *testing.F) {
	for _, around := range []string{
		"\"|\"", "|", "<<EOT\n|\nEOT\n", "<<EOT\n|%{x\nEOT\n", "<<-EOT\nregion = |\n", "(\n\"|\" \"more\"\n)", "\"|", "\"${\"|\"\"", "[\n\"|\",\n\"${X\"]",
		"upper(\"|\", 1)", "var.|", "env(\"|\")", "1\n|", "1\nregion = \"|\"", "1\n| = 1", "1\n| {", "1\n} \"|\"", "\"\\Q|\"", "\"http://me:|@x/\"", "1 /* |", "1 # |",
	} {
		before, after, _ := strings.Cut(around, "|")
		for _, rest := range []string{"", "\nenvironment \"dev\" {\n region = 1\n}", "\nEOT\n\"", "\n\""} {
			f.Add(before, after, rest)
		}
	}
	f.Fuzz(func(t *testing.T, before, after, rest string) {
		if strings.Contains(before+after, "}") || strings.Contains(strings.ToLower(before+after+rest), "sentinel") {
			return // the secret would be in another block
		}
		for _, block := range []string{
			"variable \"k\" {\n  sensitive = true\n  default = ", "environment \"x\" {\n prefect {\n  api_url = \"https://prefect.example.com/api\"\n  api_key = ",
			"environment \"x\" {\n prefect {\n  auth_string = ",
		} {
			src := block + before + sentinel + after + "\n}\n" + rest
			for _, o := range []Options{{}, {Destroy: true}, {partial: true}} {
				o.Environ = noEnviron
				file := newFile(o)
				read := file.load
				if o.partial {
					read = file.validate
				}
				file, err := read("config.hcl", []byte(src))
				check(t, file, err)
			}
		}
	})
}

// FuzzVarFile: no file of variables makes the loader panic, and no text of it is shown.
func FuzzVarFile(f *testing.F) {
	for _, src := range []string{
		"", "days = 30\n", "days = \"" + sentinel + "\"\n", "k = <<EOT\n" + sentinel + "\nEOT\n", "k = (" + sentinel, sentinel + " = 1", "k = upper(\"" + sentinel + "\")",
		"k {\n a = \"" + sentinel + "\"\n}\n", "k = [for x in [1] : \"" + sentinel + "\"]", "k = 1\nk = \"" + sentinel + "\"", "{\"days\": 30}", "{\"" + sentinel + "\": 1}",
		"{\"k\": \"" + sentinel, "[\"" + sentinel + "\"]", "{\"k\": {\"a\": [\"" + sentinel + "\"]}}", "{\"k\": \"${" + sentinel + "}\"}", "\ufeffk = 1", "\xff\xfek\x00",
	} {
		f.Add(src, true)
		f.Add(src, false)
	}
	f.Fuzz(func(t *testing.T, src string, isJSON bool) {
		path := filepath.Join(t.TempDir(), "vars.hcl")
		if isJSON {
			path = filepath.Join(filepath.Dir(path), "vars.json")
		}
		if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Chdir(filepath.Dir(path))
		const config = "variable \"days\" { default = 30 }\nvariable \"k\" { sensitive = true }\nenvironment \"dev\" {\n logs { retention_days = var.days }\n}\n"
		file, err := newFile(Options{Environ: noEnviron, VarFiles: []string{filepath.Base(path)}}).load("config.hcl", []byte(config))
		check(t, file, err)
	})
}
