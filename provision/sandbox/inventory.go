package sandbox

import (
	"encoding/json"
	"maps"
	"reflect"
)

// Inventory is what the account holds, as plain data, for comparing two moments.
// What AWS put there itself (default networks, service-linked roles), what is
// only remembered for a while (terminated instances, stopped tasks, inactive
// clusters, names that were freed) and empty parts are left out.
func (a *Account) Inventory() map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]any{}
	put(all, "iam", a.db.IAM.inventory())
	put(all, "s3", a.db.S3.Buckets)
	for region, d := range a.db.EC2 {
		put(all, "ec2 "+region, a.request(region).ec2Inventory(d))
	}
	for region, d := range a.db.ECS {
		put(all, "ecs "+region, d.inventory())
	}
	for region, d := range a.db.Logs {
		put(all, "logs "+region, d.Groups)
	}
	for region, d := range a.db.SSM {
		put(all, "ssm "+region, d.Parameters)
	}
	return all
}

func (d *iamDB) inventory() iamDB {
	c := *d
	c.Roles = without(d.Roles, (*iamRole).linked)
	return c
}

func (d *ecsDB) inventory() ecsDB {
	c := *d
	c.Linked = false
	c.Clusters = without(d.Clusters, func(o *cluster) bool { return o.Status == "INACTIVE" })
	c.Services = without(d.Services, func(o *service) bool { return o.Status == "INACTIVE" })
	c.Tasks = without(d.Tasks, func(o *task) bool { return o.Status == "STOPPED" })
	c.Definitions = without(d.Definitions, func(o *taskDefinition) bool { return o.Status == "INACTIVE" })
	return c
}

// ec2Inventory leaves out what a fresh region has, and names what is missing of it.
func (r *request) ec2Inventory(d *ec2DB) map[string]any {
	ended := func(id string) bool {
		i := d.Instances[id]
		return i == nil || r.state(i) == "terminated"
	}
	fresh := (&request{database: &database{}, a: r.a, region: r.region, now: r.now}).ec2()
	return map[string]any{
		"vpcs":    changed(d.VPCs, fresh.VPCs, nil),
		"routes":  changed(d.Routes, fresh.Routes, nil),
		"groups":  changed(d.Groups, fresh.Groups, nil),
		"subnets": changed(d.Subnets, fresh.Subnets, func(s *subnet) { s.Used = 0 }), // addresses are not given twice

		"keys":       d.Keys,
		"instances":  without(d.Instances, func(i *instance) bool { return ended(i.ID) }),
		"volumes":    without(d.Volumes, func(v *volume) bool { return v.Ends && ended(v.Instance) }),
		"interfaces": without(d.Interfaces, func(n *nic) bool { return n.Instance != "" && ended(n.Instance) }),
	}
}

// changed are the objects that a fresh part does not have in the same way, and
// nil for those that only it has.
func changed[T any](have, fresh map[string]*T, normal func(*T)) map[string]any {
	all := map[string]any{}
	for id, o := range have {
		c := *o
		if normal != nil {
			normal(&c)
		}
		if f := fresh[id]; f == nil || !reflect.DeepEqual(plain(c), plain(*f)) {
			all[id] = c
		}
	}
	for id := range fresh {
		if have[id] == nil {
			all[id] = "deleted"
		}
	}
	return all
}

func without[T any](m map[string]*T, drop func(*T) bool) map[string]*T {
	rest := maps.Clone(m)
	maps.DeleteFunc(rest, func(_ string, o *T) bool { return drop(o) })
	return rest
}

// put adds what is not empty.
func put(all map[string]any, name string, v any) {
	if v = prune(plain(v)); v != nil {
		all[name] = v
	}
}

// plain is a value as JSON has it.
func plain(v any) (p any) {
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
