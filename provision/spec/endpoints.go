package spec

import (
	"slices"
	"strings"
)

// allEndpoints stands for all of endpointServices.
const allEndpoints = "all"

// endpointS3 is the service with a gateway endpoint: it costs nothing.
const endpointS3 = "s3"

// endpointServices are the services for which a new VPC may have an endpoint: those that ECS, an
// agent, Systems Manager and a task's credentials use.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
// https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-create-vpc.html
var endpointServices = []string{
	"ec2", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs", endpointS3, "secretsmanager", "sqs", "ssm", "ssmmessages", "sts",
}

// EndpointServices are the services for which a new VPC has an endpoint, in sorted order.
func (n *Network) EndpointServices() []string {
	if !n.New() {
		return nil
	}
	if slices.Contains(n.Endpoints, allEndpoints) || n.Private && n.Endpoints == nil {
		return slices.Clone(endpointServices)
	}
	list := slices.Clone(n.Endpoints)
	slices.Sort(list)
	return slices.Compact(list)
}

// InterfaceEndpoints reports whether a new VPC has endpoints other than that of S3.
func (n *Network) InterfaceEndpoints() bool {
	return slices.ContainsFunc(n.EndpointServices(), func(s string) bool { return s != endpointS3 })
}

// checkEndpoints checks the endpoints of a new VPC.
func (n *Network) checkEndpoints(d *decoder) {
	if n.Private && d.written(&n.Private) && d.written(&n.NAT) && n.NAT != natNone {
		d.errorAt(d.given[&n.Private].attr.NameRange, "Private with a NAT gateway",
			`private = true means that the private subnets have no way out, but a NAT gateway is one. With it, tasks and the agent are in private subnets anyway. → remove private, or set nat = "none"`)
	}
	if !d.written(&n.Endpoints) {
		return
	}
	for i, s := range n.Endpoints {
		switch {
		case s != allEndpoints && !slices.Contains(endpointServices, s):
			d.badElement(&n.Endpoints, i, s, "Invalid endpoint", "%s is no service for which flowbed creates a VPC endpoint. → use \"all\", or some of %s", strings.Join(endpointServices, ", "))
		case slices.Contains(n.Endpoints[:i], s):
			d.badElement(&n.Endpoints, i, s, "Duplicate", "%s is in the list twice. → remove one of them")
		}
	}
}
