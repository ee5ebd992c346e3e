package core

import (
	"encoding/json"
	"maps"
)

// Inventory is what the account holds, as plain data, for comparing two moments.
// What AWS put there itself (default networks, service-linked roles), what is
// only remembered for a while (terminated instances, stopped tasks, inactive
// clusters, names that were freed) and empty parts are left out.
func (a *Account) Inventory() map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]any{}
	for _, p := range parts {
		p.inventory(a.request(""), all)
	}
	return all
}

// Without are the objects that are not to be dropped.
func Without[T any](m map[string]*T, drop func(*T) bool) map[string]*T {
	rest := maps.Clone(m)
	maps.DeleteFunc(rest, func(_ string, o *T) bool { return drop(o) })
	return rest
}

// put adds what is not empty.
func put(all map[string]any, name string, v any) {
	if v = prune(Plain(v)); v != nil {
		all[name] = v
	}
}

// Plain is a value as JSON has it.
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

// prune removes empty members, and returns nil for what is empty itself.
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
