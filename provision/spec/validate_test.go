package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func validateText(t *testing.T, text string, o Options) (*File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Environ, o.Home = noEnviron, "testdata/home"
	return Validate(path, o)
}

const team = `
variable "key" { sensitive = true }
variable "size" {}
variable "region" {}
defaults {
  region = var.region
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = var.key
  }
  agent { instance_type = var.size }
}
environment "dev" {}
environment "prod" {
  region = "eu-central-1"
  bucket { name = "flows-${var.size}-${account}-${region}-an" }
}
environment "pr-*" {}
`

// TestValidateNeedsNoVariables checks all environments of a file, and one, without a value
// for any variable.
func TestValidateNeedsNoVariables(t *testing.T) {
	f, err := validateText(t, team, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"dev", "prod", "pr-*"}, f.Names()); diff != "" || f.EnvName() != "" || f.Region() != "" {
		t.Errorf("selected %q in %q, %s", f.EnvName(), f.Region(), diff)
	}
	if f, err = validateText(t, strings.ReplaceAll(team, "var.region", `"eu-central-1"`), Options{}); err != nil || f.Region() != "eu-central-1" {
		t.Errorf("have %v, %v; want the region of all environments", f, err)
	}
	f, err = validateText(t, team, Options{Env: "pr-4711"})
	if err != nil || f.EnvName() != "pr-4711" {
		t.Errorf("have %v, %v", f, err)
	}
	if _, err = load(team, Options{Env: "dev"}); err == nil || !strings.Contains(err.Error(), "--var-file") {
		t.Errorf("load without variables: have %v", err)
	}
}

// TestValidateAsksOthers: the other packages see each environment that is complete, and
// none that has a value which is not known yet.
func TestValidateAsksOthers(t *testing.T) {
	var asked []string
	o := Options{Check: func(e *Environment) []Complaint {
		asked = append(asked, e.Name)
		return nil
	}}
	if _, err := validateText(t, strings.ReplaceAll(team, "var.size", `"t3.small"`), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"prod"}, asked); diff != "" { // the region of the others is not known
		t.Error(diff)
	}
}

// TestNamesOfTheirOwn: environments of a file may have the same names in another account,
// region or API, or if they do not own the object. What cannot be told is a warning.
func TestNamesOfTheirOwn(t *testing.T) {
	const farm, flows = `cluster { name = "farm" }`, `task_role { name = "flows" }`
	pool := func(url, name string) string {
		return fmt.Sprintf("prefect {\napi_url = %s\nwork_pool = %q\n}", url, name)
	}
	const p = `"https://p.example/api"`
	for _, c := range []struct{ dev, prod, want string }{
		{farm, farm, `"dev" and "prod" would own the same cluster, "farm", and each`},
		{farm, `cluster { name = "Farm" }`, ""},
		{farm, "region = \"us-east-1\"\n" + farm, "if they are in one account and region"},
		{"region = \"eu-west-1\"\n" + farm, "region = \"us-east-1\"\n" + farm, ""},
		{farm, "account = \"123456789012\"\n" + farm, "if they are in one account and region"},
		{"account = \"210987654321\"\n" + farm, "account = \"123456789012\"\n" + farm, ""},
		{`logs { name = "/data/flows" }`, `logs { name = "/data/flows" }`, `would own the same log group, "/data/flows", and each`},
		{`logs { name = "/flowbed/prod" }`, "", `would own the same log group, "/flowbed/prod", and each`},
		{`logs { name = "/data/${env_name}" }`, `logs { name = "/data/${env_name}" }`, ""},
		{`cluster { name = "default" }`, `cluster { name = "default" }`, ""},
		{farm, "cluster {\nname = \"farm\"\nownership = \"external\"\n}", ""},
		{flows, "region = \"us-east-1\"\n" + flows, "the same role, \"flows\", and each"}, // roles have no region
		{flows, "account = \"123456789012\"\n" + flows, "if they are in one account"},
		{`task_role { name = "FLOWS" }`, `execution_role { name = "flows" }`, "the same role"},
		{`execution_role { name = "ecsTaskExecutionRole" }`, `execution_role { name = "ecsTaskExecutionRole" }`, ""},
		{``, "task_role { name = \"flowbed-dev-task\" }", "the same role"},
		{`task_role { name = "flows-${region}" }`, `task_role { name = "flows-us-east-1" }`, ""}, // the region of dev is not known
		{"task_role { name = var.x }", "task_role { name = \"flowbed-dev-task\" }", ""},
		{"account = var.x\n" + flows, "account = var.y\n" + flows, ""},
		{pool(p, "a") + "\nagent {}", `task_role { name = "flowbed-dev-agent" }`, "the same role"},
		{`repository { name = "flows" }`, `repository { name = "flows" }`, "the same repository"},
		{"bucket {\nname = \"flows\"\nnamespace = \"global\"\n}", "region = \"us-east-1\"\nbucket {\nname = \"flows\"\nnamespace = \"global\"\n}", "the same bucket, \"flows\", and each"},
		{"bucket { name = \"flows-${account}-${region}-an\" }", "bucket { name = \"flows-${account}-${region}-an\" }", "the same bucket, and each"},
		{"bucket { name = \"flows-${account}-${region}-an\" }", "region = \"us-east-1\"\nbucket { name = \"flows-${account}-${region}-an\" }", "the same bucket, if"},
		{"bucket { name = \"flows-${account}-${region}-an\" }", "account = \"111122223333\"\nregion = \"us-east-1\"\nbucket { name = \"flows-${account}-${region}-an\" }", ""},
		{pool(p, "x"), "region = \"us-east-1\"\n" + pool(`"https://P.example:443/api/"`, "x"), "the same work pool"},
		{pool(p, "x"), pool(`"https://q.example/api"`, "x"), ""},
		{pool(p, "x"), pool(p, "X"), ""},
		{pool("var.x", "x"), pool("var.y", "x"), ""},
	} {
		f, err := validateText(t, fmt.Sprintf("variable \"x\" {}\nvariable \"y\" {}\nenvironment \"dev\" {\n%s\n}\nenvironment \"prod\" {\n%s\n}\n", c.dev, c.prod), Options{})
		said := ""
		if err != nil {
			said = err.Error()
		} else if len(f.Warnings) > 0 {
			said = f.Warnings[0].Detail
		}
		if c.want == "" && said != "" || !strings.Contains(said, c.want) || (err == nil) != (c.want == "" || strings.Contains(c.want, "if")) {
			t.Errorf("%s and %s: have %v, %q, want %q", c.dev, c.prod, err, said, c.want)
		}
	}
}

