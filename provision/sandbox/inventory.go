package sandbox

import (
	"encoding/json"
	"maps"
)

// lister is implemented by a part of the account that holds more than the
// objects that somebody has: AWS's own, and what is left of deleted ones.
type lister interface{ inventory() any }

// Inventory is what the account holds, as plain data, for comparing two moments.
// What AWS put there itself (default networks, service-linked roles), what is
// only remembered for a while (terminated instances, inactive clusters, names
// that were freed) and empty parts are left out.
func (a *Account) Inventory() map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]any{}
	put(all, "iam", a.db.IAM.inventory())
	put(all, "s3", a.db.S3.Buckets)
	regions(all, "ec2", a.db.EC2)
	regions(all, "ecs", a.db.ECS)
	regions(all, "logs", a.db.Logs)
	regions(all, "ssm", a.db.SSM)
	return all
}

func (d *iamDB) inventory() any {
	c := *d
	c.Roles = maps.Clone(d.Roles)
	maps.DeleteFunc(c.Roles, func(_ string, r *iamRole) bool { return r.linked() })
	return c
}

func regions[T any](all map[string]any, service string, parts map[string]*T) {
	for region, part := range parts {
		var v any = part
		if l, ok := v.(lister); ok {
			v = l.inventory()
		}
		put(all, service+" "+region, v)
	}
}

// put adds an object of JSON, without what is empty in it.
func put(all map[string]any, name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // every part is plain data
	}
	var plain any
	if err := json.Unmarshal(b, &plain); err != nil {
		panic(err)
	}
	if plain = prune(plain); plain != nil {
		all[name] = plain
	}
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
	}
	return v
}
