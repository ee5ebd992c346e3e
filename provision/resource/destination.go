package resource

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Destination is something that tasks or the agent connect to.
type Destination struct {
	Who  string // "the tasks" or "the agent"
	What string // "Prefect's API", for example
	Host string // a name or an address
	Port int
	AWS  bool   // one of AWS's APIs; Host is then the service
	Else string // what helps besides a wider egress; may be empty
}

// both are the tasks and the agent.
const both = "the tasks and the agent"

// reach is whether a narrowed egress lets traffic to a destination out.
type reach int

const (
	reached reach = iota
	perhaps       // it depends on the address, which is not known
	closedPort
	elsewhere // no range has the address
)

// publicNames are names, or ends of names, of hosts with public addresses.
var publicNames = []string{
	"prefect.cloud", "pypi.org", "pythonhosted.org", "docker.io", "ghcr.io", "quay.io", "public.ecr.aws", "gcr.io", "pkg.dev",
	"registry.gitlab.com", "mcr.microsoft.com",
}

func isPublic(host string) bool {
	return slices.ContainsFunc(publicNames, func(n string) bool { return host == n || strings.HasSuffix(host, "."+n) })
}

// reaches tells of a destination what the rules tell.
func (e Egress) reaches(d Destination) reach {
	if len(e.Ports) > 0 && !slices.Contains(e.Ports, d.Port) {
		return closedPort
	}
	address, err := netip.ParseAddr(strings.Trim(d.Host, "[]"))
	onlyPrivate := true
	for _, c := range e.ranges() {
		if c.Bits() == 0 && (err != nil || c.Contains(address)) || err == nil && c.Contains(address) {
			return reached
		}
		onlyPrivate = onlyPrivate && c.Addr().IsPrivate()
	}
	if err == nil || onlyPrivate && isPublic(d.Host) {
		return elsewhere
	}
	return perhaps
}

// cutOff tells what the rules cut the environment off from: of each thing, who cannot reach it.
func (e Egress) cutOff(needed []Destination) (notes []provision.Note) {
	if !e.narrow() {
		return nil
	}
	var services []Destination
	for _, d := range grouped(needed) {
		if d.AWS {
			services = append(services, d)
			continue
		}
		text := fmt.Sprintf("%s (%s, port %d)", d.What, d.Host, d.Port)
		advice := ""
		if d.Else != "" {
			advice = ", or " + d.Else
		}
		switch e.reaches(d) {
		case closedPort:
			notes = append(notes, warning("network.egress cuts %s off from %s → add %d to ports in the egress block%s", d.Who, text, d.Port, advice))
		case elsewhere:
			notes = append(notes, warning("network.egress cuts %s off from %s → add its addresses to cidrs in the egress block%s", d.Who, text, advice))
		case perhaps:
			notes = append(notes, provision.Note{Text: fmt.Sprintf("network.egress lets %s reach %s only if its address is in %s", d.Who, text, e.inWords())})
		}
	}
	return append(notes, e.cutOffAWS(services)...)
}

// cutOffAWS tells of AWS's APIs, whose public addresses change. In a VPC they have addresses of it if
// there are interface endpoints for them.
// https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
func (e Egress) cutOffAWS(services []Destination) []provision.Note {
	if len(services) == 0 {
		return nil
	}
	who, names := services[0].Who, []string{}
	for _, d := range services {
		names = append(names, d.Host)
		if d.Who != who {
			who = both
		}
	}
	slices.Sort(names)
	text := strings.Join(names, ", ")
	switch e.reaches(Destination{Host: "amazonaws.com", Port: 443}) {
	case closedPort:
		return []provision.Note{warning("network.egress cuts %s off from these APIs of AWS: %s → add 443 to ports in the egress block", who, text)}
	case perhaps, elsewhere:
		return []provision.Note{warning("network.egress lets %s reach these APIs of AWS only through interface endpoints with addresses in %s: %s → "+
			"check that the VPC has them, or add 0.0.0.0/0 to cidrs in the egress block", who, e.inWords(), text)}
	}
	return nil
}

func warning(format string, args ...any) provision.Note {
	return provision.Note{Severity: provision.Warn, Text: fmt.Sprintf(format, args...)}
}

func (e Egress) inWords() string {
	var list []string
	for _, c := range e.ranges() {
		list = append(list, c.String())
	}
	return strings.Join(list, ", ")
}

// grouped joins destinations that several need, in the order of the first.
func grouped(list []Destination) (joined []Destination) {
	for _, d := range list {
		i := slices.IndexFunc(joined, func(o Destination) bool { o.Who = d.Who; return o == d })
		if i < 0 {
			joined = append(joined, d)
		} else if joined[i].Who != d.Who {
			joined[i].Who = both
		}
	}
	return joined
}
