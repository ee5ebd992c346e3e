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
