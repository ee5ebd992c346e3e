package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/names"
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

// checkReach refuses rules with which certainly no task starts.
func (d *decoder) checkReach(n *Network) {
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
		switch v := r.Of(reach.Service(reach.Tasks, service)); {
		case v.Group == reach.WrongPort:
			d.errorAt(d.given[&e.Ports].attr.Expr.Range(), "No task starts",
				"Without port 443, tasks reach nothing of AWS but S3: they can neither pull their image nor write their log. → add 443, or leave ports out")
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
