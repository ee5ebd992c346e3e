package resource

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// maxDescribed is how many tasks one call can describe.
const maxDescribed = 100

// Tasks reads tasks of a cluster. Those that ECS does not know any more are left out.
func Tasks(ctx context.Context, api *ecs.Client, cluster string, arns []string) (list []types.Task, err error) {
	for batch := range slices.Chunk(arns, maxDescribed) {
		out, err := api.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: batch})
		if err != nil {
			return nil, fmt.Errorf("read tasks: %w", err)
		}
		list = append(list, out.Tasks...)
	}
	return list, nil
}

// TaskEnding is what ECS says about the end of a task, on one line. It is empty if ECS says
// nothing.
func TaskEnding(t types.Task) string {
	var said []string
	add := func(s string) {
		if s != "" && !strings.Contains(strings.Join(said, "; "), s) {
			said = append(said, s)
		}
	}
	add(cmp.Or(deref(t.StoppedReason), string(t.StopCode)))
	for _, c := range t.Containers {
		add(deref(c.Reason))
		if c.ExitCode != nil {
			add(fmt.Sprintf("exit code %d", deref(c.ExitCode)))
		}
	}
	return strings.Join(said, "; ")
}