// TestExamples: the names with which validate tries a pattern are numbers, and no label of
// the file.
func TestExamples(t *testing.T) {
	const number = `environment "pr-*" {
  tags = { number = parseint(trimprefix(env_name, "pr-"), 10) }
}
`
	for _, text := range []string{
		number, number + `environment "pr-x" {}`, number + "environment \"pr-1\" {}\nenvironment \"pr-2\" {}\n",
		`environment "*" {}`, `environment "` + strings.Repeat("a", 31) + `*" {}`,
	} {
		if _, err := validateText(t, text, Options{}); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	var b strings.Builder
	b.WriteString(number)
	for i := range 12 {
		fmt.Fprintf(&b, "environment \"pr-%d\" {}\n", i)
	}
	if _, err := validateText(t, b.String(), Options{}); err != nil {
		t.Error(err)
	}
}

// TestPatterns selects environments by name.
func TestPatterns(t *testing.T) {
	const text = `
environment "pr-*" { ttl = "8h" }
environment "pr-1" {}
environment "*" {}
`
	one := strings.Replace(text, `environment "*" {}`, "", 1)
	for _, c := range []struct{ text, env, ttl, want string }{
		{one, "pr-2", "8h", ""},
		{one, "pr-1", "", ""}, // the exact label inherits nothing from the pattern
		{one, "pr--", "8h", ""},
		{one, "", "", ""}, // the only one that is no pattern
		{one, "pr-", "", `no environment "pr-"`},
		{one, "dev", "", `no environment "dev"`},
		{one, "pr-*", "", "without an asterisk"},
		{one, "pr-" + strings.Repeat("x", 30), "", "31 lowercase letters"},
		{text, "pr-2", "", `Both "pr-*" and "*" match`},
		{text, "dev", "", ""},
		{text, "pr-1", "", ""},
	} {
		f, err := load(c.text, Options{Env: c.env})
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("-e %s: have %v, want %q", c.env, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("-e %s: %v", c.env, err)
			continue
		}
		e, err := f.Environment(place)
		if err != nil || e.TTL != c.ttl || c.env != "" && e.Name != c.env {
			t.Errorf("-e %s: have %+v, %v; want the ttl %q", c.env, e, err, c.ttl)
		}
	}
}

// TestManyEnvironments shows only some of many names.
func TestManyEnvironments(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "environment \"e%d\" {}\n", i)
	}
	_, err := load(b.String(), Options{})
	if err == nil || !strings.Contains(err.Error(), `"e9" and 90 more`) || strings.Contains(err.Error(), `"e10"`) {
		t.Errorf("have %v", err)
	}
}

// TestVarFiles gives the values of variables in every way: the last one in the order of
// the documentation wins.
func TestVarFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	null := write("null.hcl", "a = null\ne = null\nsecret = null\n")
	first := write("first.hcl", "a = \"first\"\nb = \"first\"\nc = \"first\"\nlist = [\"subnet-0a1b2c3d\"]\nsecret = \"\"\n")
	second := write("second.json", `{"b": "second", "c": "second", "days": 7, "secret": "pnu_sentinel0123"}`)
	environ := map[string]string{"FLOWBED_VAR_c": "environ", "FLOWBED_VAR_d": "environ", "FLOWBED_VAR_secret": ""}
	f, err := load(`
variable "a" {}
variable "b" { default = "default" }
variable "c" {}
variable "d" {}
variable "e" { default = "default" }
variable "days" { default = 30 }
variable "list" { default = [] }
variable "secret" { sensitive = true }
environment "dev" {
  tags = { a = var.a, b = var.b, c = var.c, d = var.d, e = var.e }
  logs { retention_days = var.days }
  network { subnets = var.list }
  prefect {
    api_url = "https://prefect.example.com/api"
    api_key = var.secret
  }
}`, Options{
		VarFiles: []string{first, second, null}, Vars: map[string]string{"d": "flag"},
		Environ: func(n string) (string, bool) { v, ok := environ[n]; return v, ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Environment(place)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "first", "b": "second", "c": "environ", "d": "flag", "e": "default"}
	if diff := cmp.Diff(want, e.Tags); diff != "" {
		t.Error(diff)
	}
	if e.Logs.RetentionDays != 7 || len(e.Network.Subnets) != 1 || e.Prefect.APIKey != "pnu_sentinel0123" {
		t.Errorf("have %d, %v, %q", e.Logs.RetentionDays, e.Network.Subnets, e.Prefect.APIKey)
	}
	if diff := cmp.Diff([]string{"pnu_sentinel0123"}, f.Secrets()); diff != "" {
		t.Error(diff)
	}
}
