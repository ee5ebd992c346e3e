package resource_test

import "slices"

// tagIn returns the index and the value of a tag in what has tags; -1 and nil if it has none.
func tagIn(o object, key string) (int, any) {
	list, _ := o["tags"].([]any)
	for i, e := range list {
		if e.(object)["key"] == key {
			return i, e.(object)["value"]
		}
	}
	return -1, nil
}

func setTag(o object, key string, v any) {
	list, _ := o["tags"].([]any)
	i, _ := tagIn(o, key)
	switch {
	case v == nil && i < 0:
		return
	case v == nil:
		list = slices.Delete(list, i, i+1)
	case i < 0:
		list = append(list, object{"key": key, "value": v})
	default:
		list[i] = object{"key": key, "value": v}
	}
	o["tags"] = list
}

// withoutTags removes the places of the tags that others have not filled.
func withoutTags(template object) {
	definition, request := member(template, "job_configuration", "task_definition"), member(template, "job_configuration", "task_run_request")
	if list, _ := definition["tags"].([]any); len(list) == 0 {
		delete(definition, "tags")
	}
	if list, is := request["tags"].([]any); is && len(list) == 0 {
		request["tags"] = "{{ labels }}"
	}
	delete(request, "propagateTags")
}
