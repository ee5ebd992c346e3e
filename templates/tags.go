package templates

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// definitionFile holds the definition that a Prefect 1 agent registers for a flow without one
// of its own. It is needed only for tags.
const definitionFile = "/etc/flowbed/task-definition.yaml"

// tagFiles puts the tags into what a Prefect 1 agent hands to ECS: into the file for RunTask,
// and into a file of their own for the definition.
func (t Tasks) tagFiles(runTask string) (files []File, err error) {
	if len(t.Tags) == 0 {
		return []File{{runTaskFile, 0o644, runTask}}, nil
	}
	tags := map[string]string{"tags": yamlTags(t.Tags)}
	more, err := text("task_tags.yaml", tags)
	if err != nil {
		return nil, err
	}
	definition, err := text("task_definition.yaml", tags)
	if err != nil {
		return nil, err
	}
	return []File{{runTaskFile, 0o644, runTask + more}, {definitionFile, 0o644, definition}}, nil
}

// yamlTags renders tags on one line, as ECS has them.
func yamlTags(tags map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, fmt.Sprintf("{key: %s, value: %s}", codeQuote(key), codeQuote(tags[key])))
	}
	return "[" + strings.Join(list, ", ") + "]"
}
