package reach_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/reach"
)

func ranges(list ...string) (r []netip.Prefix) {
	for _, c := range list {
		r = append(r, netip.MustParsePrefix(c))
	}
	return r
}

func only(cidrs ...string) *reach.Egress { return &reach.Egress{CIDRs: ranges(cidrs...)} }

func TestOf(t *testing.T) {
	logs, s3 := reach.Service(reach.Tasks, "logs"), reach.Service(reach.Tasks, "s3")
	cloud := reach.Need{Who: reach.Tasks, What: "Prefect's API", Host: "api.prefect.cloud", Port: 443}
	server := reach.Need{Who: reach.Tasks, What: "Prefect's API", Host: "prefect.example.com", Port: 4200}
	at10 := reach.Need{Who: reach.Tasks, What: "Prefect's API", Host: "10.1.2.3", Port: 4200}
	vpc := ranges("172.31.0.0/20", "172.31.16.0/20")
	with := []string{"logs", "s3"}
	for _, c := range []struct {
		name string
		n    reach.Network
		need reach.Need
		want reach.Verdict
	}{
		{"nothing is known", reach.Network{}, logs, reach.Verdict{}},
		{"a public name", reach.Network{}, cloud, reach.Verdict{Path: reach.Internet}},
		{"a public name, no way out", reach.Network{Closed: "a"}, cloud, reach.Verdict{Path: reach.Internet, NoRoute: true}},
		{"another name, no way out", reach.Network{Closed: "a"}, server, reach.Verdict{}},
		{"perhaps an endpoint", reach.Network{Closed: "a"}, logs, reach.Verdict{}},
		{"no endpoint", reach.Network{Closed: "a", Known: true}, logs, reach.Verdict{Path: reach.Internet, NoRoute: true}},
		{"an endpoint", reach.Network{Closed: "a", Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint}},
		{"an endpoint in the ranges", reach.Network{Egress: only("172.16.0.0/12"), Ranges: vpc, Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint}},
		{"an endpoint, perhaps in the ranges", reach.Network{Egress: only("172.31.0.0/24"), Ranges: vpc, Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint, Group: reach.Depends}},
		{"an endpoint somewhere", reach.Network{Egress: only("10.0.0.0/8"), Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint, Group: reach.Depends}},
		{"an endpoint elsewhere", reach.Network{Egress: only("10.0.0.0/8"), Ranges: vpc, Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint, Group: reach.WrongRange}},
		{"an endpoint elsewhere, if any", reach.Network{Egress: only("10.0.0.0/8"), Ranges: vpc}, logs, reach.Verdict{Group: reach.WrongRange}},
		{"an endpoint in the ranges, if any", reach.Network{Egress: only("172.16.0.0/12"), Ranges: vpc}, logs, reach.Verdict{Group: reach.Depends}},
		{"AWS's public addresses", reach.Network{Egress: only("10.0.0.0/8", "52.0.0.0/8"), Ranges: vpc, Known: true}, logs, reach.Verdict{Path: reach.Internet, Group: reach.Depends}},
		{"private ranges, no endpoint", reach.Network{Egress: only("10.0.0.0/8"), Ranges: vpc, Known: true}, logs, reach.Verdict{Path: reach.Internet, Group: reach.WrongRange}},
		{"elsewhere, if any", reach.Network{Egress: only("10.0.0.0/8"), Ranges: vpc, Elsewhere: true}, logs, reach.Verdict{Group: reach.Depends}},
		{"IPv6 is not everything", reach.Network{Egress: only("::/0"), Ranges: vpc, Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint, Group: reach.WrongRange}},
		{"another port", reach.Network{Egress: &reach.Egress{Ports: []int{5432}}, Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint, Group: reach.WrongPort}},
		{"S3 by its prefix list", reach.Network{Egress: &reach.Egress{CIDRs: ranges("10.0.0.0/8"), Ports: []int{5432}}, Ranges: vpc, Known: true, Endpoints: with}, s3, reach.Verdict{Path: reach.Endpoint}},
		{"S3 without an endpoint", reach.Network{Closed: "a", Known: true, Egress: only("10.0.0.0/8")}, s3, reach.Verdict{Path: reach.Internet, NoRoute: true}},
		{"everywhere", reach.Network{Egress: &reach.Egress{Ports: []int{443}}, Ranges: vpc}, cloud, reach.Verdict{Path: reach.Internet}},
		{"a public name, private ranges", reach.Network{Egress: only("10.0.0.0/8")}, cloud, reach.Verdict{Path: reach.Internet, Group: reach.WrongRange}},
		{"a name, private ranges", reach.Network{Egress: only("10.0.0.0/8")}, server, reach.Verdict{Group: reach.Depends}},
		{"a name, another port", reach.Network{Egress: &reach.Egress{Ports: []int{443}}}, server, reach.Verdict{Group: reach.WrongPort}},
		{"an address", reach.Network{Egress: only("10.0.0.0/8")}, at10, reach.Verdict{}},
		{"a registry with a port", reach.Network{Egress: &reach.Egress{CIDRs: ranges("10.0.0.0/8"), Ports: []int{443, 5000}}}, reach.Image(reach.Tasks, "10.1.2.3:5000/flow:1", ""), reach.Verdict{}},
		{"a registry on another port", reach.Network{Egress: &reach.Egress{Ports: []int{443}}}, reach.Image(reach.Tasks, "10.1.2.3:5000/flow:1", ""), reach.Verdict{Group: reach.WrongPort}},
		{"a registry elsewhere", reach.Network{Egress: only("192.168.0.0/16")}, reach.Image(reach.Tasks, "10.1.2.3:5000/flow:1", ""), reach.Verdict{Group: reach.WrongRange}},
		{"two halves", reach.Network{Egress: only("172.31.16.0/21", "172.31.0.0/20", "172.31.24.0/21"), Ranges: ranges("172.31.0.0/19"), Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint}},
		{"one within the other", reach.Network{Egress: only("172.31.0.0/20", "172.31.8.0/21"), Ranges: ranges("172.31.0.0/19"), Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint, Group: reach.Depends}},
		{"halves with a gap", reach.Network{Egress: only("172.31.0.0/21", "172.31.16.0/20"), Ranges: ranges("172.31.0.0/19"), Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint, Group: reach.Depends}},
		{"the end of the addresses", reach.Network{Egress: only("0.0.0.0/1", "128.0.0.0/1"), Ranges: ranges("255.255.255.0/24"), Known: true, Endpoints: with}, logs, reach.Verdict{Path: reach.Endpoint}},
		{"an address elsewhere", reach.Network{Egress: only("192.168.0.0/16")}, at10, reach.Verdict{Group: reach.WrongRange}},
	} {
		if have := c.n.Of(c.need); have != c.want {
			t.Errorf("%s: have %+v, want %+v", c.name, have, c.want)
		}
	}
}

