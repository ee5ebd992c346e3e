package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// tasks is what the questions about a cluster and its tasks share.
type tasks struct {
	prepared once // roles, log group, task definitions; the queue if there can be one
	cluster  once
	started  once
	reply    string // the cluster's status in the reply to its creation
	status   string // and right after it
	early    error  // of RunTask at that time
	took     time.Duration
	subnets  []string
	all      []*probe
	queueURL string
	noQueue  error
	events   []event
	deaf     error // why events could not be received
}

// probe is a task that writes the marker to its log and ends.
type probe struct {
	what    string // the variant
	family  string
	trust   map[string]any // the condition in the trust of its execution role
	arn     string
	err     error
	stopped *types.Task
	logged  bool
}

// probeImage is small and needs no login.
const probeImage = "public.ecr.aws/docker/library/busybox:stable"

func taskQuestions() []question {
	return []question{
		{
			Name: "cluster-provisioning", Lane: laneTasks, Ask: askProvisioning,
			Asks:    "What do DescribeClusters and RunTask say while a new cluster is PROVISIONING?",
			Assumed: "DescribeClusters says PROVISIONING for less than 2 minutes; RunTask is refused with ClusterNotFoundException",
			Relies:  "the status in provision/resource/cluster.go; the worker's first run after up",
			Change:  "what up waits for before it ends; the class of RunTask's error",
		},
		{
			Name: "cluster-twice", Lane: laneTasks, Ask: askClusterTwice,
			Asks:    "What does CreateCluster do to a cluster that exists?",
			Assumed: "it returns the cluster and ignores the tags and settings of the request",
			Relies:  "Create in provision/resource/cluster.go; provision/sandbox/ecs/cluster.go",
			Change:  "Create in provision/resource/cluster.go: read before it creates",
		},
		{
			Name: "execution-role-source", Lane: laneTasks, Ask: askSource,
			Asks:    "Does ECS assume an execution role whose trust demands aws:SourceAccount or aws:SourceArn?",
			Assumed: "not known; AWS documents it for task roles only, so the execution role has no condition",
			Relies:  "ExecutionTrust in templates/policy.go; docs/security.md",
			Change:  "ExecutionTrust in templates/policy.go may demand what worked; then the audit in test/audit/controls_iam.go",
		},
		{
			Name: "task-events", Lane: laneTasks, Ask: askEvents,
			Asks:    "Do a rule with a group prefix and a queue catch the state changes of exactly one family?",
			Assumed: "yes, within a minute, with the group \"family:NAME\", an id that is a UUID and the container's exit code",
			Relies:  "TaskEvents in templates/events.go: clusterArn, and detail.group with the prefix family:prefect_POOL_",
			Change:  "the pattern; what docs/troubleshooting.md says about dead tasks",
		},
		{
			Name: "event-environment", Lane: laneTasks, Ask: askEventEnvironment,
			Asks:    "Does the event of a task contain the environment variables of its overrides?",
			Assumed: "probably; so a key must not be among them",
			Relies:  "the pool's template in provision/prefect; docs/security.md",
			Change:  "what docs/security.md says about who can read the queue",
		},
		{
			Name: "event-tags", Lane: laneTasks, Ask: askEventTags,
			Asks:    "Does DescribeTasks still show a task and its tags when the event of its end arrives?",
			Assumed: "yes; without the tags the worker drops the event silently",
			Relies:  "the worker's permissions in templates/rights.go; docs/troubleshooting.md",
			Change:  "what docs/troubleshooting.md says about dead tasks",
		},
		{
			Name: "fargate-zones", Lane: laneTasks, Ask: askZones,
			Asks:    "Which zones of the region run tasks on Fargate?",
			Assumed: "those that AWS's list has, as of November 2026: all but some in ap-northeast-1 and us-west-1",
			Relies:  "fargateZones in provision/resource/zones.go, which chooses the zones of a new VPC",
			Change:  "fargateZones in provision/resource/zones.go, and its date",
		},
	}
}

func (r *run) family(what string) string { return "prefect_" + r.Name + "_" + what }

