package spec

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const shownKey = "pnu_0123456789secret"

// showText is what show says of a text, and the environment.
func showText(t *testing.T, text, env string) (string, *Environment) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path, Options{Env: env, Home: "testdata/home", Environ: func(name string) (string, bool) {
		return map[string]string{"FLOWBED_VAR_api_key": shownKey, "FLOWBED_VAR_auth_string": "user:" + shownKey}[name], strings.HasPrefix(name, "FLOWBED_VAR_a")
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	e, err := f.Environment(Place{Account: "123456789012", Region: firstRegion(f.Region())})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return string(e.Show()), e
}

func firstRegion(r string) string {
	if r == "" {
		return "us-east-1"
	}
	return r
}

// TestShow: what show says is a file that describes the same environment, and show says the same of
// it.
func TestShow(t *testing.T) {
	example, err := os.ReadFile("../../config.hcl.example")
	if err != nil {
		t.Fatal(err)
	}
	const server = "\nprefect {\napi_url = \"https://prefect.example.com/api\"\n%s\n}\n"
	api := func(more string) string { return strings.Replace(server, "%s", more, 1) }
	for name, c := range map[string]struct{ text, env string }{
		"the example":     {string(example), "dev"},
		"nothing":         {`environment "dev" {}`, ""},
		"a ttl":           {"environment \"dev\" {\nttl = \"8h\"\n}", ""},
		"a pattern":       {"locals { days = 7 }\ndefaults {\nlogs { retention_days = local.days }\ntags = { stage = env_name }\n}\nenvironment \"pr-*\" {}\nenvironment \"prod\" {}", "pr-4711"},
		"the shared role": {"environment \"dev\" {\nexecution_role { name = \"ecsTaskExecutionRole\" }\ncluster { name = \"default\" }\n}", ""},
		"external roles":  {"environment \"dev\" {\nexecution_role {\nname = \"ecsTaskExecutionRole\"\nownership = \"external\"\n}\nbucket {\nname = \"data\"\nnamespace = \"global\"\nownership = \"adopt\"\n}\n}", ""},
		"a new VPC":       {"environment \"dev\" {\nnetwork {\nvpc = \"new\"\nnat = \"single\"\n}\n}", ""},
		"a service":       {"variable \"api_key\" { sensitive = true }\nenvironment \"dev\" {\nagent {\nservice { desired_count = 0 }\n}" + api("api_key = var.api_key") + "}", ""},
		"Prefect 2":       {"variable \"auth_string\" { sensitive = true }\nenvironment \"dev\" {\nagent {}" + api("version = \"2.20.25\"\nauth_string = var.auth_string") + "}", ""},
		"Prefect 1":       {"environment \"dev\" {\nagent {\nlabels = [\"a\"]\nssh {\ncidr = \"203.0.113.7/24\"\nkey_name = \"k\"\n}\n}" + strings.Replace(api("version = \"1.4.1\""), "/api\"", "\"", 1) + "}", ""},
		"odd strings":     {"environment \"dev\" {\ntags = { \"a b\" = \"x/y\" }\nagent {\nsetup = \"#!/bin/sh\\necho $${HOME}\\n\"\nenv = { A = \"$${x} %%{y} \\\"q\\\" \\\\ ü\" }\nrole {\nstatement {\nactions = [\"s3:Get*\"]\nresources = [\"*\"]\n}\nstatement {\nactions = [\"sqs:SendMessage\"]\nresources = [\"*\"]\n}\n}\n}" + api("") + "}", ""},
		"no NAT, ECR":     {"environment \"dev\" {\nrepository { keep_images = 0 }\niam { path = \"/data/\" }\nnetwork { public_ip = false }\n}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text, env := showText(t, c.text, c.env)
			if strings.Contains(text, shownKey) || strings.Contains(text, "local.") || strings.Contains(text, "defaults") {
				t.Errorf("have\n%s", text)
			}
			again, same := showText(t, text, "")
			if d := cmp.Diff(text, again); d != "" {
				t.Errorf("show of show (-first +second):\n%s", d)
			}
			if d := cmp.Diff(env, same, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("the shown file describes another environment (-first +second):\n%s", d)
			}
		})
	}
}

// fillStruct sets all fields of a struct.
func fillStruct(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Kind() {
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
			if f.Elem().Kind() == reflect.Struct {
				fillStruct(f.Elem())
			}
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 2, 2))
			for n := range f.Len() {
				if f.Index(n).Kind() == reflect.Struct {
					fillStruct(f.Index(n))
				}
			}
		case reflect.Map:
			f.Set(reflect.MakeMap(f.Type()))
			f.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("value"))
		case reflect.String:
			f.SetString("text")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int:
			f.SetInt(1)
		}
	}
}

// TestShowAll: show has each attribute of the language, whatever its type, and no secret.
func TestShowAll(t *testing.T) {
	var e Environment
	fillStruct(reflect.ValueOf(&e).Elem())
	e.Prefect.APIKey, e.Prefect.AuthString = shownKey, shownKey
	text := string(e.Show())
	raw, err := e.ShowJSON()
	if err != nil || !json.Valid(raw) {
		t.Fatal(err)
	}
	if strings.Contains(text+string(raw), shownKey) {
		t.Error("it shows a secret")
	}
	open, secret := vocabulary()
	for _, names := range []map[string]bool{open, secret} {
		for name := range names {
			switch name {
			case "locals", "defaults", "default", "description", "name", "enabled":
				continue
			case "environment", "variable", "sensitive":
			default:
				if !strings.Contains(string(raw), `"`+name+`":`) {
					t.Errorf("the JSON has no %s", name)
				}
			}
			if !strings.Contains(text, name+" ") {
				t.Errorf("show has no %s:\n%s", name, text)
			}
		}
	}
}
