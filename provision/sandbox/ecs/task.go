package ecs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
)

func init() {
	core.Register(service, runTask, runTaskAccess)
	core.Register(service, stopTask, taskAccess)
	core.Register(service, listTasks, inClusterAccess)
	core.Register(service, describeTasks, describeTasksAccess)
	core.AsTimePasses(endStopped)
}

func (r *request) task(t *task) types.Task {
	o := &types.TaskOverride{}
	if t.Role != "" {
		o.TaskRoleArn = &t.Role
	}
	shown := types.Task{
		Overrides: o,
		TaskArn:   &t.ARN, ClusterArn: aws.String(r.arnOf("cluster/" + t.Cluster)), TaskDefinitionArn: &t.Definition,
		LastStatus: aws.String(r.status(t)), DesiredStatus: aws.String(t.desired()), Group: &t.Group, StartedBy: &t.StartedBy,
		CapacityProviderName: &t.Provider, LaunchType: types.LaunchTypeFargate, CreatedAt: &t.Created, Tags: tagList(t.Tags),
	}
	if i := t.Interface; i != nil {
		detail := func(name, value string) types.KeyValuePair { return types.KeyValuePair{Name: &name, Value: &value} }
		a := types.Attachment{Id: aws.String(attachmentOf(t)), Type: aws.String("ElasticNetworkInterface"), Status: aws.String("ATTACHED"), Details: []types.KeyValuePair{
			detail("subnetId", i.Subnet), detail("networkInterfaceId", i.ID), detail("privateIPv4Address", i.PrivateIP),
		}}
		if t.Status == "STOPPED" {
			a.Status = aws.String("DELETED")
		}
		shown.Attachments = []types.Attachment{a}
	}
	if t.prepared() {
		c := types.Container{Name: aws.String(r.containerOf(t)), LastStatus: aws.String(t.Status)}
		if e := t.End; e != nil {
			shown.StopCode, shown.StoppedAt, shown.StoppedReason = types.TaskStopCode(e.Code), &e.At, &e.Reason
			c.ExitCode = e.Exit
			if e.Container != "" {
				c.Reason = &e.Container
			}
		}
		shown.Containers = []types.Container{c}
	}
	return shown
}

// runTask starts tasks on Fargate. They run until a call or fargate stops them.
func runTask(r *request, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	d, err := r.findDefinition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	if d.Status != "ACTIVE" {
		return nil, clientError("TaskDefinition is inactive")
	}
	if o := in.Overrides; o != nil {
		for _, c := range o.ContainerOverrides {
			if err := d.apart(c.Environment); err != nil {
				return nil, err
			}
		}
	}
	provider := "FARGATE"
	if len(in.CapacityProviderStrategy) > 0 {
		if in.LaunchType != "" {
			return nil, invalid("Specify either a launch type or a capacity provider strategy, not both.")
		}
		if _, err := checkProviders(c.Providers, in.CapacityProviderStrategy); err != nil {
			return nil, err
		}
		provider = aws.ToString(in.CapacityProviderStrategy[0].CapacityProvider)
	}
	own, err := d.runTags(in)
	if err != nil {
		return nil, err
	}
	out := &ecs.RunTaskOutput{}
	for range max(1, aws.ToInt32(in.Count)) {
		t := &task{
			ARN: r.arnOf(fmt.Sprintf("task/%[1]s/%08[2]x%024[2]x", c.Name, r.Next())), Cluster: c.Name, Status: "RUNNING", Provider: provider,
			Definition: r.arnOf("task-definition/" + d.key()), Group: "family:" + d.Family,
			StartedBy: aws.ToString(in.StartedBy), Created: r.Now, Tags: own,
		}
		t.override(in)
		if err := r.attach(t); err != nil {
			return nil, err
		}
		if in.Group != nil {
			t.Group = *in.Group
		}
		r.db().Tasks[t.ARN] = t
		if err := r.tell(t); err != nil {
			return nil, err
		}
		out.Tasks = append(out.Tasks, r.task(t))
	}
	return out, nil
}

// prepared reports whether fargate looks after the task: it is one of a service, or its
// container gets an environment.
func (t *task) prepared() bool {
	return t.Environment != nil || strings.HasPrefix(t.StartedBy, ofService)
}