func (r *run) logGroup(ctx context.Context, what string) error {
	_, err := r.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(r.path(what)), Tags: map[string]string{tag: r.Name}})
	return err
}

// prepareTasks makes all that a task needs except the cluster.
func (r *run) prepareTasks(ctx context.Context) error {
	return r.tasks.prepared.do(func() error {
		var err error
		if r.tasks.subnets, err = r.defaultSubnets(ctx); err != nil {
			return err
		}
		if err := r.logGroup(ctx, "tasks"); err != nil {
			return fmt.Errorf("create log group: %w", err)
		}
		account := map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": r.Account}}
		source := map[string]any{"StringEquals": account["StringEquals"], "ArnLike": map[string]any{"aws:SourceArn": r.arn("ecs", r.Region, "*")}}
		r.tasks.all = []*probe{
			{what: "plain", family: r.family("plain")},
			{what: "account", family: r.family("account"), trust: account},
			{what: "source", family: r.family("source"), trust: source},
			{what: "other", family: r.object("other")}, // its family is not in the rule's pattern
		}
		for _, p := range r.tasks.all {
			if err := r.define(ctx, p); err != nil {
				return err
			}
		}
		r.tasks.noQueue = r.catch(ctx)
		return nil
	})
}

func (r *run) defaultSubnets(ctx context.Context) (ids []string, err error) {
	out, err := r.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{{Name: aws.String("default-for-az"), Values: []string{"true"}}}})
	if err != nil {
		return nil, fmt.Errorf("find the default subnets: %w", err)
	}
	for _, s := range out.Subnets {
		ids = append(ids, aws.ToString(s.SubnetId))
	}
	if len(ids) == 0 {
		return nil, unasked("the region has no default subnets")
	}
	return ids, nil
}

// define makes the execution role and the task definition of a probe.
func (r *run) define(ctx context.Context, p *probe) error {
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":%q}]}`,
		r.arn("logs", r.Region, "log-group:"+r.path("tasks")+":*"))
	if err := r.role(ctx, p.what, trust(map[string]any{"Service": "ecs-tasks.amazonaws.com"}, p.trust), policy); err != nil {
		return err
	}
	in := &ecs.RegisterTaskDefinitionInput{
		Family: &p.family, Cpu: aws.String("256"), Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}, ExecutionRoleArn: aws.String(r.roleARN(p.what)),
		Tags: r.ecsTags(),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("probe"), Image: aws.String(probeImage), Essential: aws.Bool(true),
			Command: []string{"echo", r.marker() + " " + p.what},
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": r.path("tasks"), "awslogs-region": r.Region, "awslogs-stream-prefix": "probe"}},
		}},
	}
	_, err := until(ctx, 2*time.Minute, 3*time.Second, func() (bool, error) {
		_, err := r.ecs.RegisterTaskDefinition(ctx, in)
		if err != nil && strings.Contains(codeOf(err), "Role is not valid") { // not known yet
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("register task definition %s: %w", p.family, err)
	}
	return nil
}

func (r *run) ecsTags() []types.Tag { return []types.Tag{{Key: aws.String(tag), Value: &r.Name}} }

// overridden is an environment variable of the overrides, to be found in an event.
const overridden = "CANARY_OVERRIDE"

func (r *run) start(ctx context.Context, cluster, family string) (string, error) {
	return r.startIn(ctx, cluster, family, r.tasks.subnets)
}

func (r *run) startIn(ctx context.Context, cluster, family string, subnets []string) (string, error) {
	out, err := r.ecs.RunTask(ctx, &ecs.RunTaskInput{
		Cluster: &cluster, TaskDefinition: &family, LaunchType: types.LaunchTypeFargate, Tags: r.ecsTags(),
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
			Subnets: subnets, AssignPublicIp: types.AssignPublicIpEnabled}},
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("probe"),
			Environment: []types.KeyValuePair{{Name: aws.String(overridden), Value: &r.Name}}}}},
	})
	switch {
	case err != nil:
		return "", err
	case len(out.Failures) > 0:
		return "", fmt.Errorf("RunTask: %s: %s", aws.ToString(out.Failures[0].Reason), aws.ToString(out.Failures[0].Detail))
	case len(out.Tasks) == 0:
		return "", unasked("RunTask started no task")
	}
	return aws.ToString(out.Tasks[0].TaskArn), nil
}

