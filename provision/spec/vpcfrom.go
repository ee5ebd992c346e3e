package spec

// checkLent checks vpc_from, and what the other environment decides.
func (n *Network) checkLent(d *decoder) {
	if !d.has(&n.VPCFrom) {
		return
	}
	switch {
	case !environmentName.matches(n.VPCFrom):
		d.bad(&n.VPCFrom, "Invalid environment", `%s is not the name of an environment. → name one that was built with vpc = "new", for example "shared"`)
	case n.VPCFrom == d.file.name:
		d.bad(&n.VPCFrom, "Invalid environment", `%s is this environment itself. → set vpc = "new" for a VPC of its own, or name another environment`)
	}
	for _, f := range []struct {
		field any
		name  string
	}{{&n.VPC, "vpc"}, {&n.Subnets, "subnets"}, {&n.PublicIP, "public_ip"}} {
		if d.written(f.field) {
			d.errorAt(d.given[f.field].attr.NameRange, f.name+" with vpc_from",
				"With vpc_from, tasks and the agent run in the VPC of the other environment, in the same subnets as its own. → remove "+f.name+" or vpc_from")
		}
	}
}
