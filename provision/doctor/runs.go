package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
)

const (
	maxRuns  = 1000 // that the check looks at
	maxNamed = 5    // that it names

	// An event of ECS reaches Prefect within seconds. A new task is unknown to ECS for a
	// moment, and a worker takes some time from a run's Pending to its task.
	eventGrace  = 2 * time.Minute
	submitGrace = 10 * time.Minute
)

// flowRuns finds runs that Prefect believes to be alive, although their tasks have ended.
// Prefect hears of an end from the flow itself, or from ECS's events, and some ends get past
// both: see docs/troubleshooting.md. Such a run stays as it is forever, and uses up a place
// of the pool's concurrency limit.
func (d *Doctor) flowRuns(ctx context.Context) []Finding {
	const check = "flow runs"
	if d.NoPrefect {
		return nil
	}
	version, api, err := d.api()
	if err != nil || version.Kind() == prefect.Agent1 {
		return nil
	}
	runs, err := api.Active(ctx, d.Env.Prefect.WorkPool, maxRuns)
	if err != nil || len(runs) == 0 {
		return nil // the check of the API reports an error
	}
	tasks, err := d.tasks(ctx, runs)
	if err != nil {
		return []Finding{unseen(check, err)}
	}
	var dead []Finding
	for _, r := range runs {
		if why := ended(r, tasks, time.Now()); why != "" {
			dead = append(dead, warn(check, "", "run %s (%s) is %s for %s, but %s",
				r.Name, r.ID, strings.ToLower(r.State.Name), age(time.Since(r.State.Time)), why))
		}
	}
	if len(dead) == 0 {
		return []Finding{ok(check, "no active run of the work pool has lost its task")}
	}
	if more := len(dead) - maxNamed; more > 0 {
		dead = append(dead[:maxNamed], warn(check, "", "%d more runs are like that", more))
	}
	dead[len(dead)-1].Todo = "delete a run with `prefect flow-run delete <id>`, or set its state to Crashed in the UI; " +
		"docs/troubleshooting.md, section 2, says why Prefect was not told"
	return dead
}

// tasks reads the tasks of runs, by ARN. ECS no longer knows a task that stopped more than
// an hour ago.
func (d *Doctor) tasks(ctx context.Context, runs []prefect.Run) (map[string]types.Task, error) {
	clusters := map[string][]string{}
	for _, r := range runs {
		if cluster, arn := r.Task(); arn != "" {
			clusters[cluster] = append(clusters[cluster], arn)
		}
	}
	found := map[string]types.Task{}
	for cluster, arns := range clusters {
		list, err := resource.Tasks(ctx, d.clients.ECS, cluster, arns)
		if err != nil {
			return nil, err
		}
		for _, t := range list {
			found[aws.ToString(t.TaskArn)] = t
		}
	}
	return found, nil
}

// ended says how the task of a run ended, or "" if it may still run.
func ended(r prefect.Run, tasks map[string]types.Task, now time.Time) string {
	since := now.Sub(r.State.Time)
	_, arn := r.Task()
	t, known := tasks[arn]
	switch {
	case arn == "" && r.State.Type == prefect.Pending && since > submitGrace:
		return "no worker has started a task for it"
	case arn == "":
		return ""
	case !known && since > eventGrace:
		return "ECS does not know its task: it stopped more than an hour ago"
	case aws.ToString(t.LastStatus) != "STOPPED" || t.StoppedAt != nil && now.Sub(aws.ToTime(t.StoppedAt)) < eventGrace:
		return ""
	}
	return "its task has stopped: " + cmp.Or(resource.TaskEnding(t), "ECS gives no reason")
}

// age is a duration in the largest units that people need.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()))
}