// desired is the status that ECS wants the task to have: a task that still starts is meant to
// run.
func (t *task) desired() string {
	if t.Status == "STOPPED" || t.Stopping != nil {
		return "STOPPED"
	}
	return "RUNNING"
}

// findTask finds a task by its ARN or its id.
func (r *request) findTask(c *cluster, name string) *task {
	for arn, t := range r.db().Tasks {
		if t.Cluster == c.Name && (arn == name || strings.HasSuffix(arn, "/"+name)) {
			return t
		}
	}
	return nil
}

func stopTask(r *request, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	t := r.findTask(c, aws.ToString(in.Task))
	if t == nil {
		return nil, invalid("The referenced task was not found.")
	}
	stop := TaskEnd{At: r.Now.Add(r.Account.StopTime), Code: string(types.TaskStopCodeUserInitiated), Reason: aws.ToString(in.Reason)}
	switch {
	case t.Status == "STOPPED" || t.Stopping != nil:
	case t.Status == "RUNNING" && r.Account.StopTime > 0:
		stop.Exit = aws.Int32(137) // of a process that SIGKILL ends
		t.Stopping = &stop
	default:
		if stop.At = r.Now; t.Status == "RUNNING" {
			stop.Exit = aws.Int32(143) // of a process that SIGTERM ends
		}
		if err := r.end(t, stop); err != nil {
			return nil, err
		}
	}
	o := r.task(t)
	return &ecs.StopTaskOutput{Task: &o}, nil
}

// end ends a task. Its network interface goes some time later.
func (r *request) end(t *task, e TaskEnd) error {
	t.Status, t.End = "STOPPED", &e
	if t.Interface != nil {
		ec2.Detach(r.Request, t.Interface.ID, e.At.Add(r.Account.InterfaceTime))
	}
	return r.tell(t)
}

// endStopped ends the tasks that StopTask has told to end long enough ago. Fargate looks after
// those that run flows.
func endStopped(call *core.Request) {
	all := part.All(call)
	for _, region := range core.SortedKeys(all) {
		r := &request{call.In(region)}
		for _, t := range core.Sorted(all[region].Tasks) {
			flow := t.Environment["PREFECT__FLOW_RUN_ID"] != ""
			if e := t.Stopping; e != nil && !flow && t.Status != "STOPPED" && !r.Now.Before(e.At) {
				_ = r.end(t, *e)
			}
		}
	}
}

// status is what ECS shows as the last status. A task that StopTask has told to end is
// deactivated first, then its containers stop.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
func (r *request) status(t *task) string {
	e := t.Stopping
	if e == nil || t.Status != "RUNNING" {
		return t.Status
	}
	if begun := e.At.Add(-r.Account.StopTime); r.Now.Sub(begun) < r.Account.StopTime/10 {
		return "DEACTIVATING"
	}
	return "STOPPING"
}

func listTasks(r *request, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	status := "RUNNING"
	if in.DesiredStatus != "" {
		status = string(in.DesiredStatus)
	}
	var all []string
	for _, arn := range slices.Sorted(maps.Keys(r.db().Tasks)) {
		t := r.db().Tasks[arn]
		family := t.Definition[strings.LastIndex(t.Definition, "/")+1 : strings.LastIndex(t.Definition, ":")]
		if t.Cluster == c.Name && t.desired() == status &&
			(in.StartedBy == nil || t.StartedBy == *in.StartedBy) && (in.Family == nil || family == *in.Family) &&
			(in.ServiceName == nil || t.Group == "service:"+*in.ServiceName) {
			all = append(all, arn)
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 100)
	return &ecs.ListTasksOutput{TaskArns: some, NextToken: next}, err
}

func describeTasks(r *request, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	if len(in.Tasks) > 100 {
		return nil, invalid("Tasks cannot have more than 100 elements.")
	}
	out := &ecs.DescribeTasksOutput{}
	for _, name := range in.Tasks {
		t := r.findTask(c, name)
		if t == nil {
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(name), Reason: aws.String("MISSING")})
			continue
		}
		o := r.task(t)
		if !slices.Contains(in.Include, types.TaskFieldTags) {
			o.Tags = nil
		}
		out.Tasks = append(out.Tasks, o)
	}
	return out, nil
}
