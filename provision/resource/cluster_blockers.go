package resource

import (
	"context"
	"fmt"

	"github.com/flowbed/flowbed/provision"
)

var _ provision.BlockerFinder[ClusterState] = Cluster{}

// Blockers implements provision.BlockerFinder: what has started in the cluster since the plan.
func (c Cluster) Blockers(ctx context.Context, _ ClusterState) (list []provision.Blocker) {
	tasks, services, err := c.running(ctx)
	if err != nil {
		return nil
	}
	for _, o := range []struct {
		kind string
		arns []string
	}{{"task", tasks}, {"service", services}} {
		if len(o.arns) > 0 {
			list = append(list, provision.Blocker{
				What:   fmt.Sprintf("the %s %s in cluster %s", o.kind, firstNames(o.arns), c.Name),
				Remedy: "wait for it to end, or stop it" + again,
			})
		}
	}
	return list
}
