package prefect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tagsIn returns the tags of a template's task definition and of its tasks.
func tagsIn(t Template) (definition, request any) {
	definition, _ = lookup(map[string]any(t), definitionTags)
	request, _ = lookup(map[string]any(t), requestTags)
	return definition, request
}

func tag(key, value string) map[string]any { return map[string]any{"key": key, "value": value} }

// edited returns a template in which somebody has set a value.
func edited(have Template, value any, path ...any) Template {
	t, _ := clone(map[string]any(have)).(map[string]any)
	put(t, path, value)
	return t
}

func wantTags(t *testing.T, have Template, definition, request any) {
	t.Helper()
	d, r := tagsIn(have)
	if diff := cmp.Diff([]any{definition, request}, []any{d, r}); diff != "" {
		t.Errorf("tags of the definition, and of the tasks (-want +got):\n%s", diff)
	}
}

var costs = Flows{Tags: map[string]string{"cost-center": "42"}}

func TestTags(t *testing.T) {
	for _, k := range []Kind{Worker3, Worker2} {
		without := apply(k, Flows{}, nil)
		with := apply(k, costs, without)
		wantTags(t, with, []any{tag("cost-center", "42")}, []any{tag("cost-center", "42")})
		if diff := cmp.Diff([]string{"propagate_tags", "tags.cost-center"}, changes(k, costs, without)); diff != "" {
			t.Errorf("changes:\n%s", diff)
		}
		other := Flows{Tags: map[string]string{"team": "data"}}
		next := apply(k, other, with)
		wantTags(t, next, []any{tag("team", "data")}, []any{tag("team", "data")})
		if diff := cmp.Diff(without, apply(k, Flows{}, next)); diff != "" {
			t.Errorf("without tags (-before +after):\n%s", diff)
		}
	}
}

// TestTagsOfWorkers keeps what a worker would write in another way to the definition.
func TestTagsOfWorkers(t *testing.T) {
	for text, want := range map[string]bool{
		"42": true, "": true, "team:data/etl_1.0=a+b@c": true, "a-b": true, "data platform": false, "größe": false, "a--b": false, "-a": false, "a-": false,
	} {
		with := apply(Worker3, Flows{Tags: map[string]string{"k": text}}, nil)
		request := any(labelsLine)
		if want {
			request = []any{tag("k", text)}
		}
		wantTags(t, with, []any{tag("k", text)}, request)
	}
	plain := apply(Worker3, costs, nil)
	odd := apply(Worker3, Flows{Tags: map[string]string{"cost-center": "forty two"}}, plain)
	wantTags(t, odd, []any{tag("cost-center", "forty two")}, labelsLine)
	if diff := cmp.Diff(plain, apply(Worker3, costs, odd)); diff != "" {
		t.Errorf("back again (-before +after):\n%s", diff)
	}
}

// TestTagsOfOthers leaves alone what somebody has added in Prefect, in each of its forms.
func TestTagsOfOthers(t *testing.T) {
	fresh, theirs, ours := apply(Worker3, Flows{}, nil), tag("theirs", "1"), tag("cost-center", "42")
	list := edited(edited(fresh, []any{theirs}, definitionTags...), []any{theirs}, requestTags...)
	with := apply(Worker3, costs, list)
	wantTags(t, with, []any{theirs, ours}, []any{theirs, ours})
	wantTags(t, apply(Worker3, Flows{}, with), []any{theirs}, []any{theirs})

	object := edited(fresh, map[string]any{"theirs": "1"}, requestTags...)
	wantTags(t, apply(Worker3, costs, object), []any{ours}, map[string]any{"theirs": "1", "cost-center": "42"})

	path := []any{"variables", "properties", "task_tags", "default"}
	variable := edited(edited(fresh, "{{ task_tags }}", requestTags...), []any{theirs}, path...)
	with = apply(Worker3, costs, variable)
	wantTags(t, with, []any{ours}, "{{ task_tags }}")
	if diff := cmp.Diff([]any{theirs, ours}, with.Default("task_tags")); diff != "" {
		t.Errorf("the variable's default:\n%s", diff)
	}

	// Without its own line for the labels, a worker has them only from the tags.
	labels := edited(fresh, "", jobLabels...)
	with = apply(Worker3, costs, labels)
	wantTags(t, with, []any{ours}, labelsLine)
	if diff := cmp.Diff(map[string]any{"cost-center": "42"}, with.Default("labels")); diff != "" {
		t.Errorf("the labels:\n%s", diff)
	}

	changed := edited(apply(Worker3, costs, nil), "43", append(definitionTags, Keyed("cost-center"), "value")...)
	if diff := cmp.Diff([]string{"tags.cost-center"}, changes(Worker3, costs, changed)); diff != "" {
		t.Errorf("a changed tag is no difference:\n%s", diff)
	}
	wantTags(t, apply(Worker3, costs, changed), []any{ours}, []any{ours})
}