// makeCluster creates the cluster and, before anything else, tries to start a task in it.
func (r *run) makeCluster(ctx context.Context) error {
	if err := r.prepareTasks(ctx); err != nil {
		return err
	}
	return r.tasks.cluster.do(func() error {
		name := r.object("probe")
		// The first cluster of an account fails while ECS makes its service-linked role.
		if _, err := until(ctx, 2*time.Minute, 3*time.Second, func() (bool, error) {
			out, err := r.ecs.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: &name, CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"}, Tags: r.ecsTags()})
			if awserr.Classify(err) == awserr.Transient {
				return false, nil
			}
			if err == nil && out.Cluster != nil {
				r.tasks.reply = aws.ToString(out.Cluster.Status)
			}
			return err == nil, err
		}); err != nil {
			return fmt.Errorf("create cluster: %w", err)
		}
		begun := time.Now()
		r.tasks.status = r.clusterStatus(ctx, name)
		first := r.tasks.all[0]
		first.arn, r.tasks.early = r.start(ctx, name, first.family)
		if _, err := until(ctx, 10*time.Minute, 2*time.Second, func() (bool, error) {
			return r.clusterStatus(ctx, name) == "ACTIVE", nil
		}); err != nil {
			return fmt.Errorf("wait for the cluster: %w", err)
		}
		r.tasks.took = time.Since(begun)
		return nil
	})
}

func (r *run) clusterStatus(ctx context.Context, name string) string {
	out, err := r.ecs.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{name}})
	switch {
	case err != nil:
		return codeOf(err)
	case len(out.Clusters) > 0:
		return aws.ToString(out.Clusters[0].Status)
	case len(out.Failures) > 0:
		return aws.ToString(out.Failures[0].Reason)
	}
	return "nothing"
}

func askProvisioning(ctx context.Context, r *run) (answer, error) {
	if err := r.makeCluster(ctx); err != nil {
		return answer{}, err
	}
	t := &r.tasks
	text := fmt.Sprintf("CreateCluster %s, right after it DescribeClusters %s, RunTask %s; ACTIVE after %s", t.reply, t.status, codeOf(t.early), rough(t.took))
	if t.status != "PROVISIONING" && t.reply != "PROVISIONING" {
		return couldNot("the cluster was never PROVISIONING: %s", text)
	}
	return judged(awserr.Code(t.early) == "ClusterNotFoundException" && t.took < 2*time.Minute, "%s", text)
}

func askClusterTwice(ctx context.Context, r *run) (answer, error) {
	if err := r.makeCluster(ctx); err != nil {
		return answer{}, err
	}
	_, err := r.ecs.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String(r.object("probe")),
		Tags: []types.Tag{{Key: aws.String("color"), Value: aws.String("blue")}}})
	if err != nil {
		return no("it refuses: %s", codeOf(err))
	}
	out, err := r.ecs.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{r.object("probe")}, Include: []types.ClusterField{types.ClusterFieldTags}})
	if err != nil || len(out.Clusters) == 0 {
		return answer{}, fmt.Errorf("read the cluster: %w", err)
	}
	kept := false
	for _, t := range out.Clusters[0].Tags {
		if aws.ToString(t.Key) == "color" {
			return no("it succeeds and writes the tags of the request")
		}
		kept = kept || aws.ToString(t.Key) == tag
	}
	return judged(kept && len(out.Clusters[0].CapacityProviders) == 2, "it succeeds; first tags kept: %t; capacity providers kept: %t", kept, len(out.Clusters[0].CapacityProviders) == 2)
}

