package ec2

import (
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// inventory omits what a fresh region has, and lists what is missing from it.
func inventory(r *core.Request, d *database) any {
	ended := func(id string) bool {
		i := d.Instances[id]
		return i == nil || (&request{r}).state(i) == "terminated"
	}
	fresh := fresh(r.Region)
	gateways := d.Gateways
	if gateways == nil {
		gateways = fresh.Gateways
	}
	return map[string]any{
		"vpcs":     changed(d.VPCs, fresh.VPCs, nil),
		"routes":   changed(d.Routes, fresh.Routes, nil),
		"gateways": changed(gateways, fresh.Gateways, nil),
		"groups":   changed(d.Groups, fresh.Groups, nil),
		"subnets":  changed(d.Subnets, fresh.Subnets, func(s *subnet) { s.Used = 0 }), // EC2 does not reuse addresses, so Used only grows

		"acls":        core.Without(d.ACLs, func(*networkACL) bool { return false }),
		"egress only": core.Without(d.EgressOnly, func(*gateway) bool { return false }),
		"vpns":        core.Without(d.VPNs, func(*gateway) bool { return false }),

		"keys":       d.Keys,
		"addresses":  core.Without(d.Addresses, func(*address) bool { return false }),
		"nats":       core.Without(d.NATs, func(g *natGateway) bool { return g.state(r.Now) == types.NatGatewayStateDeleted }),
		"endpoints":  core.Without(d.Endpoints, func(e *endpoint) bool { return !e.exists(r.Now) }),
		"instances":  silent(core.Without(d.Instances, func(i *instance) bool { return ended(i.ID) })),
		"volumes":    core.Without(d.Volumes, func(v *volume) bool { return v.Ends && ended(v.Instance) }),
		"interfaces": core.Without(d.Interfaces, func(n *nic) bool { return n.Task && n.gone(r.Now) || n.Instance != "" && ended(n.Instance) }),
	}
}

// silent returns instances without what they wrote to their consoles.
func silent(all map[string]*instance) map[string]*instance {
	for id, i := range all {
		c := *i
		c.Console, c.ConsoleTime = "", time.Time{}
		all[id] = &c
	}
	return all
}

// changed returns the objects that differ from those of a fresh part, and nil for
// objects that only the fresh part has.
func changed[T any](have, fresh map[string]*T, normal func(*T)) map[string]any {
	all := map[string]any{}
	for id, o := range have {
		c := *o
		if normal != nil {
			normal(&c)
		}
		if f := fresh[id]; f == nil || !reflect.DeepEqual(core.Plain(c), core.Plain(*f)) {
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
