package faultproxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// parameters returns the parameters of a request in any protocol. Their names are not
// case-sensitive.
func parameters(r *http.Request, body []byte) (names []string, value func(string) string) {
	values := map[string]string{}
	var members map[string]any
	switch form, err := url.ParseQuery(string(body)); {
	case r.Header.Get("X-Amz-Target") != "" && json.Unmarshal(body, &members) == nil:
		for k, v := range members {
			values[strings.ToLower(k)] = first(v)
		}
	case err == nil && form.Get("Action") != "":
		for k := range form {
			name, _, _ := strings.Cut(k, ".")
			if k == name || strings.HasSuffix(k, ".1") {
				values[strings.ToLower(name)] = form.Get(k)
			}
		}
		plural(values, "instanceid", "resourceid")
	default:
		bucket, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		values["bucket"] = bucket
	}
	return slices.Collect(maps.Keys(values)), func(name string) string { return values[strings.ToLower(name)] }
}

// plural adds each parameter under its plural name too, which is its name in the SDK.
func plural(values map[string]string, names ...string) {
	for _, n := range names {
		if v, ok := values[n]; ok {
			values[n+"s"] = v
		}
	}
}

func first(v any) string {
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}
