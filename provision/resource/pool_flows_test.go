package resource_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
)

type object = map[string]any

// flowValues are the names of what the config file may say, each with the template's
// variable and the values that the test uses. The first two are also the file's.
var flowValues = []struct {
	name, variable string
	values         []any
}{
	{"image", "image", []any{"team/flows:1", "team/flows:2", "theirs:1", "theirs:2"}},
	{"cpu", "cpu", []any{512.0, 1024.0, 2048.0, 4096.0}},
	{"memory", "memory", []any{1024.0, 2048.0, 4096.0, 8192.0}},
	{"ephemeral_storage_gib", "ephemeral_storage_gib", []any{30.0, 50.0, 70.0, 90.0}},
	{"cpu_architecture", "cpu_architecture", []any{"X86_64", "ARM64", "THEIRS"}},
	{"spot", "launch_type", []any{"FARGATE", "FARGATE_SPOT", "EC2", "EXTERNAL"}},
	{"env.A", "env", []any{"", "a", "their a", "their b"}},
	{"env.B", "env", []any{"a", "b", "their a", "their b"}},
	{"env.EXTRA_PIP_PACKAGES", "env", []any{"pandas", "polars", "theirs"}},
	{"secrets.S", "", []any{"arn:a", "arn:b", "arn:their-a", "arn:their-b"}},
	{"secrets.T", "", []any{"arn:b", "arn:c", "arn:their-b", "arn:their-c"}},
	{"tags.T", "", []any{"", "a b", "their-a", "their-b"}},
	{"tags.U", "", []any{"a", "b", "their-a", "their-b"}},
}

// secretsIn returns the container's secrets in a template, and the container.
func secretsIn(template object) (list []any, container object) {
	definition := member(template, "job_configuration", "task_definition")
	container = definition["containerDefinitions"].([]any)[0].(object)
	list, _ = container["secrets"].([]any)
	return list, container
}

// secretIn returns the index and the value of a secret in a list; -1 and nil if it has none.
func secretIn(list []any, name string) (int, any) {
	for i, s := range list {
		if s.(object)["name"] == name {
			return i, s.(object)["valueFrom"]
		}
	}
	return -1, nil
}

func setSecret(template object, name string, v any) {
	list, container := secretsIn(template)
	i, _ := secretIn(list, name)
	switch {
	case v == nil:
		list = slices.Delete(list, i, i+1)
	case i < 0:
		list = append(list, object{"name": name, "valueFrom": v})
	default:
		list[i] = object{"name": name, "valueFrom": v}
	}
	container["secrets"] = list
}

// member returns the object at a path. It makes what is missing.
func member(o object, path ...string) object {
	for _, name := range path {
		next, ok := o[name].(object)
		if !ok {
			next = object{}
			o[name] = next
		}
		o = next
	}
	return o
}

// edit changes the template on the server, as people do in Prefect.
func (f *flows) edit(change func(template object)) {
	p := f.server.Pool(poolName)
	change(member(p, "base_job_template"))
	f.server.SetPool(poolName, p)
}

func (f *flows) template() object { return member(f.server.Pool(poolName), "base_job_template") }

// valueIn returns a value of flowValues in a template, or nil.
func valueIn(template object, name, variable string) any {
	if secret, ok := strings.CutPrefix(name, "secrets."); ok {
		list, _ := secretsIn(template)
		_, v := secretIn(list, secret)
		return v
	}
	if key, ok := strings.CutPrefix(name, "tags."); ok {
		_, v := tagIn(member(template, "job_configuration", "task_definition"), key)
		return v
	}
	properties, _ := template["variables"].(object)["properties"].(object)
	declared, _ := properties[variable].(object)
	v := declared["default"]
	if env, ok := strings.CutPrefix(name, "env."); ok {
		m, _ := v.(object)
		v = m[env]
	}
	return v
}

func setValue(template object, name, variable string, v any) {
	if v == nil && valueIn(template, name, variable) == nil {
		return
	}
	if secret, ok := strings.CutPrefix(name, "secrets."); ok {
		setSecret(template, secret, v)
		return
	}
	if key, ok := strings.CutPrefix(name, "tags."); ok {
		setTag(member(template, "job_configuration", "task_definition"), key, v)
		setTag(member(template, "job_configuration", "task_run_request"), key, v)
		return
	}
	holder, key := member(template, "variables", "properties", variable), "default"
	if env, ok := strings.CutPrefix(name, "env."); ok {
		holder, key = member(holder, "default"), env
	}
	if v == nil {
		delete(holder, key)
		return
	}
	holder[key] = v
}