// Notes says each thing once, with who needs it and what to do.
func TestNotes(t *testing.T) {
	needs := []reach.Need{
		reach.Service(reach.Tasks, "logs"), reach.Service(reach.Agent, "logs"), reach.Service(reach.Agent, "ecs"), reach.Service(reach.Agent, "sqs"),
		reach.Image(reach.Tasks, "acme/flows:1", "set flows.image"), {Who: reach.Tasks, What: "Prefect's API", Host: "prefect.example.com", Port: 4200},
	}
	own := reach.Network{Own: true, Known: true, Endpoints: []string{"logs", "s3"}, Ranges: ranges("10.42.0.0/16"), VPC: "vpc-1"}
	for _, c := range []struct {
		name string
		edit func(*reach.Network)
		want []reach.Note
	}{
		{"everything", func(*reach.Network) {}, nil},
		{"no way out", func(n *reach.Network) { n.Closed = "subnet-1 and subnet-2" }, []reach.Note{
			{"as far as the routes tell, the registry of the image acme/flows:1 (registry-1.docker.io) cannot be reached from subnet-1 and subnet-2, which have no way out", "set flows.image; or use subnets with a NAT gateway"},
			{"these APIs of AWS cannot be reached from subnet-1 and subnet-2, which have neither a way out nor VPC endpoints for them: ecs, sqs", "add them to network.endpoints, or use subnets with a NAT gateway"},
		}},
		{"another port", func(n *reach.Network) { n.Egress = &reach.Egress{Ports: []int{5432}} }, []reach.Note{
			{"network.egress cuts the tasks off from the registry of the image acme/flows:1 (registry-1.docker.io, port 443)", "add 443 to ports in the egress block, or set flows.image"},
			{"network.egress cuts the tasks off from Prefect's API (prefect.example.com, port 4200)", "add 4200 to ports in the egress block"},
			{"network.egress cuts the tasks and the agent off from these APIs of AWS: ecs, logs, sqs", "add 443 to ports in the egress block"},
		}},
		{"private ranges", func(n *reach.Network) { n.Egress = only("10.0.0.0/8") }, []reach.Note{
			{"network.egress cuts the tasks off from the registry of the image acme/flows:1 (registry-1.docker.io, port 443)", "add its addresses to cidrs in the egress block, or set flows.image"},
			{"network.egress lets the tasks reach Prefect's API (prefect.example.com, port 4200) only if its address is in 10.0.0.0/8", ""},
			{"network.egress cuts the agent off from these APIs of AWS, for which vpc-1 has no VPC endpoints: ecs, sqs", "add them to network.endpoints, or add 0.0.0.0/0 to cidrs in the egress block"},
		}},
		{"perhaps in another VPC", func(n *reach.Network) {
			n.Egress, n.Known, n.Own, n.Elsewhere = only("10.42.0.0/16"), false, false, true
		}, []reach.Note{
			{"network.egress cuts the tasks off from the registry of the image acme/flows:1 (registry-1.docker.io, port 443)", "add its addresses to cidrs in the egress block, or set flows.image"},
			{"network.egress lets the tasks reach Prefect's API (prefect.example.com, port 4200) only if its address is in 10.42.0.0/16", ""},
			{"network.egress lets the agent reach these APIs of AWS, for which vpc-1 has no VPC endpoints, only if their addresses are in 10.42.0.0/16: ecs, sqs",
				"create endpoints for them, or check that those of another VPC answer, or add 0.0.0.0/0 to cidrs in the egress block"},
		}},
		{"ranges without the endpoints", func(n *reach.Network) { n.Egress, n.Endpoints = only("192.168.0.0/16"), []string{"ecs", "logs", "sqs"} }, []reach.Note{
			{"network.egress cuts the tasks off from the registry of the image acme/flows:1 (registry-1.docker.io, port 443)", "add its addresses to cidrs in the egress block, or set flows.image"},
			{"network.egress lets the tasks reach Prefect's API (prefect.example.com, port 4200) only if its address is in 192.168.0.0/16", ""},
			{"network.egress cuts the tasks and the agent off from these APIs of AWS, because their VPC endpoints have addresses in 10.42.0.0/16: ecs, logs, sqs", "add 10.42.0.0/16 to cidrs in the egress block"},
		}},
	} {
		n := own
		c.edit(&n)
		if d := cmp.Diff(c.want, n.Notes(needs)); d != "" {
			t.Errorf("%s (-want +have):\n%s", c.name, d)
		}
	}
}

