package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// shownWorkflow is a GitHub workflow as a page shows it.
type shownWorkflow struct {
	Name        string
	On          any
	Permissions map[string]string
	Env         map[string]string
	Jobs        map[string]struct {
		Needs   string
		Outputs map[string]string
		Steps   []shownStep
	}
}

type shownStep struct {
	ID, Uses, Run string
	With, Env     map[string]string
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// shownWorkflows are the workflows of docs/ci.md. `make lint` has actionlint look at them, too.
func shownWorkflows(t *testing.T) (list []shownWorkflow) {
	t.Helper()
	for _, m := range yamlBlock.FindAllStringSubmatch(readPage(t, "../../docs/ci.md"), -1) {
		var w shownWorkflow
		if err := yaml.Unmarshal([]byte(m[1]), &w); err != nil {
			t.Fatalf("%v:\n%s", err, m[1])
		}
		list = append(list, w)
	}
	if len(list) < 4 {
		t.Fatalf("docs/ci.md has %d workflows", len(list))
	}
	return list
}

// TestShownWorkflows: what the workflows tell the action exists there, and what they tell flowbed
// is a command line. They get their credentials from roles that the page says how to make.
func TestShownWorkflows(t *testing.T) {
	var action struct {
		Inputs, Outputs map[string]any
	}
	if err := yaml.Unmarshal([]byte(readPage(t, "../../action.yml")), &action); err != nil {
		t.Fatal(err)
	}
	page := readPage(t, "../../docs/ci.md")
	roles, ran := map[string]bool{}, map[string]bool{}
	for _, w := range shownWorkflows(t) {
		if w.Permissions["id-token"] != "write" {
			t.Errorf("%s: without id-token: write, GitHub gives no token", w.Name)
		}
		for name, job := range w.Jobs {
			if _, ok := w.Jobs[job.Needs]; job.Needs != "" && !ok {
				t.Errorf("%s: %s needs %s, which is no job", w.Name, name, job.Needs)
			}
			for _, s := range job.Steps {
				switch {
				case strings.HasPrefix(s.Uses, "flowbed/flowbed@"):
					ran[checkActionStep(t, w.Name, s, action.Inputs)] = true
				case strings.HasPrefix(s.Uses, "aws-actions/configure-aws-credentials@"):
					_, role, _ := strings.Cut(s.With["role-to-assume"], ":role/")
					roles[role] = true
				}
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: an expression in a script: %s", w.Name, s.Run)
				}
			}
		}
	}
	for role := range roles {
		if !strings.Contains(page, "| `"+role+"` ") {
			t.Errorf("the page does not say what the role %s may do", role)
		}
	}
	if want := []string{"down", "plan", "sweep", "up"}; !slices.Equal(slices.Sorted(maps.Keys(ran)), want) {
		t.Errorf("the workflows run %v", ran)
	}
	for _, m := range regexp.MustCompile(`steps\.\w+\.outputs\.([\w-]+)`).FindAllStringSubmatch(page, -1) {
		if action.Outputs[m[1]] == nil {
			t.Errorf("the action has no output %s", m[1])
		}
	}
}

// checkActionStep checks a step that uses the action, and returns its command.
func checkActionStep(t *testing.T, name string, s shownStep, inputs map[string]any) string {
	t.Helper()
	for input := range s.With {
		if inputs[input] == nil {
			t.Errorf("%s: the action has no input %s", name, input)
		}
	}
	args := strings.Fields(s.With["command"])
	if err := parses(args); err != nil || len(args) == 0 {
		t.Errorf("%s: flowbed %v: %v", name, args, err)
		return ""
	}
	if strings.ContainsAny(s.With["command"], `'"`) {
		t.Errorf("%s: the action would pass on the quotes of %s", name, s.With["command"])
	}
	if _, has := s.Env["FLOWBED_VAR_api_key"]; !has && (args[0] == "plan" || args[0] == "up") {
		t.Errorf("%s: %s without the API key", name, args[0])
	}
	return args[0]
}
