package resource

import (
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision/cost"
)

// Biller is a kind whose objects cost money all the time. Unlike Costs, Bills is about an object
// as it was read, which is what down ends. It makes no calls.
type Biller[S any] interface{ Bills(have S) []cost.Usage }

var (
	_ Biller[InstanceState]    = Instance{}
	_ Biller[ServiceState]     = Service{}
	_ Biller[NATGatewaysState] = NATGateways{}
	_ Biller[AddressesState]   = Addresses{}
	_ Biller[EndpointsState]   = Endpoints{}

	_ Biller[OrphanState[ServiceState]] = Orphan[ServiceState]{}
)

// Bills implements Biller. The size of an instance's volume is in the tag of its launch.
func (i Instance) Bills(have InstanceState) (list []cost.Usage) {
	for _, m := range append([]EC2Instance{have.EC2Instance}, have.Others...) {
		if m.ID == "" || m.terminating() {
			continue
		}
		sizes := map[string]int{}
		if gib, err := strconv.Atoi(launchParts(m.Launch)["volume"]); err == nil && len(m.Volumes) > 0 {
			sizes[m.Volumes[0]] = gib
		}
		list = append(list, m.costs(sizes)...)
	}
	return list
}

// Bills implements Biller. The task definition tells the size of the tasks.
func (v Service) Bills(have ServiceState) []cost.Usage {
	if have.Status != "ACTIVE" || have.Desired == 0 {
		return nil
	}
	d, _ := v.Definition.Get()
	for _, r := range append([]Revision{d.Revision}, d.Others...) {
		cpu, wrong := strconv.Atoi(r.CPU)
		memory, also := strconv.Atoi(r.Memory)
		if r.ARN == have.Definition && wrong == nil && also == nil {
			return tasksCosts(have.Desired, cpu, memory, strings.Contains(have.Capacity, "FARGATE_SPOT"), have.PublicIP)
		}
	}
	return []cost.Usage{cost.Unpriced("tasks of service " + have.Name)}
}

// Bills implements Biller.
func (o Orphan[S]) Bills(have OrphanState[S]) []cost.Usage {
	if !have.Found {
		return nil
	}
	if b, ok := o.Make(have.Name).(Biller[S]); ok {
		return b.Bills(have.Object)
	}
	return nil
}

// Bills implements Biller.
func (NATGateways) Bills(have NATGatewaysState) []cost.Usage {
	if len(have.Own) == 0 {
		return nil
	}
	return []cost.Usage{cost.NATGateways(len(have.Own))}
}

// Bills implements Biller.
func (Addresses) Bills(have AddressesState) []cost.Usage {
	if n := len(have.Own) + len(have.Doubles); n > 0 {
		return []cost.Usage{cost.Addresses(n)}
	}
	return nil
}

// Bills implements Biller.
func (Endpoints) Bills(have EndpointsState) []cost.Usage {
	n := 0
	for _, o := range have.Own {
		if !o.Gateway && o.lives() {
			n += len(o.Subnets)
		}
	}
	if n == 0 {
		return nil
	}
	return []cost.Usage{cost.InterfaceEndpoints(n)}
}