func TestEndpoints(t *testing.T) {
	logs := reach.Service(reach.Tasks, "logs")
	for _, c := range []struct {
		needs, want []string
	}{
		{nil, []string{"ecr.api", "ecr.dkr", "logs", "s3"}},
		{[]string{"acme/flows"}, []string{"ecr.api", "ecr.dkr", "logs", "s3"}},
		{[]string{"registry.example.com/flows"}, []string{"logs", "s3"}},
		{[]string{"registry.example.com/flows", "ghcr.io/worker"}, []string{"ecr.api", "ecr.dkr", "logs", "s3"}},
	} {
		needs := []reach.Need{logs}
		for _, image := range c.needs {
			needs = append(needs, reach.Image(reach.Tasks, image, ""))
		}
		if have := reach.Endpoints(needs); !slices.Equal(have, c.want) {
			t.Errorf("%v: have %v, want %v", c.needs, have, c.want)
		}
	}
}

func TestRegistry(t *testing.T) {
	const hub = "registry-1.docker.io"
	for image, want := range map[string]string{
		"": hub, "python:3.12": hub, "prefecthq/prefect-aws:1": hub, "docker.io/acme/flows": hub, "localhost/x": "localhost", "ghcr.io/acme/worker:1": "ghcr.io",
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com/worker:1": "123456789012.dkr.ecr.eu-central-1.amazonaws.com", "acme.io:5000/x": "acme.io:5000",
	} {
		if have := reach.Registry(image); have != want {
			t.Errorf("%s: have %s, want %s", image, have, want)
		}
	}
}

func TestPublic(t *testing.T) {
	for host, want := range map[string]bool{
		"api.prefect.cloud": true, "api.private.prefect.cloud": false, "PyPI.org": true, "registry-1.docker.io": true, "notpypi.org": false, "prefect.example.com": false,
		"8.8.8.8": true, "10.0.0.1": false, "100.64.0.1": false, "127.0.0.1": false, "[2001:4860:4860::8888]": true, "quay.io:443": true, "10.1.2.3:5000": false, "fd00::1": false,
	} {
		if have := reach.Public(host); have != want {
			t.Errorf("%s: have %v, want %v", host, have, want)
		}
	}
}