// runTasks starts all probes and waits for their end.
func (r *run) runTasks(ctx context.Context) error {
	if err := r.makeCluster(ctx); err != nil {
		return err
	}
	return r.tasks.started.do(func() error {
		cluster := r.object("probe")
		for _, p := range r.tasks.all {
			if p.arn == "" {
				r.startNew(ctx, cluster, p)
			}
		}
		first := r.tasks.all[0]
		r.await(ctx, first)
		if first.stopped != nil && r.tasks.noQueue == nil { // at once: how late the event is matters
			r.tasks.events, r.tasks.deaf = r.receive(ctx, r.tasks.queueURL, cluster, first.arn, 2*time.Minute)
		}
		for _, p := range r.tasks.all[1:] {
			r.await(ctx, p)
		}
		for _, p := range r.tasks.all {
			p.logged = p.err == nil && r.wrote(ctx, p)
		}
		if last := r.tasks.all[3]; last.stopped != nil && len(r.tasks.events) > 0 { // its event must not come
			more, err := r.receive(ctx, r.tasks.queueURL, cluster, last.arn, 10*time.Second)
			r.tasks.events = append(r.tasks.events, more...)
			if !tooLong(err) {
				r.tasks.deaf = errors.Join(r.tasks.deaf, err)
			}
		}
		return nil
	})
}

// startNew starts a probe. Its role is new, and may not be known everywhere at once.
func (r *run) startNew(ctx context.Context, cluster string, p *probe) {
	_, err := until(ctx, time.Minute, 5*time.Second, func() (bool, error) {
		p.arn, p.err = r.start(ctx, cluster, p.family)
		return p.err == nil || !strings.Contains(p.err.Error(), "unable to assume the role"), nil
	})
	if err != nil && !tooLong(err) {
		p.err = err
	}
}

func (r *run) await(ctx context.Context, p *probe) {
	if p.err == nil {
		p.stopped, p.err = r.end(ctx, r.object("probe"), p.arn)
	}
}

// end waits for the end of a task.
func (r *run) end(ctx context.Context, cluster, arn string) (last *types.Task, err error) {
	_, err = until(ctx, 6*time.Minute, 3*time.Second, func() (bool, error) {
		out, err := r.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: []string{arn}})
		switch {
		case awserr.Retry(err): // not visible yet
			return false, nil
		case err != nil || len(out.Tasks) == 0:
			return false, err
		}
		last = &out.Tasks[0]
		return aws.ToString(last.LastStatus) == "STOPPED", nil
	})
	switch {
	case tooLong(err) && last != nil:
		return nil, unasked("the task did not end in 6 minutes: it is " + aws.ToString(last.LastStatus))
	case err != nil:
		return nil, err
	}
	return last, nil
}

// wrote reports whether a probe's words are in the log, where only it could write them.
func (r *run) wrote(ctx context.Context, p *probe) bool {
	stream := "probe/probe/" + p.arn[strings.LastIndex(p.arn, "/")+1:]
	_, err := until(ctx, 30*time.Second, 3*time.Second, func() (bool, error) {
		out, err := r.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String(r.path("tasks")), LogStreamName: &stream, StartFromHead: aws.Bool(true)})
		if err != nil {
			if awserr.Classify(err) == awserr.Absent {
				return false, nil
			}
			return false, err
		}
		for _, e := range out.Events {
			if strings.Contains(aws.ToString(e.Message), r.marker()+" "+p.what) {
				return true, nil
			}
		}
		return false, nil
	})
	return err == nil
}

// String is how the probe ended.
func (p *probe) String() string {
	switch {
	case p.err != nil:
		return codeOf(p.err)
	case p.logged:
		return "it ran, and its log arrived"
	case p.stopped == nil:
		return "it did not end"
	}
	text := strings.TrimSpace(string(p.stopped.StopCode) + " " + aws.ToString(p.stopped.StoppedReason))
	for _, c := range p.stopped.Containers {
		if c.Reason != nil {
			text += ": " + *c.Reason
		}
	}
	return "its log did not arrive: " + text
}

func askSource(ctx context.Context, r *run) (answer, error) {
	if err := r.runTasks(ctx); err != nil {
		return answer{}, err
	}
	plain, account, source := r.tasks.all[0], r.tasks.all[1], r.tasks.all[2]
	if !plain.logged {
		return couldNot("a task whose execution role has no condition did not run either: %s", plain)
	}
	return judged(!account.logged && !source.logged, "with SourceAccount: %s; with SourceAccount and SourceArn: %s", account, source)
}
