package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/reach"
	"github.com/flowbed/flowbed/provision/resource"
)

// workers checks the agent's service, if there is one: whether its workers run, or keep dying.
func (d *Doctor) workers(ctx context.Context) []Finding {
	const check = "service"
	want := *d.Env.Agent.Service.DesiredCount
	w := resource.ServiceWorker{ECS: d.clients.ECS, ID: d.ID, Cluster: d.Env.Cluster.Name, Name: d.ID.Names().Service()}
	h, err := w.Health(ctx)
	switch {
	case errors.Is(err, provision.ErrAbsent):
		return []Finding{ok(check, "%s does not exist yet", w.Name)}
	case err != nil:
		return []Finding{unseen(check, err)}
	case len(h.Troubles) == 0 && h.Desired == 0 && want > 0:
		return []Finding{warn(check, "run `flowbed up`", "%s has no workers: somebody has set its desired count to 0, or its ttl is over", w.Name)}
	case len(h.Troubles) == 0:
		return []Finding{ok(check, "%s: %d of %d workers run", w.Name, h.Running, h.Desired)}
	}
	said := ""
	if len(h.Said) > 0 {
		said = "; ECS says: " + h.Said[0]
	}
	var found []Finding
	for i, t := range h.Troubles[:min(len(h.Troubles), maxNamed)] {
		status := Warn
		if t.Fatal {
			status = Fail
		}
		text := fmt.Sprintf("%s: %s", w.Name, t.What)
		if i == 0 {
			text += fmt.Sprintf("; %d of %d workers run%s", h.Running, h.Desired, said)
		}
		found = append(found, Finding{check, status, text, t.Todo})
	}
	return found
}

// firstFargate is the vCPU quota of many new accounts, for Fargate and for Fargate Spot. Only
// Service Quotas knows the quota of an account.
const firstFargate = 6

// capacity checks whether the workers can get the capacity that the file asks for.
func (d *Doctor) capacity(ctx context.Context) []Finding {
	const check = "capacity"
	s, c := d.Env.Agent.Service, d.Env.Cluster
	provider := "FARGATE"
	if s.Spot {
		provider = "FARGATE_SPOT"
	}
	if s.Spot && c.Ownership == "external" {
		have, err := resource.Cluster{API: d.clients.ECS, ID: d.ID, Name: c.Name}.Read(ctx)
		switch {
		case errors.Is(err, provision.ErrAbsent):
			return []Finding{fail(check, "create it, or set another cluster.ownership", "cluster %s is external, but it does not exist", c.Name)}
		case err != nil:
			return []Finding{unseen(check, err)}
		case !slices.Contains(have.Providers, provider):
			all := append(slices.Clone(have.Providers), provider)
			return []Finding{fail(check, "let its owner add it (aws ecs put-cluster-capacity-providers --cluster "+c.Name+" --region "+d.ID.Region+
				" --capacity-providers "+strings.Join(all, " ")+" --default-capacity-provider-strategy …, with the strategy that it has), or remove spot",
				"cluster %s is external and does not have the capacity provider %s, so the service cannot use it", c.Name, provider)}
		}
	}
	// While they are replaced, there are twice as many.
	need := float64(2**s.DesiredCount*s.CPU) / 1024
	const where = "the account's quota is in Service Quotas, Fargate"
	if need > firstFargate {
		return []Finding{warn(check, "look there, beside what flows need", "the workers need up to %g vCPUs on %s; %s, and some accounts have only %d", need, provider, where, firstFargate)}
	}
	return []Finding{ok(check, "the workers need up to %g vCPUs on %s; %s", need, provider, where)}
}