// fileOf returns the config file that says the values.
func fileOf(said map[string]any) (f prefect.Flows) {
	for name, v := range said {
		switch name {
		case "image":
			f.Image = v.(string)
		case "cpu":
			f.CPU = int(v.(float64))
		case "memory":
			f.Memory = int(v.(float64))
		case "ephemeral_storage_gib":
			f.EphemeralStorageGiB = int(v.(float64))
		case "cpu_architecture":
			f.Architecture = v.(string)
		case "spot":
			f.Spot = new(v == "FARGATE_SPOT")
		default:
			if secret, ok := strings.CutPrefix(name, "secrets."); ok {
				f.Secrets = with(f.Secrets, secret, v.(string))
			} else if key, ok := strings.CutPrefix(name, "tags."); ok {
				f.Tags = with(f.Tags, key, v.(string))
			} else {
				f.Env = with(f.Env, strings.TrimPrefix(name, "env."), v.(string))
			}
		}
	}
	return f
}

func with(m map[string]string, name, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[name] = v
	return m
}

// others is a template without what flowbed may change for flows, as JSON.
func others(t *testing.T, template object) string {
	t.Helper()
	for _, v := range flowValues {
		setValue(template, v.name, v.variable, nil)
		if v.variable != "env" && v.variable != "" {
			delete(member(template, "variables", "properties", v.variable), "default")
		}
	}
	variables := member(template, "variables")
	properties := member(variables, "properties")
	if env := member(properties, "env"); len(member(env, "default")) == 0 {
		delete(env, "default")
	}
	if list, container := secretsIn(template); len(list) == 0 {
		delete(container, "secrets")
	}
	delete(properties, "cpu_architecture")
	delete(properties, "ephemeral_storage_gib")
	delete(variables, "x-flowbed-flows")
	definition := member(template, "job_configuration", "task_definition")
	delete(definition, "runtimePlatform")
	delete(definition, "ephemeralStorage")
	withoutTags(template)
	raw, err := json.MarshalIndent(template, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// history is a random life of a pool, and what the test knows about each value.
type history struct {
	*testing.T
	*flows
	rand *rand.Rand

	original object         // the template of a pool whose file says nothing
	said     map[string]any // by the file
	flowbeds map[string]bool
	everSet  map[string][]any // by flowbed, so people cannot make such a value theirs
	steps    []string
}

// TestPoolFlowsHistories says values in the file, edits them in Prefect and runs up, in any
// order. After each up the plan is empty, and each value belongs to whom it should.
func TestPoolFlowsHistories(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			h := history{
				T: t, flows: newFlows(), rand: rand.New(rand.NewPCG(seed, 0)), said: map[string]any{},
				flowbeds: map[string]bool{}, everSet: map[string][]any{},
			}
			if h.rand.IntN(2) == 0 {
				h.defaults.Kind = prefect.Worker2
			}
			if h.rand.IntN(2) == 0 {
				h.defaults.Variable, h.defaults.SecretARN = "PREFECT_API_KEY", "arn:secret"
			}
			h.flows.up(t)
			h.original = h.template()
			h.take("image", h.defaults.DefaultImage)
			for range 40 {
				h.step()
			}
		})
	}
}

// take notes that flowbed has set a value.
func (h *history) take(name string, v any) {
	h.flowbeds[name] = true
	h.everSet[name] = append(h.everSet[name], v)
}

func (h *history) note(format string, args ...any) {
	h.steps = append(h.steps, fmt.Sprintf(format, args...))
}

func (h *history) step() {
	v := flowValues[h.rand.IntN(len(flowValues))]
	switch h.rand.IntN(12) {
	case 0, 1, 2:
		h.said[v.name] = v.values[h.rand.IntN(2)]
		h.note("the file says %s = %v", v.name, h.said[v.name])
	case 3, 4:
		delete(h.said, v.name)
		h.note("the file does not say %s", v.name)
	case 5, 6:
		h.people(v.name, v.variable, v.values[h.rand.IntN(len(v.values))])
	case 7:
		h.people(v.name, v.variable, nil)
	case 8:
		h.strange()
	case 9:
		h.defaults.DefaultImage = fmt.Sprintf("prefecthq/prefect:3.9.%d-python3.12", h.rand.IntN(20))
		h.note("the default image is %s", h.defaults.DefaultImage)
	default:
		h.up()
	}
}

// people set or remove a value in Prefect.
func (h *history) people(name, variable string, v any) {
	h.edit(func(template object) {
		if was := valueIn(template, name, variable); was == v {
			return
		}
		setValue(template, name, variable, v)
		h.flowbeds[name] = false
		h.note("people set %s = %v", name, v)
	})
}

