package prefect

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func defaults(k Kind) Defaults {
	return Defaults{
		Kind: k, ClusterARN: "arn:aws:ecs:eu-central-1:123456789012:cluster/default",
		TaskRole:      "arn:aws:iam::123456789012:role/flowbed-dev-task",
		ExecutionRole: "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
		VPC:           "vpc-1", Subnets: []string{"subnet-1", "subnet-2"}, Groups: []string{"sg-1"}, PublicIP: true,
		LogGroup: "/flowbed/dev", Region: "eu-central-1", Variable: "PREFECT_API_KEY",
		SecretARN:    "arn:aws:ssm:eu-central-1:123456789012:parameter/flowbed/dev/prefect-api-key",
		DefaultImage: "prefecthq/prefect:3.9.1-python3.12",
	}
}

var mark = Mark{"dev", "eu-central-1", "123456789012"}

func entries(k Kind, have Template) []Entry { return append(defaults(k).Entries(have), mark.Entry()) }

// TestMergeNew keeps what a new pool gets: with the base template taken away,
// only what is ours is left.
func TestMergeNew(t *testing.T) {
	for name, k := range map[string]Kind{"pool-3.json": Worker3, "pool-2.json": Worker2} {
		got := Merge(nil, Base(k), entries(k, nil))
		golden(t, name, got)
		for _, e := range entries(k, got) {
			if have, differs := e.Differs(got); differs {
				t.Errorf("%s is %v", e.Name, have)
			}
		}
		if m := Missing(got, Base(k), entries(k, got)); len(m) > 0 {
			t.Errorf("missing %v", m)
		}
	}
}

