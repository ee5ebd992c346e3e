package prefect

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everything is a file that says every value.
var everything = Flows{
	Image: "team/flows:1", CPU: 512, Memory: 1024, EphemeralStorageGiB: 50, Architecture: "ARM64",
	Spot: new(true), Env: map[string]string{"A": "1", "EMPTY": ""},
	Secrets: map[string]string{"PASSWORD": password, "TOKEN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:token-AbCdEf:key::"},
	Tags:    map[string]string{"cost-center": "42", "team": "data platform", "empty": ""},
}

const password = "arn:aws:ssm:eu-central-1:123456789012:parameter/db/password"

// apply returns the template after an up with a file that says this.
func apply(k Kind, f Flows, have Template) Template {
	d := defaults(k)
	d.Flows = f
	return Merge(have, d.Base(), append(d.Entries(have), mark.Entry()))
}

// changes lists what a plan would show.
func changes(k Kind, f Flows, have Template) (names []string) {
	d := defaults(k)
	d.Flows = f
	for _, e := range d.Entries(have) {
		if _, differs := e.Differs(have); differs && !e.Silent && !slices.Contains(names, e.Name) {
			names = append(names, e.Name)
		}
	}
	return names
}

// TestFlowsSaid keeps what a template has if the file says everything, and takes it back.
func TestFlowsSaid(t *testing.T) {
	for name, k := range map[string]Kind{"flows-3.json": Worker3, "flows-2.json": Worker2} {
		without := apply(k, Flows{}, nil)
		with := apply(k, everything, without)
		added := map[string]any{}
		for _, name := range ordered(everything.said()) {
			added[name], _ = lookup(map[string]any(with), flowEntry(with, name).Path)
		}
		for name, x := range extras {
			added[x.member], _ = lookup(map[string]any(with), x.path())
			added["variable "+name], _ = lookup(map[string]any(with), []any{"variables", "properties", name})
		}
		added["record"], _ = lookup(map[string]any(with), []any{"variables", recordKey})
		golden(t, name, added)
		if list := changes(k, everything, with); len(list) > 0 {
			t.Errorf("%s: still %v", name, list)
		}
		if diff := cmp.Diff(without, apply(k, Flows{}, with)); diff != "" {
			t.Errorf("%s: without the values (-before +after):\n%s", name, diff)
		}
		if diff := cmp.Diff(with, apply(k, everything, nil)); diff != "" {
			t.Errorf("%s: a new pool differs (-changed +new):\n%s", name, diff)
		}
	}
}

// TestFlowsOneByOne says each value by itself, and then nothing.
func TestFlowsOneByOne(t *testing.T) {
	for want, f := range map[string]Flows{
		"image": {Image: "team/flows:1"}, "cpu": {CPU: 512}, "memory": {Memory: 1024},
		"ephemeral_storage_gib": {EphemeralStorageGiB: 50}, "cpu_architecture": {Architecture: "ARM64"},
		"spot": {Spot: new(true)}, "env.A": {Env: map[string]string{"A": "1"}},
		"env.EXTRA_PIP_PACKAGES": {Env: map[string]string{"EXTRA_PIP_PACKAGES": "prefect-aws==0.7.12"}},
		"secrets.PASSWORD":       {Secrets: map[string]string{"PASSWORD": password}},
	} {
		for _, k := range []Kind{Worker3, Worker2} {
			without := apply(k, Flows{}, nil)
			if diff := cmp.Diff([]string{want}, changes(k, f, without)); diff != "" {
				t.Errorf("changes:\n%s", diff)
			}
			with := apply(k, f, without)
			if diff := cmp.Diff([]string{want}, changes(k, Flows{}, with)); diff != "" {
				t.Errorf("changes of the way back:\n%s", diff)
			}
			for _, e := range defaults(k).Entries(with) {
				if e.Name == want && want != "image" && e.Why != whyUnsaid {
					t.Errorf("%s goes because %q", want, e.Why)
				}
			}
		}
	}
	if list := changes(Worker3, Flows{Spot: new(false)}, apply(Worker3, Flows{}, nil)); len(list) > 0 {
		t.Errorf("spot = false, which a pool has anyway, changes %v", list)
	}
}