// wayOut checks whether the workers' tasks reach the registry of their image, as far as the
// routes tell.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html
func (d *Doctor) wayOut(ctx context.Context) []Finding {
	const check = "way out"
	n, err := d.network()
	if err != nil {
		return nil // the check of the network says so
	}
	routes, err := d.routes(ctx, n.VPC)
	if err != nil {
		return []Finding{unseen(check, err)}
	}
	return []Finding{judgeRoutes(check, n, routes, "the registry of their image ("+reach.Registry(d.Env.Agent.Service.Image)+")")}
}

// routes are where the subnets of a VPC lead: the target of the default route by subnet; that of
// "" is the main table's. A target is empty if there is no default route.
type routes map[string]string

func (r routes) of(subnet string) string {
	if to, own := r[subnet]; own {
		return to
	}
	return r[""]
}

func (d *Doctor) routes(ctx context.Context, vpc string) (routes, error) {
	all, _, err := d.tables(ctx, vpc)
	return all, err
}

// tables also returns the ids of the route tables, by subnet in the same way.
func (d *Doctor) tables(ctx context.Context, vpc string) (all routes, ids map[string]string, err error) {
	all, ids = routes{}, map[string]string{}
	pages := ec2.NewDescribeRouteTablesPaginator(d.clients.EC2, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{filter("vpc-id", vpc)}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, t := range page.RouteTables {
			to, table := defaultRoute(t.Routes), aws.ToString(t.RouteTableId)
			for _, a := range t.Associations {
				if aws.ToBool(a.Main) {
					all[""], ids[""] = to, table
				} else if id := aws.ToString(a.SubnetId); id != "" {
					all[id], ids[id] = to, table
				}
			}
		}
	}
	return all, ids, nil
}

// defaultRoute returns the target of the default route; empty if there is none, or its target
// is gone.
func defaultRoute(list []types.Route) string {
	for _, r := range list {
		if aws.ToString(r.DestinationCidrBlock) != "0.0.0.0/0" || r.State == types.RouteStateBlackhole {
			continue
		}
		return cmp.Or(aws.ToString(r.GatewayId), aws.ToString(r.NatGatewayId), aws.ToString(r.TransitGatewayId), aws.ToString(r.VpcPeeringConnectionId),
			aws.ToString(r.InstanceId), aws.ToString(r.NetworkInterfaceId), "another target")
	}
	return ""
}

const (
	otherSubnets = "use subnets with a route to the internet (network.subnets), or with a NAT gateway"
	allAlike     = "name in network.subnets only public subnets, or only private ones with a NAT gateway"
)

// judgeRoutes tells whether tasks reach a registry. They get public addresses only if all
// subnets are public.
func judgeRoutes(check string, n resource.NetworkState, r routes, registry string) Finding {
	public := !slices.ContainsFunc(n.Subnets, func(s resource.Subnet) bool { return !s.Public })
	var closed, addressless, gates []string
	for _, s := range n.Subnets {
		to := r.of(s.ID)
		switch internet := strings.HasPrefix(to, "igw-"); {
		case to == "":
			closed = append(closed, s.ID)
		case internet && !public:
			addressless = append(addressless, s.ID)
		default:
			gates = append(gates, to)
		}
	}
	slices.Sort(gates)
	through := strings.Join(slices.Compact(gates), ", ")
	switch {
	case len(addressless) > 0:
		return fail(check, allAlike, "not all subnets are public, so the workers get no public address, and in %s they do not reach %s through the internet gateway",
			strings.Join(addressless, ", "), registry)
	case len(closed) > 0 && strings.Contains(registry, ".dkr.ecr."):
		return warn(check, otherSubnets, "%s has no default route; cannot tell whether there is a way to Prefect's API (the check of endpoints tells of AWS)",
			strings.Join(closed, ", "))
	case len(closed) > 0:
		return fail(check, otherSubnets, "%s has no default route, so the workers do not reach %s", strings.Join(closed, ", "), registry)
	case public:
		return ok(check, "the workers get public addresses, and reach %s through %s", registry, through)
	}
	return ok(check, "the workers reach %s through %s, as far as the routes tell", registry, through)
}
