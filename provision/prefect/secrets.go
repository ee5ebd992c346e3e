package prefect

import (
	"regexp"
	"strings"
)

// containerSecrets is the path of the list of secrets that ECS puts into the container's
// environment: a name, and where ECS finds the value.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Secret.html
func containerSecrets() []any {
	return []any{"job_configuration", "task_definition", "containerDefinitions", 0, "secrets"}
}

// onlyVariable matches a text that is nothing but a variable.
var onlyVariable = regexp.MustCompile(`^\s*\{\{\s*([\w.-]+)\s*\}\}\s*$`)

// secretPath returns the path of a container's secret. If somebody has made the list a
// variable of the template, so that deployments can replace it, it is in its default.
func secretPath(have Template, name string) []any {
	path := containerSecrets()
	line, _ := lookup(map[string]any(have), path)
	text, _ := line.(string)
	if m := onlyVariable.FindStringSubmatch(text); m != nil {
		path = []any{"variables", "properties", m[1], "default"}
	}
	return append(path, Named(name))
}

// without returns the entry that removes a value which an original template does not have. A
// secret goes together with its name, and a tag with its key: ECS refuses one of the two alone.
func without(e Entry) Entry {
	e.Value, e.Said, e.Removed = nil, false, true
	last := len(e.Path) - 1
	if _, listed := e.Path[last-1].(element); listed {
		e.Path = e.Path[:last]
	}
	return e
}

// clashes returns the entries that remove what ECS would refuse beside what the file says: a
// variable with the name of a secret, and the other way round. The others are those that
// are decided already.
func clashes(have Template, said map[string]any, others []Entry) (list []Entry) {
	for _, name := range ordered(said) {
		twin, ok := twinOf(name)
		if !ok || hasEntry(others, twin) {
			continue
		}
		e := flowEntry(have, twin)
		if was, _ := lookup(map[string]any(have), e.Path); was != nil {
			e = without(e)
			e.Why = whyTwice
			list = append(list, e)
		}
	}
	return list
}

// twinOf returns the name under which the other list would have a variable or a secret.
func twinOf(name string) (twin string, ok bool) {
	if v, ok := strings.CutPrefix(name, envPrefix); ok {
		return secretPrefix + v, true
	}
	if v, ok := strings.CutPrefix(name, secretPrefix); ok {
		return envPrefix + v, true
	}
	return "", false
}

func hasEntry(list []Entry, name string) bool {
	for _, e := range list {
		if e.Name == name {
			return true
		}
	}
	return false
}

// emptySecrets returns an entry that removes the list of secrets if the others remove all of
// them. The original templates have none.
func emptySecrets(have Template, others []Entry) []Entry {
	line, _ := lookup(map[string]any(have), containerSecrets())
	secrets, _ := line.([]any)
	last, removed := Entry{}, 0
	for _, e := range others {
		switch {
		case !strings.HasPrefix(e.Name, secretPrefix):
		case !e.Removed:
			return nil
		default:
			last, removed = e, removed+1
		}
	}
	if removed == 0 || removed < len(secrets) || len(secrets) == 0 {
		return nil
	}
	last.Path = containerSecrets()
	return []Entry{last}
}
