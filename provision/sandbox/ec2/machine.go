package ec2

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// Machine is an instance as its operating system sees it.
type Machine struct {
	Region, ID string
	State      string    // "running", "stopping", …
	Since      time.Time // when the state began
	UserData   string
	Profile    string // the ARN of the instance profile; may be empty
	Metadata   bool   // the metadata service answers
	Address    string // in the VPC; may be empty
}

// Machines returns the instances of all regions that EC2 still shows.
func Machines(call *core.Request) (list []Machine) {
	all := part.All(call)
	for _, region := range core.SortedKeys(all) {
		r := &request{call.In(region)}
		for _, i := range core.Sorted(all[region].Instances) {
			if !r.forgotten(i) {
				list = append(list, r.machine(i))
			}
		}
	}
	return list
}

func (r *request) machine(i *instance) Machine {
	m := Machine{Region: r.Region, ID: i.ID, State: r.state(i), Since: i.Since, Profile: i.Profile, Metadata: i.Metadata.Endpoint == "enabled"}
	if m.State != i.State {
		m.Since = i.Since.Add(r.Account.BootTime)
	}
	raw, err := base64.StdEncoding.DecodeString(i.UserData)
	if err == nil {
		m.UserData = string(raw)
	}
	if n := r.interfaceOf(i); n != nil {
		m.Address = n.PrivateIP
	}
	return m
}

// Reaches reports whether an instance in the call's region can connect to a port of a
// host. A host that is not an address in the VPC is on the internet.
func Reaches(call *core.Request, id, host string, port int) bool {
	r := &request{call}
	d := r.db()
	i := d.Instances[id]
	if i == nil {
		return false
	}
	n := r.interfaceOf(i)
	return n != nil && r.leads(place{i.VPC, i.Subnet, n.Groups, n.PublicIP != ""}, host, port)
}

// Leads reports the same for a task of ECS in the call's region.
func Leads(call *core.Request, subnet string, groups []string, public bool, host string, port int) bool {
	r := &request{call}
	s := r.db().Subnets[subnet]
	return s != nil && r.leads(place{s.VPC, subnet, groups, public}, host, port)
}

// place is where a network interface is.
type place struct {
	vpc, subnet string
	groups      []string
	public      bool // it has a public address
}

func (r *request) leads(p place, host string, port int) bool {
	d, to := r.db(), host
	e := r.endpointTo(p, host)
	if e != nil && !e.Gateway { // the name is that of an address in the VPC
		to = netip.MustParsePrefix(d.VPCs[p.vpc].CIDR).Addr().String()
	}
	if !r.letsOut(p.groups, to, port) {
		return false
	}
	if e != nil {
		return d.letsIn(e, p, port)
	}
	if v := d.VPCs[p.vpc]; v != nil && within(v.CIDR, host) {
		return true
	}
	gateway := d.gateway(p.vpc, p.subnet)
	return gateway != "" && !r.blocked(p, gateway) && (p.public || !strings.HasPrefix(gateway, "igw-"))
}

func within(cidr, host string) bool {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return err == nil && p.Contains(a)
}

// letsOut reports whether one of some groups lets TCP connections to a port of a host out. A name
// stands for any address of the internet, and one of S3 for those of S3's prefix list. No group
// filters what an instance asks the VPC's DNS server and the metadata service:
// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
func (r *request) letsOut(groups []string, host string, port int) bool {
	for _, id := range groups {
		g := r.db().Groups[id]
		if g == nil {
			continue
		}
		for _, u := range g.Egress {
			covered := u.Protocol == "-1" || u.Protocol == "tcp" && u.From <= int32(port) && int32(port) <= u.To
			if covered && (u.CIDR == "0.0.0.0/0" || within(u.CIDR, host) || u.PrefixList == s3List(r.Region) && ofS3(host, r.Region)) {
				return true
			}
		}
	}
	return false
}

func s3List(region string) string { return fixedID("pl", region+"com.amazonaws."+region+".s3") }

// ofS3 reports whether a name is one of S3 in a region.
func ofS3(host, region string) bool {
	for _, end := range []string{"s3." + region + ".amazonaws.com", "s3.dualstack." + region + ".amazonaws.com"} {
		if host == end || strings.HasSuffix(host, "."+end) {
			return true
		}
	}
	return false
}

// gateway returns the target of the subnet's default route. A subnet without a route
// table of its own uses the VPC's main one.
func (d *database) gateway(vpc, subnet string) (id string) {
	for _, t := range core.Sorted(d.Routes) {
		for _, s := range t.Subnets {
			if s == subnet {
				return t.Gateway
			}
		}
		if t.VPC == vpc && t.Main {
			id = t.Gateway
		}
	}
	return id
}
