//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/prefectserver"
)

// tagWorker is the tag in which the worker puts its name.
const tagWorker = "prefect.io/worker-name"

// TestFlowsWithService takes an environment whose workers run in an ECS service from up to
// down: two workers, which share the runs and the queue of events, and are replaced by others
// while flows run.
func TestFlowsWithService(t *testing.T) {
	able.Slow(t)
	needPlayer(t)
	t.Parallel()
	server := prefectServer(t, prefectserver.Options{Auth: `us er:hunter2$a"s\s`, CSRF: true})
	spec := func(memory int) string {
		return flowSpec(t, server, fmt.Sprintf("agent {\n service {\n desired_count = 2\n memory = %d\n }\n }", memory))
	}
	w := &flowsWorld{worker: worker{session: newSession(t, spec(1024), "hunter2"), server: server}}
	w.storePassword()
	before, had := inventory(t, w.front), w.inECS()
	w.player = play(t, w.session, server)
	w.run(0, "up", "--yes", "--timeout", bootTimeout)
	if serving, all := w.serving(), w.workers(); len(serving) != 2 || !slices.Equal(serving, w.online()) || len(all) != 2 {
		t.Errorf("after up: the tasks of %v run, and Prefect has the workers %v; want two", serving, all)
	}
	w.run(0, "plan", "--detailed-exitcode")
	for _, task := range w.player.Tasks() {
		if task.Tags["flowbed:environment"] != "dev" {
			t.Errorf("task %s of the service has the tags %v", task.ID, task.Tags)
		}
	}
	if said := w.run(0, "agent", "logs"); !strings.Contains(said, "FLOWBED: starts dev-") {
		t.Errorf("the agent's log is\n%s", said)
	}

	w.deploy()
	long, doomed := w.schedule("results/long.json", "go-on"), w.schedule("results/doomed.json", "never")
	shared := w.share()
	w.dies(doomed)
	w.becomes(long, "RUNNING")
	runs := append(w.rollOver(spec(2048), shared...), append(shared, long)...)
	if _, err := w.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(w.bucket()), Key: aws.String("go-on")}); err != nil {
		t.Fatal(err)
	}
	for _, id := range runs {
		w.becomes(id, "COMPLETED")
		if tasks := w.tasksOf(id); len(tasks) != 1 {
			t.Errorf("run %s had %d tasks, want one", id, len(tasks))
		}
	}
	w.completes(long, "results/long.json")
	w.wantResult("results/long.json")
	w.hello()
	w.wantQueueEmpty()
	w.wantNoSecret()
	w.down()
	if diff := cmp.Diff(before, inventory(t, w.front)); diff != "" {
		t.Errorf("the account has changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(had, w.inECS()); diff != "" {
		t.Errorf("what is left in ECS, and the network interfaces (-before +after):\n%s", diff)
	}
}

// online lists the names of the workers that are online.
func (w *flowsWorld) online() (names []string) {
	w.Helper()
	for _, o := range w.workers() {
		if o.Status == "ONLINE" {
			names = append(names, o.Name)
		}
	}
	slices.Sort(names)
	return names
}

// serving lists the names of the workers in the running tasks of the service.
func (w *flowsWorld) serving() (names []string) {
	for _, t := range w.player.Tasks() {
		if strings.HasPrefix(t.Group, "service:") && t.Status == "RUNNING" {
			names = append(names, "dev-"+t.ID)
		}
	}
	slices.Sort(names)
	return names
}

