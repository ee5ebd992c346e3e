package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Egress narrows what flowbed's own security groups let the tasks and the agent connect to.
// S3 is always among it, and DNS and the metadata service need no rule. The plan tells what
// else the rules cut off. Without this block, the groups let everything out. It cannot be
// combined with `security_groups`.
type Egress struct {
	// Enabled leaves the block out if it is false, where the defaults have one.
	// Default: true.
	Enabled *bool `hcl:"enabled,optional"`

	// CIDRs are the ranges of addresses to which they may connect, for example
	// ["10.0.0.0/8"]. Default: everywhere.
	CIDRs []string `hcl:"cidrs,optional"`

	// Ports are the TCP ports to which they may connect in these ranges, for example
	// [443, 5432]. Default: all, of all protocols.
	Ports []int `hcl:"ports,optional"`
}

// Ranges are the ranges of addresses.
func (e *Egress) Ranges() (list []netip.Prefix) {
	for _, c := range e.CIDRs {
		if p, err := netip.ParsePrefix(c); err == nil { // check has reported the others
			list = append(list, p)
		}
	}
	return list
}

// mostRules is how many outbound rules a security group can have by default.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
const mostRules = 60

func (e *Egress) check(d *decoder) {
	if !d.written(&e.CIDRs) && !d.written(&e.Ports) {
		d.errorAt(d.blockOf(e).DefRange(), "Empty egress", `The block narrows nothing. → add cidrs = ["10.0.0.0/8"], ports = [443] or both, or remove the block`)
		return
	}
	if d.has(&e.CIDRs) && len(e.CIDRs) == 0 {
		d.errorAt(d.given[&e.CIDRs].attr.Expr.Range(), "No range", `Without a range, flows could reach nothing but S3. → name at least one, for example that of the VPC`)
	}
	if d.has(&e.Ports) && len(e.Ports) == 0 {
		d.errorAt(d.given[&e.Ports].attr.Expr.Range(), "No port", `Without a port, flows could reach nothing but S3. → name at least one, for example 443, or leave ports out`)
	}
	for i, c := range e.CIDRs {
		e.checkRange(d, i, c)
	}
	for i, p := range e.Ports {
		switch {
		case badPort(p):
			d.badElement(&e.Ports, i, fmt.Sprint(p), "Invalid port", "%s is not a port. → use 1 to 65535")
		case slices.Contains(e.Ports[:i], p):
			d.badElement(&e.Ports, i, fmt.Sprint(p), "Duplicate", "%s is in the list twice. → remove one of them")
		}
	}
	e.checkRules(d)
}

func badPort(p int) bool { return p < 1 || p > 65535 }

func (e *Egress) checkRange(d *decoder, i int, text string) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil && validAddress(text):
		d.badElement(&e.CIDRs, i, text, "Invalid range", "%s is an address without the size of its range. → use, for example, %q", text+"/32")
	case err != nil:
		d.badElement(&e.CIDRs, i, text, "Invalid range", "%s is not a range of addresses. → use a range such as \"10.0.0.0/8\"")
	case p != p.Masked():
		d.badElement(&e.CIDRs, i, text, "Invalid range", "%s does not begin at the first address of its range. → use %q", p.Masked().String())
	case slices.ContainsFunc(e.CIDRs[:i], func(o string) bool { q, err := netip.ParsePrefix(o); return err == nil && p == q }):
		d.badElement(&e.CIDRs, i, text, "Duplicate", "%s is in the list twice. → remove one of them")
	}
}

func validAddress(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && a.Is4()
}

// checkRules warns about more rules than a group can have: one for each range and port, and one for
// S3. EC2 counts those for IPv4 and IPv6 apart, and the quota can be raised.
func (e *Egress) checkRules(d *decoder) {
	six := len(slices.DeleteFunc(slices.Clone(e.CIDRs), func(c string) bool { return !strings.Contains(c, ":") }))
	n := max(six, len(e.CIDRs)-six, 1)*max(len(e.Ports), 1) + 1
	if n > mostRules {
		d.warnAt(d.blockOf(e).DefRange(), "Many rules", fmt.Sprintf(
			"That is %d outbound rules, one for each range and port, and a security group can have %d unless the account's quota is higher. → use larger ranges, or fewer ports", n, mostRules))
	}
}

// checkEgressOfOthers refuses an egress block beside groups that flowbed does not change.
func (d *decoder) checkEgressOfOthers(n *Network) {
	if n.Egress == nil || !d.has(&n.SecurityGroups) || len(n.SecurityGroups) == 0 {
		return
	}
	d.errorAt(d.blockOf(n.Egress).DefRange(), "egress with security_groups",
		"flowbed does not change the groups in security_groups, so it cannot narrow what they let out. → narrow the rules of those groups, and remove the egress block or set enabled = false in it; or remove security_groups")
}