// strange makes an edit that has nothing to do with the file, or removes the record.
func (h *history) strange() {
	h.edit(func(template object) {
		n := h.rand.IntN(1000)
		switch h.rand.IntN(5) {
		case 4:
			list, _ := secretsIn(template)
			if i, _ := secretIn(list, "THEIRS"); i >= 0 {
				setSecret(template, "THEIRS", nil)
			} else {
				setSecret(template, "THEIRS", fmt.Sprint(n))
			}
		case 0:
			member(template, "variables", "properties", "theirs")["default"] = n
		case 1:
			member(template, "job_configuration", "task_definition")["theirs"] = []any{n}
		case 2:
			member(template, "variables", "properties", "env", "default")["THEIRS"] = fmt.Sprint(n)
		case 3:
			delete(member(template, "variables"), "x-flowbed-flows")
			clear(h.flowbeds)
			clear(h.everSet)
			h.note("people remove the record")
		}
	})
}

// up runs up and checks what it has done.
func (h *history) up() {
	before := h.template()
	h.defaults.Flows = fileOf(h.said)
	planned := poolFields(h.plan(h.T))
	h.server.Calls()
	h.flows.up(h.T)
	writes := slices.DeleteFunc(h.server.Calls(), func(call string) bool { return strings.HasPrefix(call, "GET ") })
	h.note("up changes %v", planned)
	after := h.template()
	if want := min(len(planned), 1); len(writes) != want {
		h.Errorf("up called %v, want %d", writes, want)
	}
	if a := h.plan(h.T); a.Op != provision.None {
		h.Errorf("plan after up: %v", a.Changes)
	}
	for _, v := range flowValues {
		was, is := valueIn(before, v.name, v.variable), valueIn(after, v.name, v.variable)
		h.judge(v.name, was, is, valueIn(h.original, v.name, v.variable))
		if changed := was != is; changed != slices.Contains(planned, v.name) && !strings.HasPrefix(v.name, "cpu_") && !strings.HasPrefix(v.name, "eph") {
			h.Errorf("%s was %v and is %v, but the plan has %v", v.name, was, is, planned)
		}
	}
	if diff := cmp.Diff(others(h.T, before), others(h.T, after)); diff != "" {
		h.Errorf("the rest of the template (-before +after):\n%s", diff)
	}
	if h.Failed() {
		h.Fatalf("the history:\n%s", strings.Join(h.steps, "\n"))
	}
}

// judge checks a value after up.
func (h *history) judge(name string, was, is, original any) {
	if name == "image" {
		original = h.defaults.DefaultImage
	}
	said, inFile := h.said[name]
	switch {
	case inFile:
		if is != said {
			h.Errorf("%s is %v, but the file says %v", name, is, said)
		}
		if was != is {
			h.take(name, is)
		}
	case h.flowbeds[name], name == "image" && was == nil:
		if is != original {
			h.Errorf("%s was flowbed's %v and is %v, want %v", name, was, is, original)
		}
		h.flowbeds[name] = false
		if name == "image" {
			h.take(name, is)
		}
	case is == was:
	case slices.Contains(h.everSet[name], was) && is == original:
		// People chose a value that flowbed had set before: it may count as flowbed's.
		if name == "image" {
			h.take(name, is)
		}
	default:
		h.Errorf("%s was people's %v and is %v", name, was, is)
	}
}

// TestPoolFlowsPlan shows the names and values that people know from the file.
func TestPoolFlowsPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlows()
		f.up(t)
		plain := f.template()
		f.defaults.Flows = prefect.Flows{
			Image: "team/flows:1", CPU: 512, Memory: 1024, EphemeralStorageGiB: 50, Architecture: "ARM64",
			Spot: new(true), Env: map[string]string{"A": "1", "EMPTY": ""}, Secrets: map[string]string{"S": "arn:a"},
		}
		text := func() (lines []string) {
			for _, c := range f.plan(t).Changes {
				lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s: %s → %s (%s)", c.Field, c.From, c.To, c.Why), " ()"))
			}
			return lines
		}
		want := []string{
			"image: prefecthq/prefect:3.9.1-python3.12 → team/flows:1", "cpu:  → 512", "memory:  → 1024", "ephemeral_storage_gib:  → 50",
			"cpu_architecture:  → ARM64", "spot: false → true", "env.A:  → 1", `env.EMPTY:  → ""`, "secrets.S:  → arn:a",
		}
		if diff := cmp.Diff(want, text()); diff != "" {
			t.Errorf("the file says everything:\n%s", diff)
		}
		f.up(t)
		f.defaults.Flows = prefect.Flows{}
		const why = " (the config file does not say it any more)"
		want = []string{
			"image: team/flows:1 → prefecthq/prefect:3.9.1-python3.12", "cpu: 512 → " + why, "memory: 1024 → " + why,
			"ephemeral_storage_gib: 50 → " + why, "cpu_architecture: ARM64 → " + why, "spot: true → false" + why,
			"env.A: 1 → " + why, `env.EMPTY: "" → ` + why, "secrets.S: arn:a → " + why,
		}
		if diff := cmp.Diff(want, text()); diff != "" {
			t.Errorf("the file says nothing any more:\n%s", diff)
		}
		f.up(t)
		if diff := cmp.Diff(plain, f.template()); diff != "" {
			t.Errorf("what stays of the values:\n%s", diff)
		}
	})
}

