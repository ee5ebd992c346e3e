package stack

import (
	"slices"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// addCosts collects what a step costs. What is not the environment's, and what up deletes, costs it
// nothing.
func (s *Stack) addCosts(own provision.Ownership, costs func() []cost.Usage) {
	if own != provision.External && own != provision.Prune && !s.o.Destroy {
		s.costs = append(s.costs, costs)
	}
}

// Cost estimates what the environment costs a month after up, while no flow runs. Call it after the
// steps are read: whether the agent has a public address depends on the subnets.
func (s *Stack) Cost() cost.Estimate {
	var list []cost.Usage
	for _, of := range s.costs {
		list = append(list, of()...)
	}
	return cost.Of(s.id.Region, list)
}

// bill is what the objects of a step cost, by the last reading.
type bill struct {
	step string
	of   func() []cost.Usage
}

// addToGraph appends a resource to the graph, and collects what its objects cost.
func addToGraph[S provision.State](s *Stack, name string, own provision.Ownership, r resource.Kind[S]) provision.Ref[S] {
	ref := provision.Add(s.Graph, name, own, r)
	if b, ok := r.(resource.Biller[S]); ok {
		s.bills = append(s.bills, bill{name, func() []cost.Usage {
			have, _ := ref.Get()
			return b.Bills(have)
		}})
	}
	return ref
}

// Ends estimates what will no longer be billed after a down with this plan. It is about the objects
// as they were read, whatever the file says now.
func (s *Stack) Ends(p provision.Plan) cost.Estimate {
	var list []cost.Usage
	for _, b := range s.bills {
		if slices.ContainsFunc(p.Actions, func(a provision.Action) bool { return a.Step == b.step && a.Op == provision.Delete }) {
			list = append(list, b.of()...)
		}
	}
	return cost.Of(s.id.Region, list)
}

// Cost is Stack.Cost without a stack. It makes no calls: network is the network of the agent, if it
// is known.
func Cost(env *spec.Environment, id resource.Identity, network *resource.NetworkState) (cost.Estimate, error) {
	s, err := Build(env, id, Clients{}, Options{})
	if err != nil {
		return cost.Estimate{}, err
	}
	if network != nil {
		s.network = provision.Known(*network)
		s.ownNetwork = provision.Ref[resource.NetworkState]{}
	}
	return s.Cost(), nil
}

// publicAgent reports whether the agent, or each of its tasks, gets a public address. While the
// subnets are not known, it takes them to be public, as those of a default VPC are.
func (s *Stack) publicAgent() bool {
	if n, ok := s.agentNetwork().Get(); ok && len(n.Subnets) > 0 {
		return !slices.ContainsFunc(n.Subnets, func(sub resource.Subnet) bool { return !sub.Public })
	}
	n := s.env.Network
	return n.NATs() == 0 && (n.PublicIP == nil || *n.PublicIP)
}
