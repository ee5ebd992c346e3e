package resource

import (
	"context"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/cost"
)

// Costs implements Kind: AWS bills the tasks and their public addresses.
func (v Service) Costs() []cost.Usage {
	return tasksCosts(v.Desired, v.CPU, v.Memory, v.Spot, v.Public != nil && v.Public())
}

func tasksCosts(n, cpu, memory int, spot, public bool) []cost.Usage {
	list := []cost.Usage{cost.Tasks(n, cpu, memory, spot)}
	if public {
		list = append(list, cost.Addresses(n))
	}
	return list
}

// costs are those of a service as it is. Its task definition tells the size of its tasks; that a
// caller may not read it must not hide the service.
func (v Service) costs(ctx context.Context, o types.Service) []cost.Usage {
	s := serviceOf(o)
	if s.Desired == 0 {
		return nil
	}
	spot := slices.ContainsFunc(o.CapacityProviderStrategy, func(i types.CapacityProviderStrategyItem) bool {
		return deref(i.CapacityProvider) == "FARGATE_SPOT"
	})
	out, err := v.API.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &s.Definition})
	if err != nil {
		return []cost.Usage{cost.Unpriced("tasks of service " + s.Name)}
	}
	d := deref(out.TaskDefinition)
	cpu, wrong := strconv.Atoi(deref(d.Cpu))
	memory, also := strconv.Atoi(deref(d.Memory))
	if wrong != nil || also != nil {
		return []cost.Usage{cost.Unpriced("tasks of service " + s.Name)}
	}
	return tasksCosts(s.Desired, cpu, memory, spot, s.PublicIP)
}
