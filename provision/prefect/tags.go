package prefect

import (
	"regexp"
	"slices"
	"strings"
)

// The tags of the config file are on the task definitions that a worker registers, and on the
// tasks that it starts. A task has them from RunTask, because an account may demand them
// there, and from its definition (propagateTags): a worker writes the tags of RunTask in a
// narrower alphabet than AWS, and leaves those of a definition as they are.
//
// A worker looks whether the last revision of a definition is what it would register. What
// ECS returns as a definition has no tags, so with tags each run has a revision of its own:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTaskDefinition.html

const (
	tagPrefix = "tags."

	// propagateName lets a task have the tags of its definition, too.
	propagateName = "propagate_tags"
	propagated    = "TASK_DEFINITION"

	whyRevisions = "the worker registers a revision of a flow's task definition for each run: it does not see the tags of the last one"
)

// Keyed is an element of a path: the list element with this key.
type Keyed string

// in is the index of the element, or -1.
func (k Keyed) in(l []any) int {
	return slices.IndexFunc(l, func(e any) bool {
		m, _ := e.(map[string]any)
		return m["key"] == string(k)
	})
}

func (k Keyed) fresh() any { return map[string]any{"key": string(k)} }

var (
	definitionTags = []any{"job_configuration", "task_definition", "tags"}
	requestTags    = []any{"job_configuration", "task_run_request", "tags"}
	jobLabels      = []any{"job_configuration", "labels"}
)

const labelsLine = "{{ labels }}"

// tagPath returns the path of a tag's value in one of the two lists. The worker adds the labels
// of a run to the tags of the request, so the place of the labels in the original template can
// take a list instead. If somebody has made the list another variable, it is in its default.
func tagPath(have Template, list []any, key string) []any {
	line, _ := lookup(map[string]any(have), list)
	path := slices.Clone(list)
	text, _ := line.(string)
	labels, _ := lookup(map[string]any(have), jobLabels)
	if m := onlyVariable.FindStringSubmatch(text); m != nil && (m[1] != "labels" || labels != text) {
		path = []any{"variables", "properties", m[1], "default"}
		if line, _ = lookup(map[string]any(have), path); line == nil && m[1] == "labels" {
			line = map[string]any{}
		}
	}
	if _, is := line.(map[string]any); is {
		return append(path, key)
	}
	return append(path, Keyed(key), "value")
}

// asWritten matches what a worker does not change in the key or the value of a task's tag: it
// writes other characters as hyphens, and drops hyphens at the ends and beside others.
// https://github.com/PrefectHQ/prefect/blob/main/src/integrations/prefect-aws/prefect_aws/workers/ecs_worker.py
var asWritten = regexp.MustCompile(`^([a-zA-Z0-9_./=+:@]+(-[a-zA-Z0-9_./=+:@]+)*)?$`)

// requestTag returns the entries for the tag of RunTask that belongs to a tag of the definition.
func requestTag(have Template, e Entry, recorded any) []Entry {
	key, is := strings.CutPrefix(e.Name, tagPrefix)
	if !is {
		return nil
	}
	value, _ := e.Value.(string)
	if !asWritten.MatchString(key) || !asWritten.MatchString(value) {
		return takeTagBack(have, e, recorded, requestTags) // the definition has it
	}
	e.Path = tagPath(have, requestTags, key)
	return []Entry{e}
}

// takeTagBack returns entries that remove flowbed's tag from the lists.
func takeTagBack(have Template, e Entry, recorded any, lists ...[]any) (list []Entry) {
	key, _ := strings.CutPrefix(e.Name, tagPrefix)
	for _, path := range lists {
		e.Path = tagPath(have, path, key)
		if was, found := lookup(map[string]any(have), e.Path); found && recorded != nil && same(was, recorded) {
			list = append(list, without(e))
		}
	}
	return list
}

// emptyTags returns entries that restore the original place of the tags if the others remove
// all of them.
func emptyTags(have Template, others []Entry) (list []Entry) {
	for _, path := range [][]any{definitionTags, requestTags} {
		line, _ := lookup(map[string]any(have), path)
		tags, _ := line.([]any)
		var removed []Entry
		stays := len(tags) == 0
		for _, e := range others {
			if len(e.Path) > len(path) && slices.Equal(e.Path[:len(path)], path) {
				removed = append(removed, e)
				stays = stays || !e.Removed
			}
		}
		if stays || len(removed) < len(tags) {
			continue
		}
		e := removed[0]
		e.Path = path
		if slices.Equal(path, requestTags) {
			e.Value, e.Removed, e.Said = labelsLine, false, true
		}
		list = append(list, e)
	}
	return list
}
