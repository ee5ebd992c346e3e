package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/reach"
)

// Reach is what the file says of the way out of the environment's subnets.
func (n *Network) Reach() (r reach.Network) {
	if e := n.Egress; e != nil && len(n.SecurityGroups) == 0 {
		r.Egress = &reach.Egress{CIDRs: e.Ranges(), Ports: e.Ports}
	}
	if !n.New() {
		return r
	}
	r.Own, r.Known, r.Endpoints, r.Ranges = true, true, n.EndpointServices(), []netip.Prefix{n.Range()}
	if n.Private {
		r.Closed = "the private subnets"
	}
	return r
}

// checkReach checks whether tasks can start, as far as the file tells of the way out.
func (d *decoder) checkReach(e *Environment) {
	if e.Network == nil {
		return
	}
	registry := d.registry(e)
	if n := e.Network; n.New() && n.Private && d.written(&n.Endpoints) {
		d.checkClosed(n, registry)
	}
	if e.Network.Egress != nil {
		d.checkNarrow(e.Network, registry)
	}
}

// registry is that of the image of flows; empty if it is not known.
func (d *decoder) registry(e *Environment) string {
	p, image := e.Prefect, ""
	if p == nil || d.kind(p) != prefect.Worker2 && d.kind(p) != prefect.Worker3 { // with Prefect 1, each flow names its own
		return ""
	}
	if f := e.Flows; f != nil {
		if d.undecidedField(&f.Image) {
			return ""
		}
		image = f.Image
	}
	if image == "" && e.Repository != nil {
		return exampleAccount + ".dkr.ecr." + exampleRegion + ".amazonaws.com"
	}
	return reach.Registry(image)
}

// checkClosed warns about endpoints that subnets without a way out lack. An image may come from
// another registry in the company's network.
func (d *decoder) checkClosed(n *Network, registry string) {
	var missing []string
	for _, s := range reach.ForTask {
		elsewhere := s != logsService && registry != "" && !reach.ECR(registry) && !reach.Public(registry)
		if !elsewhere && !slices.Contains(n.EndpointServices(), s) {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return
	}
	why := "it can neither pull its image nor write its log"
	switch {
	case !slices.Contains(missing, logsService):
		why = "it cannot pull its image"
	case len(missing) == 1:
		why = "it cannot write its log"
	}
	d.warnAt(d.given[&n.Endpoints].attr.Expr.Range(), "Closed subnets", fmt.Sprintf(
		`Without a way out and without endpoints for %s, no task starts: %s. → add them, or use "all"`, strings.Join(missing, ", "), why))
}

const logsService = "logs"

// checkNarrow refuses rules with which certainly no task starts.
func (d *decoder) checkNarrow(n *Network, registry string) {
	e, whole := n.Egress, *n
	whole.complete(names.Names{}) // the defaults come after the checks
	for _, f := range []any{&e.CIDRs, &e.Ports, &n.CIDR, &n.Endpoints} {
		if d.undecidedField(f) {
			return
		}
	}
	if d.written(&n.SecurityGroups) || len(e.Ranges()) < len(e.CIDRs) || slices.ContainsFunc(e.Ports, badPort) || n.New() && !whole.Range().IsValid() {
		return // other checks say so
	}
	var cutOff []string
	r := whole.Reach()
	for _, service := range reach.ForTask {
		if service != logsService && !reach.ECR(registry) {
			continue
		}
		switch v := r.Of(reach.Service(reach.Tasks, service)); {
		case v.Group == reach.WrongPort:
			d.errorAt(d.given[&e.Ports].attr.Expr.Range(), "No task starts",
				"Without port 443, tasks reach nothing of AWS but S3: they cannot write their log. → add 443, or leave ports out")
			return
		case v.Group == reach.WrongRange && v.Path == reach.Endpoint:
			cutOff = append(cutOff, service)
		}
	}
	if len(cutOff) > 0 {
		d.errorAt(d.given[&e.CIDRs].attr.Expr.Range(), "No task starts", fmt.Sprintf(
			"The VPC endpoints for %s have addresses in %s, to which these ranges let nothing out. → add %q", strings.Join(cutOff, ", "), whole.CIDR, whole.CIDR))
	}
}
