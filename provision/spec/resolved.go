package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Resolved returns what the attributes of the environment are after variables, defaults and
// patterns, by their names: "agent.instance_type", "tags.team", "task_role.statement[0].actions".
// An attribute without a value has no entry. Of a secret, the entry says only that there is one.
func (e *Environment) Resolved() map[string]string {
	all := map[string]string{}
	resolve(all, "", reflect.ValueOf(e).Elem())
	return all
}

// Hidden stands for the value of a secret.
const Hidden = "(secret)"

// resolve adds the members of a struct.
func resolve(all map[string]string, prefix string, of reflect.Value) {
	for _, m := range members(of.Type()) {
		field, name := of.Field(m.index), prefix+m.name
		switch {
		case field.Kind() == reflect.Pointer && field.IsNil():
		case m.secret && !field.IsZero():
			all[name] = Hidden
		case m.block && field.Kind() == reflect.Slice:
			for i := range field.Len() {
				resolve(all, fmt.Sprintf("%s[%d].", name, i), field.Index(i))
			}
		case m.block:
			resolve(all, name+".", reflect.Indirect(field))
		case field.Kind() == reflect.Map:
			entries := field.Interface().(map[string]string) //nolint:forcetypeassert // the language has no other maps
			for _, k := range slices.Sorted(maps.Keys(entries)) {
				all[name+"."+k] = withoutUserInfo(entries[k])
			}
		case field.Kind() == reflect.Pointer || !field.IsZero() && !emptyList(field):
			all[name] = attributeText(reflect.Indirect(field))
		}
	}
}

func emptyList(v reflect.Value) bool { return v.Kind() == reflect.Slice && v.Len() == 0 }

// attributeText is a value: a list as JSON has it.
func attributeText(v reflect.Value) string {
	if v.Kind() != reflect.Slice {
		return withoutUserInfo(fmt.Sprint(v.Interface()))
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprint(v.Interface())
	}
	return withoutUserInfo(string(text))
}

// withoutUserInfo hides the user and the password of a URL. The language refuses them where
// they would be stored; this is the second lock.
func withoutUserInfo(text string) string {
	return userInfo().ReplaceAllString(text, "${1}"+Hidden+"@")
}