// withDefault returns a template in which somebody has set a value; nil removes it.
func withDefault(have Template, name string, v any) Template {
	t, _ := clone(map[string]any(have)).(map[string]any)
	if v == nil {
		remove(t, flowEntry(have, name).Path)
		return t
	}
	put(t, flowEntry(have, name).Path, v)
	return t
}

func TestFlowsSetInPrefect(t *testing.T) {
	fresh := apply(Worker3, Flows{}, nil)
	full := apply(Worker3, everything, fresh)
	for name, v := range map[string]any{
		"image": "theirs", "cpu": json.Number("2048"), "memory": json.Number("4096"), "ephemeral_storage_gib": json.Number("30"),
		"cpu_architecture": "X86_64", "spot": "EC2", "env.A": "theirs", "env.EXTRA_PIP_PACKAGES": "prefect-aws==0.7.12",
		"secrets.PASSWORD": "theirs", "secrets.MORE": "theirs",
	} {
		for what, have := range map[string]Template{"set": fresh, "changed": full} {
			theirs := withDefault(have, name, v)
			if slices.Contains(changes(Worker3, Flows{}, theirs), name) {
				t.Errorf("%s: what somebody has %s would change", name, what)
			}
			if got, _ := lookup(map[string]any(apply(Worker3, Flows{}, theirs)), flowEntry(theirs, name).Path); got != v {
				t.Errorf("%s: what somebody has %s became %v", name, what, got)
			}
			_, said := everything.said()[name]
			if repaired := slices.Contains(changes(Worker3, everything, theirs), name); said != repaired {
				t.Errorf("%s: said %t, repaired %t", name, said, repaired)
			}
		}
	}
}

// TestFlowsAgree keeps a value that somebody had set before the file said the same.
func TestFlowsAgree(t *testing.T) {
	theirs := withDefault(apply(Worker3, Flows{}, nil), "cpu", json.Number("512"))
	if list := changes(Worker3, Flows{CPU: 512}, theirs); len(list) > 0 {
		t.Errorf("the file says the same, and %v would change", list)
	}
	both := apply(Worker3, Flows{CPU: 512, Memory: 1024}, theirs)
	got := apply(Worker3, Flows{}, both)
	if got.Default("cpu") != json.Number("512") || got.Default("memory") != nil {
		t.Errorf("cpu is %v, memory is %v", got.Default("cpu"), got.Default("memory"))
	}
}

// TestFlowsValueRemoved has somebody remove our values in Prefect. Prefect 2 would pass a
// disk without a size on to ECS, so its place goes, too.
func TestFlowsValueRemoved(t *testing.T) {
	have := apply(Worker2, everything, nil)
	for _, name := range ordered(everything.said()) {
		have = withDefault(have, name, nil)
	}
	if diff := cmp.Diff(ordered(everything.said()), changes(Worker2, everything, have)); diff != "" {
		t.Errorf("the file says the values, changes:\n%s", diff)
	}
	// The tags of the tasks are in another list than those of the definitions.
	want := []string{"image", "ephemeral_storage_gib", "cpu_architecture", "tags.cost-center", "tags.empty"}
	if diff := cmp.Diff(want, changes(Worker2, Flows{}, have)); diff != "" {
		t.Errorf("the file does not say the values, changes:\n%s", diff)
	}
	definition, _ := lookup(map[string]any(apply(Worker2, Flows{}, have)), []any{"job_configuration", "task_definition"})
	for name, x := range extras {
		if _, found := definition.(map[string]any)[x.member]; found {
			t.Errorf("the place of %s stays without a value", name)
		}
	}
}

// TestFlowsPlaceRepaired has somebody replace the places of values by constants.
func TestFlowsPlaceRepaired(t *testing.T) {
	have := apply(Worker3, everything, nil)
	for name, x := range extras {
		put(map[string]any(have), x.path(), map[string]any{"theirs": true})
		if !slices.Contains(changes(Worker3, everything, have), name) {
			t.Errorf("the place of %s is not repaired", name)
		}
	}
	put(map[string]any(have), []any{"job_configuration", "task_run_request", "launchType"}, "EC2")
	if diff := cmp.Diff([]string{"spot"}, everything.Unused(have)); diff != "" {
		t.Errorf("values without a place:\n%s", diff)
	}
	if list := (Flows{}).Unused(have); len(list) > 0 {
		t.Errorf("values without a place: %v, but the file says none", list)
	}
}