// share schedules runs, one every few seconds, until each worker has started a task. A worker
// asks for runs every ten seconds or so, and takes all that there are.
func (w *flowsWorld) share() (runs []string) {
	w.Helper()
	by := func() (names []string) {
		for _, id := range runs {
			for _, t := range w.tasksOf(id) {
				names = append(names, t.Tags[tagWorker])
			}
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	last := time.Time{}
	eventually(w.T, "both workers start tasks", func() bool {
		if time.Since(last) > 3*time.Second {
			runs = append(runs, w.schedule(fmt.Sprintf("results/share%d.json", len(runs)), ""))
			last = time.Now()
		}
		return len(by()) > 1
	})
	if have, want := by(), w.serving(); !slices.Equal(have, want) {
		w.Errorf("the workers %v started tasks, want %v", have, want)
	}
	return runs
}

// rollOver replaces the workers by others, and returns the runs that it has scheduled: one
// while the old and the new workers run, one that waits when the old ones go, and one after.
// ECS lets no old task go before a new one is healthy.
//
// No run is just being submitted when the old ones go: Prefect's worker drops those when it is
// told to stop, and they stay pending.
func (w *flowsWorld) rollOver(spec string, before ...string) (runs []string) {
	w.Helper()
	old := w.serving()
	if err := os.WriteFile(filepath.Join(w.dir, "config.hcl"), []byte(spec), 0o600); err != nil {
		w.Fatal(err)
	}
	w.player.Hold()
	up := w.start("up", "--yes", "--timeout", bootTimeout)
	eventually(w.T, "the new workers run beside the old", func() bool { return w.healthy() == 4 && len(w.online()) == 4 })
	runs = append(runs, w.schedule("results/beside.json", ""))
	for _, id := range append(runs, before...) {
		eventually(w.T, "run "+id+" has a task", func() bool { return len(w.tasksOf(id)) > 0 })
	}
	w.becomes(runs[0], "COMPLETED")
	if !up.runs() {
		w.Error("up ended before the old workers went")
	}
	runs = append(runs, w.scheduleAt(time.Now().Add(30*time.Second), "results/waits.json", ""))
	w.player.Release()
	for up.runs() {
		if n := len(w.serving()); n < 2 {
			w.Errorf("while the workers were replaced, only %d ran", n)
		}
		select {
		case <-up.ended:
		case <-time.After(200 * time.Millisecond):
		}
	}
	up.wait(0)
	// To Prefect, a worker that has ended is online until its last heartbeat is old.
	now, online := w.serving(), w.online()
	isIn := func(list []string) func(string) bool {
		return func(name string) bool { return slices.Contains(list, name) }
	}
	if len(now) != 2 || slices.ContainsFunc(now, isIn(old)) || !isIn(online)(now[0]) || !isIn(online)(now[1]) {
		w.Errorf("the workers were %v, and are %v, of which %v are online", old, now, online)
	}
	return append(runs, w.schedule("results/after.json", ""))
}

// healthy counts the healthy tasks of the service.
func (w *flowsWorld) healthy() (n int) {
	for _, t := range w.player.Tasks() {
		if strings.HasPrefix(t.Group, "service:") && t.Status == "RUNNING" && t.Health == "HEALTHY" {
			n++
		}
	}
	return n
}

// wantQueueEmpty waits until the workers have read all events. None of them is a dead letter.
func (w *flowsWorld) wantQueueEmpty() {
	w.Helper()
	api := sqs.NewFromConfig(w.front.Config("us-east-1"))
	queues, err := api.ListQueues(w.Context(), &sqs.ListQueuesInput{})
	if err != nil || len(queues.QueueUrls) != 2 {
		w.Fatalf("have the queues %v, %v, want that of the events and its dead letters", queues, err)
	}
	for _, url := range queues.QueueUrls {
		eventually(w.T, url+" is empty", func() bool {
			out, err := api.GetQueueAttributes(w.Context(), &sqs.GetQueueAttributesInput{
				QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
			})
			return err == nil && out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
		})
	}
}

// inECS lists what an environment could leave in ECS, and the network interfaces of tasks.
// Prefect's own task definitions stay.
func (w *flowsWorld) inECS() (list []string) {
	w.Helper()
	definitions, err := w.ecs().ListTaskDefinitions(w.Context(), &ecs.ListTaskDefinitionsInput{Status: types.TaskDefinitionStatusActive})
	if err != nil {
		w.Fatal(err)
	}
	for _, arn := range definitions.TaskDefinitionArns {
		if !strings.Contains(arn, "/prefect_") {
			list = append(list, arn)
		}
	}
	clusters, err := w.ecs().ListClusters(w.Context(), &ecs.ListClustersInput{})
	if err != nil {
		w.Fatal(err)
	}
	for _, c := range clusters.ClusterArns {
		if services, err := w.ecs().ListServices(w.Context(), &ecs.ListServicesInput{Cluster: &c}); err == nil { // else it is inactive
			list = append(list, services.ServiceArns...)
		}
	}
	interfaces, err := ec2.NewFromConfig(w.front.Config("us-east-1")).DescribeNetworkInterfaces(w.Context(), &ec2.DescribeNetworkInterfacesInput{})
	if err != nil {
		w.Fatal(err)
	}
	for _, i := range interfaces.NetworkInterfaces {
		list = append(list, *i.NetworkInterfaceId)
	}
	return list
}
