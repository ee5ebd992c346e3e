// Package reach tells what the tasks and the agent of an environment connect to, by which path, and
// which security group or route stops it.
//
// It makes no calls. The caller says what is known of the network: a plan knows the config file and
// the subnets, and a check of the account also the endpoints. What is not known stops nothing: then
// a path is open as far as one can tell.
package reach

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Who needs something.
const (
	Tasks = "the tasks"
	Agent = "the agent"

	both = "the tasks and the agent"
)

// Need is something to which the tasks or the agent connect.
type Need struct {
	Who     string // Tasks or Agent
	What    string // "Prefect's API", for example
	Host    string // a name or an address
	Port    int
	AWS     bool   // one of AWS's APIs; Host is then the service, such as "ecr.api"
	Instead string // what the file may say to do without; may be empty
}

// Service is the need for one of AWS's APIs.
func Service(who, name string) Need {
	return Need{Who: who, Host: name, Port: https, AWS: true}
}

const (
	https = 443
	s3    = "s3"
)

// ForTask are the services without which no task starts: its image comes from a repository of ECR,
// the layers of which are in S3, and its log goes to CloudWatch.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
var ForTask = []string{"ecr.api", "ecr.dkr", "logs", s3}

// Network is what is known of the way from the subnets of an environment.
type Network struct {
	VPC    string         // its id; empty if it does not exist yet
	Ranges []netip.Prefix // of its addresses, in which its interface endpoints have theirs; none if they are not known

	// Egress is what the security groups let out; nil means everything, or that they are not
	// flowbed's.
	Egress *Egress

	// Closed are the subnets without a way out, in words; empty if there are none as far as is
	// known.
	Closed string

	// Endpoints are the services that have a VPC endpoint, if Known says that these are all.
	Endpoints []string
	Known     bool

	// Elsewhere says that Endpoints are those of the VPC itself, and that another VPC may have more,
	// whose names the VPC then has from a hosted zone.
	// https://docs.aws.amazon.com/whitepapers/latest/building-scalable-secure-multi-vpc-network-infrastructure/centralized-access-to-vpc-private-endpoints.html
	Elsewhere bool

	// Own says that the file decides on the endpoints.
	Own bool
}

// Egress is what a security group lets out. S3 is always among it, through its prefix list.
type Egress struct {
	CIDRs []netip.Prefix // none means everywhere
	Ports []int          // of TCP; none means all
}

// Path is how something is reached.
type Path int

// The paths.
const (
	Unknown  Path = iota // through an endpoint, a peered network or the internet
	Endpoint             // a VPC endpoint
	Internet             // an internet gateway or a NAT gateway
)

// Stop is what a security group does to a connection.
type Stop int

// What a security group does.
const (
	Passes Stop = iota
	Depends
	WrongPort
	WrongRange
)

// Verdict is how something is reached, and what stops it.
type Verdict struct {
	Path    Path
	Group   Stop // by the security group
	NoRoute bool // the subnets have no way there
}

// Of judges one need.
func (n Network) Of(d Need) Verdict {
	v := Verdict{Path: n.path(d)}
	v.NoRoute = n.Closed != "" && v.Path == Internet
	v.Group = n.group(d, v.Path)
	return v
}

// path tells the path. An interface endpoint takes the place of the service's name in the whole VPC.
// https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
func (n Network) path(d Need) Path {
	switch {
	case d.AWS && slices.Contains(n.Endpoints, d.Host):
		return Endpoint
	case d.AWS && n.Known, !d.AWS && Public(d.Host):
		return Internet
	}
	return Unknown
}

func (n Network) group(d Need, path Path) Stop {
	e := n.Egress
	switch {
	case e == nil, d.AWS && d.Host == s3:
		return Passes
	case len(e.Ports) > 0 && !slices.Contains(e.Ports, d.Port):
		return WrongPort
	case !d.AWS:
		return e.host(d.Host)
	case path == Endpoint:
		return e.covers(n.Ranges)
	case e.everywhere():
		return Passes
	case path == Unknown && !n.Elsewhere && e.covers(n.Ranges) == WrongRange, path == Internet && e.private():
		return WrongRange
	}
	return Depends
}

// host tells whether the rules let traffic to a host out.
func (e *Egress) host(name string) Stop {
	address, err := netip.ParseAddr(strings.Trim(name, "[]"))
	known := err == nil
	for _, c := range e.ranges() {
		if c.Bits() == 0 && !known || known && c.Contains(address) {
			return Passes
		}
	}
	if known || e.private() && Public(name) {
		return WrongRange
	}
	return Depends
}

