package core

import (
	"encoding/json"
	"maps"
)

// Inventory returns the contents of the account as plain data, to compare two
// points in time. It omits what AWS itself creates (default networks,
// service-linked roles), what AWS forgets after a while (terminated instances,
// stopped tasks, inactive clusters, freed names), and empty parts.
func (a *Account) Inventory() map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]any{}
	for _, p := range parts {
		p.inventory(a.request(""), all)
	}
	return all
}

// Without returns the objects of m, except those that drop selects.
func Without[T any](m map[string]*T, drop func(*T) bool) map[string]*T {
	rest := maps.Clone(m)
	maps.DeleteFunc(rest, func(_ string, o *T) bool { return drop(o) })
	return rest
}

// put adds v under name, unless v is empty.
func put(all map[string]any, name string, v any) {
	if v = prune(Plain(v)); v != nil {
		all[name] = v
	}
}

// Plain returns a value as it decodes from its JSON form.
func Plain(v any) (p any) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		panic(err) // every part is plain data
	}
	return p
}

// prune removes empty members. It returns nil if v itself is empty.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			if member = prune(member); member == nil {
				delete(v, k)
			} else {
				v[k] = member
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}
