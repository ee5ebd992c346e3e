package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// ignoring is a block of the spec with its ignore_changes, and the steps that it is about.
type ignoring struct {
	block  string
	fields *[]string
	steps  []string
}

// ignorings are those of the blocks that the environment has.
func ignorings(e *spec.Environment) []ignoring {
	list := []ignoring{
		{"bucket", &e.Bucket.IgnoreChanges, []string{"bucket"}},
		{"task_role", &e.TaskRole.IgnoreChanges, []string{"task role"}},
		{"execution_role", &e.ExecutionRole.IgnoreChanges, []string{"execution role"}},
		{"cluster", &e.Cluster.IgnoreChanges, []string{"cluster"}},
		{"network", &e.Network.IgnoreChanges, []string{
			"task security group", "endpoint security group", "vpc", "route tables",
		}},
		{"logs", &e.Logs.IgnoreChanges, []string{"log group"}},
	}
	if r := e.Repository; r != nil {
		list = append(list, ignoring{"repository", &r.IgnoreChanges, []string{"repository"}})
	}
	if p := e.Prefect; p != nil {
		list = append(list, ignoring{"prefect", &p.IgnoreChanges, []string{
			"work pool", "api key parameter", "event queue", "dead-letter queue", "event rule", "result storage",
		}})
	}
	if a := e.Agent; a != nil {
		list = append(list, ignoring{"agent", &a.IgnoreChanges, []string{
			"agent instance", "agent role", "agent instance profile", "agent security group", "worker role", "task definition", "service",
		}})
	}
	return list
}

// ignored are the fields that up leaves alone, by step.
func ignored(e *spec.Environment) map[string]provision.Fields {
	all := map[string]provision.Fields{}
	for _, i := range ignorings(e) {
		for _, step := range i.steps {
			all[step] = append(all[step], *i.fields...)
		}
	}
	return all
}

// checkIgnored reports fields that the plan does not have.
func checkIgnored(e *spec.Environment) (list []spec.Complaint) {
	all := ignorings(e)
	if !slices.ContainsFunc(all, func(i ignoring) bool { return len(*i.fields) > 0 }) {
		return nil
	}
	fields := ignorable(e)
	for _, i := range all {
		var known, required provision.Fields
		for _, step := range i.steps {
			may, must := fields(step)
			known, required = append(known, may...), append(required, must...)
		}
		slices.Sort(known)
		known = slices.Compact(known)
		for _, f := range *i.fields {
			if !known.Has(f) {
				list = append(list, unknownField(i, f, known, required.Has(f)))
			}
		}
	}
	return list
}

// ignorable returns the fields of a step that the plan can have, and those that it can have but
// nobody can ignore: a new object of the environment has them, or one with the default settings. A
// setting that is off may not be a field of a new object.
func ignorable(e *spec.Environment) func(step string) (fields, required provision.Fields) {
	byDefault := spec.Defaults(e.Name, spec.Place{Account: e.Account, Region: e.Region})
	byDefault.Repository, byDefault.Prefect, byDefault.Agent = e.Repository, e.Prefect, e.Agent
	var all []*Stack
	for _, env := range []*spec.Environment{e, &byDefault} {
		id := resource.Identity{Env: e.Name, Account: e.Account, Region: e.Region, Partition: "aws"}
		if s, err := Build(env, id, Clients{}, Options{}); err == nil { // an error is reported by others
			all = append(all, s)
		}
	}
	return func(step string) (fields, required provision.Fields) {
		for _, s := range all {
			may, must := s.Graph.Fields(step)
			fields, required = append(fields, may...), append(required, must...)
		}
		return fields, required
	}
}

func unknownField(i ignoring, field string, known provision.Fields, required bool) spec.Complaint {
	hint := ""
	if near := spec.Nearest(field, known); near != "" {
		hint = fmt.Sprintf("did you mean %q? The list", near)
	}
	what := fmt.Sprintf("The plan has no field %q that can be ignored in the %s block.", field, i.block)
	if required {
		what = fmt.Sprintf("Differences of %s cannot be ignored.", field)
	}
	return spec.Complaint{
		Fields: []any{i.fields}, Summary: "Unknown field",
		Detail: fmt.Sprintf(`%s → %s can have "%s"`, what, cmp.Or(hint, "the list"), strings.Join(known, `", "`)),
	}
}
