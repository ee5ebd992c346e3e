package resource

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/flowbed/flowbed/provision"
)

// OwnNetwork is the network in an environment's own VPC. What refers to it comes after the subnets
// and their way out.
type OwnNetwork struct {
	VPC     provision.Ref[VPCState]
	Subnets provision.Ref[SubnetsState]
	Routes  provision.Ref[RouteTablesState]
	Private bool // tasks and the agent run in the private subnets

	// Endpoints are the VPC endpoints; unset for what can do without them.
	Endpoints provision.Ref[EndpointsState]

	// OldEndpoints and OldNATs are those that the spec has no more. They go after what may still use them.
	OldEndpoints provision.Ref[EndpointsState]
	OldNATs      provision.Ref[NATGatewaysState]
}

// InVPC is an environment's own VPC without its subnets.
type InVPC struct {
	VPC provision.Ref[VPCState]
}

var (
	_ provision.Derived[NetworkState] = OwnNetwork{}
	_ provision.Derived[NetworkState] = InVPC{}
)

// Get implements provision.Derived.
func (n OwnNetwork) Get() (s NetworkState, ok bool) {
	vpc, ok := n.VPC.Get()
	subnets, some := n.Subnets.Get()
	if !ok || !some {
		return s, false
	}
	s = n.state(vpc, subnets)
	return s, len(s.Subnets) > 0
}

// Await implements provision.Derived.
func (n OwnNetwork) Await(ctx context.Context) (s NetworkState, err error) {
	vpc, err := n.VPC.Await(ctx)
	if err != nil {
		return s, fmt.Errorf("read the network: %w", err)
	}
	subnets, err := n.Subnets.Await(ctx)
	if err != nil {
		return s, fmt.Errorf("read the network: %w", err)
	}
	return n.state(vpc, subnets), nil
}

func (n OwnNetwork) state(vpc VPCState, subnets SubnetsState) NetworkState {
	s := NetworkState{VPC: vpc.ID, Named: true} // the spec says in which an agent is
	for _, o := range subnets.only(!n.Private) {
		s.Subnets = append(s.Subnets, o.Subnet)
	}
	slices.SortFunc(s.Subnets, func(a, b Subnet) int { return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.ID, b.ID)) })
	return s
}

// Get implements provision.Derived.
func (n InVPC) Get() (NetworkState, bool) {
	vpc, ok := n.VPC.Get()
	return NetworkState{VPC: vpc.ID}, ok
}

// Await implements provision.Derived.
func (n InVPC) Await(ctx context.Context) (NetworkState, error) {
	vpc, err := n.VPC.Await(ctx)
	return NetworkState{VPC: vpc.ID}, err
}