// TestFlowsEarlier repairs pools of the versions that kept no record.
func TestFlowsEarlier(t *testing.T) {
	const old = "prefecthq/prefect:3.8.6-python3.12"
	for _, c := range []struct {
		name, image, packages string
		want                  []string
		becomes               string // the image
	}{
		{"untouched", old, "prefect-aws==0.7.12", []string{"image", "env.EXTRA_PIP_PACKAGES"}, defaults(Worker3).DefaultImage},
		{"their image", "team/flows:1", "prefect-aws==0.7.12", []string{"env.EXTRA_PIP_PACKAGES"}, "team/flows:1"},
		{"Prefect's image of another version", "prefecthq/prefect:3.7.0-python3.12", "prefect-aws==0.7.12", []string{"env.EXTRA_PIP_PACKAGES"}, "prefecthq/prefect:3.7.0-python3.12"},
		{"Prefect's image with another Python", "prefecthq/prefect:3.8.6-python3.13", "prefect-aws==0.7.12", []string{"env.EXTRA_PIP_PACKAGES"}, "prefecthq/prefect:3.8.6-python3.13"},
		{"their packages", old, "prefect-aws==0.7.12 pandas", nil, old},
		{"packages of no version of flowbed", old, "prefect-aws==0.7.99", nil, old},
		{"no packages", old, "", nil, old},
	} {
		have := apply(Worker3, Flows{}, nil)
		remove(map[string]any(have), []any{"variables", recordKey})
		have = withDefault(have, "image", c.image)
		have = withDefault(have, "env.A", "theirs")
		if c.packages != "" {
			have = withDefault(have, packagesName, c.packages)
		}
		if diff := cmp.Diff(c.want, changes(Worker3, Flows{}, have)); diff != "" {
			t.Errorf("%s: changes:\n%s", c.name, diff)
		}
		for _, e := range defaults(Worker3).Entries(have) {
			if e.Name == packagesName && e.Why != whyPackages {
				t.Errorf("%s: the packages go because %q", c.name, e.Why)
			}
		}
		got := apply(Worker3, Flows{}, have)
		if got.Default("image") != c.becomes {
			t.Errorf("%s: the image is %v", c.name, got.Default("image"))
		}
		if env := got.Default("env").(map[string]any); env["A"] != "theirs" {
			t.Errorf("%s: the environment is %v", c.name, env)
		}
		// From now on, the record decides.
		again := withDefault(got, packagesName, "prefect-aws==0.7.12")
		if list := changes(Worker3, Flows{}, again); len(list) > 0 {
			t.Errorf("%s: what somebody set after up would change: %v", c.name, list)
		}
	}
}

// TestFlowsEarlierSaid has a file that says the packages that an earlier version had set.
func TestFlowsEarlierSaid(t *testing.T) {
	have := apply(Worker3, Flows{}, nil)
	remove(map[string]any(have), []any{"variables", recordKey})
	have = withDefault(have, packagesName, "prefect-aws==0.7.12")
	said := Flows{Env: map[string]string{"EXTRA_PIP_PACKAGES": "prefect-aws==0.7.12"}}
	if list := changes(Worker3, said, have); len(list) > 0 {
		t.Errorf("changes %v", list)
	}
}

// TestFlowsImageFollows goes to a newer Prefect version.
func TestFlowsImageFollows(t *testing.T) {
	d := defaults(Worker3)
	have := apply(Worker3, Flows{}, nil)
	d.DefaultImage = "prefecthq/prefect:3.9.2-python3.12"
	if got := Merge(have, d.Base(), d.Entries(have)).Default("image"); got != d.DefaultImage {
		t.Errorf("the image is %v", got)
	}
	have = apply(Worker3, everything, have)
	if got := Merge(have, d.Base(), d.Entries(have)).Default("image"); got != d.DefaultImage {
		t.Errorf("after the file has said an image, it is %v", got)
	}
}

func TestFlowsShow(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		want  string
	}{
		{"spot", "FARGATE_SPOT", "true"}, {"spot", "FARGATE", "false"}, {"spot", "EC2", "EC2"},
		{"env.A", "", `""`}, {"env.A", nil, ""}, {"env.A", "FARGATE", "FARGATE"}, {"cpu", json.Number("512"), "512"},
	} {
		if got := (Entry{Name: c.name}).Show(c.value); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.name, c.value, got, c.want)
		}
	}
}