// TestPoolFlowsSetMeanwhile keeps what somebody sets between the plan and the change.
func TestPoolFlowsSetMeanwhile(t *testing.T) {
	f := newFlows()
	f.defaults.Flows.CPU = 512
	f.up(t)
	f.defaults.Flows = prefect.Flows{Memory: 1024}
	changes := f.plan(t).Changes
	f.setDefault("cpu", 2048)
	makeAll(t, changes)
	if cpu, memory := f.defaultOf("cpu"), f.defaultOf("memory"); cpu != 2048.0 || memory != 1024.0 {
		t.Errorf("cpu is %v, memory is %v", cpu, memory)
	}
}

func TestPoolFlowsAdvice(t *testing.T) {
	f := newFlows()
	f.defaults.Flows = prefect.Flows{CPU: 512, Spot: new(true)}
	f.up(t)
	advice := func() (texts []string) {
		for _, n := range f.plan(t).Notes {
			texts = append(texts, n.Severity.String()+": "+n.Text)
		}
		return texts
	}
	if list := advice(); len(list) > 0 {
		t.Errorf("without a reason: %v", list)
	}
	f.setDefault("capacity_provider_strategy", []any{})
	if list := advice(); len(list) > 0 {
		t.Errorf("with an empty strategy: %v", list)
	}
	f.setDefault("capacity_provider_strategy", []any{object{"capacityProvider": "FARGATE"}})
	f.edit(func(template object) {
		member(template, "job_configuration", "task_definition")["cpu"] = "256"
		request := member(template, "job_configuration", "task_run_request")
		delete(request, "overrides")
	})
	want := []string{
		`warning: the template sets the capacity provider strategy [{"capacityProvider":"FARGATE"}], which overrides spot in the config file`,
		"warning: the template has no place for cpu, so the value in the config file has no effect",
	}
	if diff := cmp.Diff(want, advice()); diff != "" {
		t.Error(diff)
	}
	f.defaults.Flows = prefect.Flows{}
	if list := advice(); len(list) > 0 {
		t.Errorf("the file says nothing: %v", list)
	}
}

// TestPoolFlowsEarlier brings a pool of an earlier version up to date.
func TestPoolFlowsEarlier(t *testing.T) {
	f := newFlows()
	f.up(t)
	want := f.template()
	f.edit(func(template object) {
		delete(member(template, "variables"), "x-flowbed-flows")
		setValue(template, "image", "image", "prefecthq/prefect:3.8.6-python3.12")
		setValue(template, "env.EXTRA_PIP_PACKAGES", "env", "prefect-aws==0.7.12")
	})
	changes := f.plan(t).Changes
	if len(changes) != 2 || changes[1].Field != "env.EXTRA_PIP_PACKAGES" || !changes[1].To.IsNothing() ||
		changes[1].Why != "the deployment says which packages its tasks install" {
		t.Errorf("the plan: %+v", changes)
	}
	f.up(t)
	if got := f.template(); !reflect.DeepEqual(got, want) {
		t.Errorf("(-new +updated):\n%s", cmp.Diff(want, got))
	}
}

// TestPoolFlowsRecordAlone does not change a pool that lacks only the record.
func TestPoolFlowsRecordAlone(t *testing.T) {
	f := newFlows()
	f.defaults.Flows.CPU = 512
	f.up(t)
	f.edit(func(template object) { delete(member(template, "variables"), "x-flowbed-flows") })
	if a := f.plan(t); a.Op != provision.None {
		t.Errorf("the plan: %v", poolFields(a))
	}
	f.defaults.Flows = prefect.Flows{Memory: 1024}
	f.up(t)
	if cpu := f.defaultOf("cpu"); cpu != 512.0 {
		t.Errorf("cpu is %v, which may be people's", cpu)
	}
	record := member(f.template(), "variables", "x-flowbed-flows")
	if names := slices.Sorted(maps.Keys(record)); !slices.Equal(names, []string{"memory"}) {
		t.Errorf("the record has %v", names)
	}
}
