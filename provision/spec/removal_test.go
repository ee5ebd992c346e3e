package spec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var place = Place{Account: "123456789012", Region: "us-east-1"}

// TestRemovalNeedsNothing removes what the example builds, with no variable, no
// key and no home directory.
func TestRemovalNeedsNothing(t *testing.T) {
	f, err := Load(example, Options{Env: "dev", Home: t.TempDir(), Environ: noEnviron, Destroy: true})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Environment(place)
	if err != nil {
		t.Fatal(err)
	}
	have := []string{e.Bucket.Name, e.TaskRole.Name, e.ExecutionRole.Name, e.Cluster.Name, e.Agent.SSH.PublicKey, e.Prefect.APIKey}
	want := []string{"flows-dev-123456789012-us-east-1-an", "flowbed-dev-task", "flowbed-dev-execution", "flows", "", ""}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

// TestRemovalRegion does without the file's region if another one is given.
func TestRemovalRegion(t *testing.T) {
	const src = "variable \"r\" {}\nenvironment \"dev\" { region = var.r }"
	if _, err := load(src, Options{Destroy: true}); err == nil || !strings.Contains(err.Error(), "--var r=") {
		t.Errorf("have %v, want how to set the variable", err)
	}
	f, err := load(src, Options{Destroy: true, Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	if f.Region() != "eu-west-1" {
		t.Errorf("have %q", f.Region())
	}
}

// TestRemovalIsCautious: down takes an environment as protected if it cannot tell.
func TestRemovalIsCautious(t *testing.T) {
	for value, want := range map[string]bool{
		"var.x": true, "local.p": true, `jsondecode(file("nothing.json")).x`: true, "true": true, "false": false, "null": false,
	} {
		f, err := load("variable \"x\" {}\nlocals { p = var.x == \"yes\" }\nenvironment \"dev\" { deletion_protection = "+value+" }", Options{Destroy: true})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := f.Environment(place); err != nil || e.DeletionProtection != want {
			t.Errorf("%s: have %v, %v", value, e, err)
		}
	}
}

// TestRemovalStillFindsTypos: a name that is not understood could be the one
// under which the object is found.
func TestRemovalStillFindsTypos(t *testing.T) {
	_, err := load(in("bucket", `nam = "a"`), Options{Destroy: true})
	expect(t, err, `did you mean "name"?`)
}

func TestBare(t *testing.T) {
	f, err := Bare("dev", Options{Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if f.EnvName() != "dev" || f.Region() != "us-east-1" || f.Account() != "" || len(f.Secrets()) != 0 {
		t.Errorf("have %+v", f)
	}
	have, err := f.Environment(place)
	if err != nil {
		t.Fatal(err)
	}
	full, err := load(in("agent", "ssh { key_name = \"k\" }"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := full.Environment(place)
	if err != nil {
		t.Fatal(err)
	}
	want.Agent.SSH.KeyName, want.Prefect.APIURL = "", ""
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("not the defaults (-want +have):\n%s", diff)
	}
}

// TestBucketOfAnotherAccount: a name that is written out can be right or wrong
// only for a known account.
func TestBucketOfAnotherAccount(t *testing.T) {
	f, err := load(in("bucket", `name = "data-123456789012-us-east-1-an"`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Environment(place); err != nil {
		t.Error(err)
	}
	_, err = f.Environment(Place{Account: "210987654321", Region: "us-east-1"})
	expect(t, err, "end in the account and the region")
}

// TestEnvironmentNeedsAPlace also checks what only the real place shows.
func TestEnvironmentNeedsAPlace(t *testing.T) {
	f, err := load(in("bucket", `name = { "us-east-1" = "data-${account}-us-east-1-an" }[region]`), Options{})
	if err != nil {
		t.Fatal(err) // with an unknown region this cannot be judged
	}
	for _, p := range []Place{{}, {Account: "123456789012"}, {Account: "12", Region: "us-east-1"}, {Account: "123456789012", Region: "Virginia"}} {
		if _, err := f.Environment(p); err == nil || !strings.Contains(err.Error(), "--region") {
			t.Errorf("%v: have %v", p, err)
		}
	}
	if _, err := f.Environment(Place{"123456789012", "eu-west-1"}); err == nil || !strings.Contains(err.Error(), "config.hcl:3: invalid index") {
		t.Errorf("have %v", err)
	}
	e, err := f.Environment(place)
	if err != nil || e.Bucket.Name != "data-123456789012-us-east-1-an" {
		t.Errorf("have %v, %v", e, err)
	}
}
