package prefect

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Flows are the values that the config file sets for the task of each flow whose deployment
// does not say otherwise. A field with its zero value is one that the file does not say.
//
// Workers of Prefect 2 and 3 can do all of it. Their own templates lack the architecture
// and the storage, but RegisterTaskDefinition gets what the template has. Env and Secrets must
// not have the secret of the API: the pool passes it to the tasks without showing it. They
// must not have the same name: ECS refuses a container with a name in both lists.
type Flows struct {
	Image               string
	CPU                 int    // in units of 1/1024 vCPU
	Memory              int    // in MiB
	EphemeralStorageGiB int    // 21 to 200
	Architecture        string // X86_64 or ARM64
	Spot                *bool
	Env                 map[string]string
	Secrets             map[string]string // where ECS finds the values, as valueFrom has it
	Tags                map[string]string // of the task definitions and the tasks
}

// The names of the values, as the config file has them. A variable of the environment, and a
// secret, have the prefix.
const (
	imageName        = "image"
	cpuName          = "cpu"
	memoryName       = "memory"
	storageName      = "ephemeral_storage_gib"
	architectureName = "cpu_architecture"
	spotName         = "spot"
	envPrefix        = "env."
	secretPrefix     = "secrets."
)

// The two values of launch_type to which spot leads.
const (
	onDemand = "FARGATE"
	onSpot   = "FARGATE_SPOT"
)

// said returns what the file says, by name, as a template has it.
func (f Flows) said() map[string]any {
	said := map[string]any{}
	text := func(name, v string) {
		if v != "" {
			said[name] = v
		}
	}
	integer := func(name string, v int) {
		if v != 0 {
			said[name] = json.Number(strconv.Itoa(v))
		}
	}
	text(imageName, f.Image)
	integer(cpuName, f.CPU)
	integer(memoryName, f.Memory)
	integer(storageName, f.EphemeralStorageGiB)
	text(architectureName, f.Architecture)
	if f.Spot != nil {
		said[spotName] = onDemand
		if *f.Spot {
			said[spotName] = onSpot
		}
	}
	for name, v := range f.Env {
		said[envPrefix+name] = v
	}
	for name, v := range f.Secrets {
		said[secretPrefix+name] = v
	}
	for key, v := range f.Tags {
		said[tagPrefix+key] = v
		said[propagateName] = propagated
	}
	return said
}

// ordered returns the names of values in the order in which a plan shows them.
func ordered(values map[string]any) (names []string) {
	for _, name := range []string{imageName, cpuName, memoryName, storageName, architectureName, spotName, propagateName} {
		if _, ok := values[name]; ok {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.HasPrefix(name, envPrefix) || strings.HasPrefix(name, secretPrefix) || strings.HasPrefix(name, tagPrefix) {
			names = append(names, name)
		}
	}
	return names
}

// Unused returns the names of the values that the file says and for which the template has
// no place, because somebody removed it.
func (f Flows) Unused(t Template) (names []string) {
	said := f.said()
	for _, name := range []string{imageName, cpuName, memoryName, spotName} {
		if _, ok := said[name]; ok && !t.Uses(variableOf(name)) {
			names = append(names, name)
		}
	}
	return names
}

// variableOf returns the name of the template's variable for a value.
func variableOf(name string) string {
	if name == spotName {
		return "launch_type"
	}
	return name
}

// flowEntry is an entry of a template without its value.
func flowEntry(have Template, name string) Entry {
	if env, ok := strings.CutPrefix(name, envPrefix); ok {
		return variable("env", nil, env)
	}
	if secret, ok := strings.CutPrefix(name, secretPrefix); ok {
		return Entry{Name: name, Path: append(secretPath(have, secret), "valueFrom")}
	}
	if key, ok := strings.CutPrefix(name, tagPrefix); ok {
		return Entry{Name: name, Path: tagPath(have, definitionTags, key)}
	}
	if name == propagateName {
		return Entry{Name: name, Path: []any{"job_configuration", "task_run_request", "propagateTags"}}
	}
	e := variable(variableOf(name), nil)
	e.Name = name
	return e
}

// Show is the value of an entry as a plan shows it.
func (e Entry) Show(v any) string {
	switch {
	case e.Name == spotName && v == onSpot:
		return "true"
	case e.Name == spotName && v == onDemand:
		return "false"
	case (strings.HasPrefix(e.Name, envPrefix) || strings.HasPrefix(e.Name, tagPrefix)) && v == "":
		return `""`
	}
	if m, ok := v.(map[string]any); ok && strings.HasPrefix(e.Name, secretPrefix) {
		v = m["valueFrom"] // it goes together with its name
	} else if ok && strings.HasPrefix(e.Name, tagPrefix) {
		v = m["value"]
	}
	return Text(v)
}

// extra is a value for which the worker's original template has no place.
type extra struct {
	variable map[string]any // its declaration, without a default
	member   string         // of the task definition
	line     map[string]any // the member's value
}

// extras are added to a template only for a file that says the value. They go with the
// value: a worker of Prefect 2 would pass an ephemeralStorage without a size on to ECS,
// and ECS would refuse every task.
var extras = map[string]extra{
	architectureName: {
		variable: map[string]any{
			"title": "CPU Architecture", "description": "The CPU architecture of the task: X86_64 or ARM64.",
			"type": "string", "enum": []any{"X86_64", "ARM64"},
		},
		member: "runtimePlatform",
		line:   map[string]any{"cpuArchitecture": "{{ " + architectureName + " }}", "operatingSystemFamily": "LINUX"},
	},
	storageName: {
		variable: map[string]any{
			"title": "Ephemeral Storage (GiB)", "description": "The size of the task's disk in GiB: 21 to 200.",
			"type": "integer", "minimum": json.Number("21"), "maximum": json.Number("200"),
		},
		member: "ephemeralStorage",
		line:   map[string]any{"sizeInGiB": "{{ " + storageName + " }}"},
	},
}

// path returns the path of the member of the task definition.
func (x extra) path() []any { return []any{"job_configuration", "task_definition", x.member} }

// Base returns the original template of the worker, and the declarations of the variables
// that the file needs in addition.
func (d Defaults) Base() Template {
	t := Base(d.Kind)
	said := d.Flows.said()
	for name, x := range extras {
		if _, ok := said[name]; ok {
			put(map[string]any(t), []any{"variables", "properties", name}, clone(x.variable))
		}
	}
	return t
}