func parse(t *testing.T, text string) (v Template) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestMergeKeepsOthers changes a template as people do, and repairs it.
func TestMergeKeepsOthers(t *testing.T) {
	have := Merge(nil, Base(Worker3), entries(Worker3, nil))
	vars := have["variables"].(map[string]any)["properties"].(map[string]any)
	set := func(name, key string, v any) { vars[name].(map[string]any)[key] = v }
	set("cpu", "default", json.Number("512"))
	set("env", "default", map[string]any{"MINE": "1", "EXTRA_PIP_PACKAGES": "pandas"})
	set("cluster", "default", "other")
	set("network_configuration", "default", map[string]any{
		"subnets": []any{"subnet-2", "subnet-1"}, "securityGroups": []any{"sg-1"}, "assignPublicIp": "DISABLED", "theirs": true,
	})
	set("image", "title", "Their title")
	delete(vars, "family")
	have["theirs"] = "kept"
	before := clone(map[string]any(have))

	var changed []string
	for _, e := range entries(Worker3, have) {
		if _, differs := e.Differs(have); differs {
			changed = append(changed, e.Name)
		}
	}
	if diff := cmp.Diff([]string{"cluster", "network_configuration.assignPublicIp"}, changed); diff != "" {
		t.Errorf("differences:\n%s", diff)
	}
	got := Merge(have, Base(Worker3), entries(Worker3, have))
	if diff := cmp.Diff(before, map[string]any(have)); diff != "" {
		t.Errorf("Merge changed its argument:\n%s", diff)
	}
	for path, want := range map[string]any{
		"cpu": json.Number("512"), "cluster": defaults(Worker3).ClusterARN,
		"env": map[string]any{"MINE": "1", "EXTRA_PIP_PACKAGES": "pandas"},
		"network_configuration": map[string]any{
			"subnets": []any{"subnet-2", "subnet-1"}, "securityGroups": []any{"sg-1"}, "assignPublicIp": "ENABLED", "theirs": true,
		},
	} {
		if diff := cmp.Diff(want, got.Default(path)); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
	if got["theirs"] != "kept" || vars["image"].(map[string]any)["title"] != "Their title" {
		t.Error("what is not ours is gone")
	}
	if _, found := lookup(map[string]any(got), []any{"variables", "properties", "family"}); found {
		t.Error("a variable that somebody removed came back")
	}
}

// TestMergeStale completes the template that a server makes by itself.
func TestMergeStale(t *testing.T) {
	have := Base(Worker3)
	for _, name := range []string{"prefect_api_key_secret_arn", "prefect_api_auth_string_secret_arn"} {
		delete(have["variables"].(map[string]any)["properties"].(map[string]any), name)
		delete(have["job_configuration"].(map[string]any), name)
	}
	if got := Missing(have, Base(Worker3), entries(Worker3, have)); len(got) != 4 {
		t.Errorf("missing %v", got)
	}
	got := Merge(have, Base(Worker3), entries(Worker3, have))
	if diff := cmp.Diff(Merge(nil, Base(Worker3), entries(Worker3, nil)), got); diff != "" {
		t.Errorf("(-new +repaired):\n%s", diff)
	}
}

func TestSecretOfTheOtherKindGoes(t *testing.T) {
	have := Merge(nil, Base(Worker3), entries(Worker3, nil))
	d := defaults(Worker3)
	d.Variable = "PREFECT_API_AUTH_STRING"
	got := Merge(have, Base(Worker3), d.Entries(have))
	if v := got.Default("prefect_api_key_secret_arn"); v != nil {
		t.Errorf("the key's secret is still %v", v)
	}
	if v := got.Default("prefect_api_auth_string_secret_arn"); v != d.SecretARN {
		t.Errorf("the auth string's secret is %v", v)
	}
}

func TestSecret2IsNotInTheClear(t *testing.T) {
	got := Merge(nil, Base(Worker2), entries(Worker2, nil))
	env := got.Default("env").(map[string]any)
	if v, ok := env["PREFECT_API_KEY"]; !ok || v != nil {
		t.Errorf("the environment has %v", env)
	}
	theirs := []any{map[string]any{"name": "THEIRS", "valueFrom": "x"}}
	at := []any{"job_configuration", "task_definition", "containerDefinitions", 0, "secrets"}
	got = Template(put(map[string]any(got), at, theirs).(map[string]any))
	got = Merge(got, Base(Worker2), entries(Worker2, got))
	secrets, _ := lookup(map[string]any(got), at)
	if l := secrets.([]any); len(l) != 2 || Named("THEIRS").in(l) != 0 || Named("PREFECT_API_KEY").in(l) != 1 {
		t.Errorf("secrets are %v", secrets)
	}
}

func TestMark(t *testing.T) {
	for _, c := range []struct {
		pool Pool
		want Mark
		ok   bool
	}{
		{Pool{}, Mark{}, false},
		{Pool{Description: "nothing"}, Mark{}, false},
		{Pool{Description: mark.Describe("")}, mark, true},
		{Pool{Description: mark.Describe("by somebody")}, mark, true},
		{Pool{Template: Merge(nil, Base(Worker3), entries(Worker3, nil))}, mark, true},
		{Pool{Template: parse(t, `{"variables": {"x-flowbed": "odd"}}`), Description: mark.Describe("")}, mark, true},
	} {
		if got, ok := c.pool.Mark(); got != c.want || ok != c.ok {
			t.Errorf("%q: %v, %v", c.pool.Description, got, ok)
		}
	}
	text := mark.Describe("by somebody")
	if again := mark.Describe(text); again != text {
		t.Errorf("%q became %q", text, again)
	}
	other := Mark{"prod", "us-east-1", "123456789012"}
	if got := other.Describe(text); got != "by somebody "+other.String() {
		t.Errorf("%q", got)
	}
}

// FuzzMerge keeps the promises of Merge for templates of any shape: our entries
// are in the result, a second merge changes nothing, and members that no entry
// names stay.
func FuzzMerge(f *testing.F) {
	base, err := json.Marshal(Base(Worker3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(base)
	for _, s := range []string{
		`{}`, `{"variables": null}`, `{"variables": {"properties": {"cluster": 1}}}`, `{"job_configuration": []}`,
		`{"variables": {"properties": {"env": {"default": [1]}}}, "theirs": {"a": 1}}`,
		`{"job_configuration": {"task_definition": {"containerDefinitions": [{"secrets": [1, {"name": 2}]}]}}}`,
		`{"variables": {"properties": {"env": {"default": {"B": "1"}}}, "x-flowbed-flows": {"env.B": "1", "cpu": 1, "env.PREFECT_API_KEY": null}}}`,
		`{"variables": {"properties": {"cpu_architecture": {"default": "ARM64"}}, "x-flowbed-flows": {"cpu_architecture": "ARM64"}}}`,
		`{"variables": {"properties": {"env": {"default": {"EXTRA_PIP_PACKAGES": "prefect-aws==0.7.12"}}}, "x-flowbed": 1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var have Template
		if json.Unmarshal(raw, &have) != nil {
			return
		}
		for _, k := range []Kind{Worker3, Worker2} {
			for _, flows := range []Flows{{}, everything} {
				d := defaults(k)
				d.Flows = flows
				list := func(have Template) []Entry { return append(d.Entries(have), mark.Entry()) }
				got := Merge(have, d.Base(), list(have))
				for _, e := range list(got) {
					if was, differs := e.Differs(got); differs {
						t.Errorf("%s is %v", e.Name, was)
					}
				}
				if diff := cmp.Diff(got, Merge(got, d.Base(), list(got))); diff != "" {
					t.Errorf("the second merge changed:\n%s", diff)
				}
				for name, v := range have {
					if name != "variables" && name != "job_configuration" {
						if diff := cmp.Diff(v, got[name]); diff != "" {
							t.Errorf("%s:\n%s", name, diff)
						}
					}
				}
			}
		}
	})
}