// covers tells whether the rules let traffic to these addresses out.
func (e *Egress) covers(ranges []netip.Prefix) Stop {
	if len(ranges) == 0 {
		return Depends
	}
	all, some := true, false
	for _, r := range ranges {
		all = all && e.whole(r)
		some = some || slices.ContainsFunc(e.ranges(), r.Overlaps)
	}
	switch {
	case all:
		return Passes
	case some:
		return Depends
	}
	return WrongRange
}

// whole tells whether the rules together let traffic to all of a range out: one has it, or they have
// both its halves.
func (e *Egress) whole(r netip.Prefix) bool {
	switch {
	case slices.ContainsFunc(e.ranges(), func(c netip.Prefix) bool { return c.Bits() <= r.Bits() && c.Contains(r.Addr()) }):
		return true
	case !slices.ContainsFunc(e.ranges(), r.Overlaps):
		return false
	}
	low := netip.PrefixFrom(r.Addr(), r.Bits()+1).Masked()
	bits := low.Addr().AsSlice()
	bits[r.Bits()/8] |= 0x80 >> (r.Bits() % 8)
	top, _ := netip.AddrFromSlice(bits)
	return e.whole(low) && e.whole(netip.PrefixFrom(top, r.Bits()+1))
}

func (e *Egress) ranges() []netip.Prefix {
	if len(e.CIDRs) == 0 {
		return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	}
	return e.CIDRs
}

func (e *Egress) everywhere() bool {
	return slices.ContainsFunc(e.ranges(), func(c netip.Prefix) bool { return c.Bits() == 0 && c.Addr().Is4() })
}

// private reports whether all ranges are private ones.
func (e *Egress) private() bool {
	return !slices.ContainsFunc(e.ranges(), func(c netip.Prefix) bool { return !c.Addr().IsPrivate() && !shared.Contains(c.Addr()) })
}

// shared is the range of carriers, which some companies use for their own networks.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// publicNames are names, or ends of names, of hosts with public addresses and without a VPC endpoint.
var publicNames = []string{
	"prefect.cloud", "pypi.org", "pythonhosted.org", "docker.io", "ghcr.io", "quay.io", "public.ecr.aws", "gcr.io", "pkg.dev",
	"registry.gitlab.com", "mcr.microsoft.com",
}

// Public reports whether a host, with or without a port, is certainly on the internet.
func Public(host string) bool {
	host, _ = split(host)
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
	}
	host = strings.ToLower(host)
	if strings.HasSuffix(host, ".private.prefect.cloud") { // through a VPC endpoint of its own
		return false
	}
	return slices.ContainsFunc(publicNames, func(n string) bool { return host == n || strings.HasSuffix(host, "."+n) })
}

// dockerHub is where Docker finds an image whose name has no registry.
const dockerHub = "registry-1.docker.io"

// Registry returns the registry of an image, with its port if the image has one; an empty image is
// Prefect's.
func Registry(image string) string {
	first, _, ok := strings.Cut(image, "/")
	if !ok || !strings.ContainsAny(first, ".:") && first != "localhost" || first == "docker.io" {
		return dockerHub
	}
	return first
}

// ECR reports whether a registry is an account's in ECR.
func ECR(registry string) bool { return privateECR.MatchString(registry) }

var privateECR = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.`)

// Endpoints are the services for which subnets without a way out need a VPC endpoint, in sorted
// order. Where an image comes from the internet, such subnets need one from ECR instead.
func Endpoints(needs []Need) []string {
	list, inside := []string{s3}, false
	for _, d := range needs {
		switch {
		case d.AWS:
			list = append(list, d.Host)
		case d.image() && !Public(d.Host):
			inside = true
		}
	}
	if !inside || slices.ContainsFunc(needs, func(d Need) bool { return d.image() && Public(d.Host) }) {
		list = append(list, ForTask...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

const imageOf = "the registry of the image "

// Image is the need for the registry of an image.
func Image(who, image, instead string) Need {
	host, port := split(Registry(image))
	return Need{Who: who, What: imageOf + image, Host: host, Port: port, Instead: instead}
}

// split splits a registry into its host and its port.
func split(registry string) (host string, port int) {
	host, text, err := net.SplitHostPort(registry)
	port, bad := strconv.Atoi(text)
	if err != nil || bad != nil {
		return registry, https
	}
	return host, port
}

func (d Need) image() bool { return strings.HasPrefix(d.What, imageOf) }
