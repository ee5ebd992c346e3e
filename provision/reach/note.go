package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Note says what is out of reach, or may be.
type Note struct {
	Text string
	Todo string // what to do; empty if it only may be out of reach
}

// Notes says of each need once what stops it: first the routes, then the security groups.
func (n Network) Notes(needs []Need) []Note {
	needs = grouped(needs)
	return append(n.routes(needs), n.groups(needs)...)
}

// routes are the notes about subnets without a way out. They cannot tell of a proxy in the VPC.
// Of what every task needs, the check of the file tells.
func (n Network) routes(needs []Need) (notes []Note) {
	var outside, instead, services []string
	for _, d := range needs {
		switch {
		case !n.Of(d).NoRoute:
		case !d.AWS:
			outside = append(outside, fmt.Sprintf("%s (%s)", d.What, d.Host))
			if d.Instead != "" && !slices.Contains(instead, d.Instead) {
				instead = append(instead, d.Instead)
			}
		case !n.Own || !slices.Contains(ForTask, d.Host):
			services = append(services, d.Host)
		}
	}
	if len(outside) > 0 {
		notes = append(notes, Note{
			fmt.Sprintf("as far as the routes tell, %s cannot be reached from %s, which have no way out", strings.Join(outside, " and "), n.Closed),
			strings.Join(append(instead, "or use subnets with a NAT gateway"), "; "),
		})
	}
	if len(services) > 0 {
		slices.Sort(services)
		list := strings.Join(services, ", ")
		notes = append(notes, Note{
			fmt.Sprintf("these APIs of AWS cannot be reached from %s, which have neither a way out nor VPC endpoints for them: %s", n.Closed, list),
			n.addEndpoints() + ", or use subnets with a NAT gateway",
		})
	}
	return notes
}

func (n Network) addEndpoints() string {
	if n.Own {
		return "add them to network.endpoints"
	}
	return "create endpoints for them"
}

// groups are the notes about what the security groups let out.
func (n Network) groups(needs []Need) (notes []Note) {
	if n.Egress == nil {
		return nil
	}
	services := map[Verdict][]Need{}
	for _, d := range needs {
		v := n.Of(d)
		if v.Group == Passes {
			continue
		}
		if !d.AWS {
			notes = append(notes, n.host(d, v.Group))
			continue
		}
		if v.NoRoute = false; v.Group == WrongPort { // whatever the path
			v.Path = Unknown
		}
		services[v] = append(services[v], d)
	}
	for _, stop := range []Stop{WrongPort, WrongRange, Depends} {
		for _, path := range []Path{Unknown, Endpoint, Internet} {
			if list := services[Verdict{Path: path, Group: stop}]; len(list) > 0 {
				notes = append(notes, n.services(list, path, stop))
			}
		}
	}
	return notes
}

func (n Network) host(d Need, stop Stop) Note {
	text := fmt.Sprintf("%s (%s, port %d)", d.What, d.Host, d.Port)
	advice := ""
	if d.Instead != "" {
		advice = ", or " + d.Instead
	}
	switch stop {
	case WrongPort:
		return Note{fmt.Sprintf("network.egress cuts %s off from %s", d.Who, text), fmt.Sprintf("add %d to ports in the egress block%s", d.Port, advice)}
	case WrongRange:
		return Note{fmt.Sprintf("network.egress cuts %s off from %s", d.Who, text), "add its addresses to cidrs in the egress block" + advice}
	}
	return Note{Text: fmt.Sprintf("network.egress lets %s reach %s only if its address is in %s", d.Who, text, words(n.Egress.ranges()))}
}

// services is the note about APIs of AWS, whose public addresses change.
func (n Network) services(list []Need, path Path, stop Stop) Note {
	who, names := list[0].Who, []string{}
	for _, d := range list {
		names = append(names, d.Host)
		if d.Who != who {
			who = both
		}
	}
	slices.Sort(names)
	text, allowed, own := strings.Join(names, ", "), words(n.Egress.ranges()), words(shortest(n.Ranges))
	const everything = "add 0.0.0.0/0 to cidrs in the egress block"
	switch {
	case stop == WrongPort:
		return Note{fmt.Sprintf("network.egress cuts %s off from these APIs of AWS: %s", who, text), "add 443 to ports in the egress block"}
	case path == Endpoint && stop == WrongRange:
		return Note{fmt.Sprintf("network.egress cuts %s off from these APIs of AWS, because their VPC endpoints have addresses in %s: %s", who, own, text),
			fmt.Sprintf("add %s to cidrs in the egress block", own)}
	case path == Endpoint:
		return Note{fmt.Sprintf("network.egress lets %s reach these APIs of AWS only if the addresses of their VPC endpoints, which are in %s, are in %s: %s", who, own, allowed, text),
			fmt.Sprintf("add %s to cidrs in the egress block", own)}
	case path == Internet && stop == Depends:
		return Note{Text: fmt.Sprintf("network.egress lets %s reach these APIs of AWS, for which %s has no VPC endpoints, only if their public addresses are in %s: %s", who, n.name(), allowed, text)}
	case path == Internet:
		return Note{fmt.Sprintf("network.egress cuts %s off from these APIs of AWS, for which %s has no VPC endpoints: %s", who, n.name(), text),
			n.addEndpoints() + ", or " + everything}
	case n.Elsewhere:
		note := Note{Text: fmt.Sprintf("network.egress lets %s reach these APIs of AWS, for which %s has no VPC endpoints, only if their addresses are in %s: %s", who, n.name(), allowed, text)}
		if n.Egress.private() {
			note.Todo = n.addEndpoints() + ", or check that those of another VPC answer, or " + everything
		}
		return note
	case stop == WrongRange:
		return Note{fmt.Sprintf("network.egress lets %s reach these APIs of AWS only through interface endpoints with addresses in %s, but those in %s have addresses in %s: %s", who, allowed, n.name(), own, text),
			fmt.Sprintf("add %s to cidrs in the egress block and check that the VPC has the endpoints, or %s", own, everything)}
	}
	return Note{fmt.Sprintf("network.egress lets %s reach these APIs of AWS only through interface endpoints with addresses in %s: %s", who, allowed, text),
		"check that the VPC has them, or " + everything}
}

func (n Network) name() string {
	if n.VPC == "" {
		return "the VPC"
	}
	return n.VPC
}

func words(ranges []netip.Prefix) string {
	var list []string
	for _, c := range ranges {
		list = append(list, c.String())
	}
	return strings.Join(list, ", ")
}

// shortest joins ranges into one that has all of them, if a VPC may have it.
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
func shortest(ranges []netip.Prefix) []netip.Prefix {
	const largest = 16
	if len(ranges) < 2 {
		return ranges
	}
	for bits := ranges[0].Bits(); bits >= largest; bits-- {
		one, err := ranges[0].Addr().Prefix(bits)
		if err == nil && !slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Bits() < bits || !one.Contains(r.Addr()) }) {
			return []netip.Prefix{one}
		}
	}
	return ranges
}

// grouped joins what several need, in the order of the first.
func grouped(list []Need) (joined []Need) {
	for _, d := range list {
		i := slices.IndexFunc(joined, func(o Need) bool { o.Who = d.Who; return o == d })
		if i < 0 {
			joined = append(joined, d)
		} else if joined[i].Who != d.Who {
			joined[i].Who = both
		}
	}
	return joined
}
