//go:build linux

package fargate

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// answer answers a call to ECS. What it does not know better, moto answers.
func (p *Player) answer(ctx context.Context, operation string, in moto.Object) (int, moto.Object, error) {
	switch operation {
	case "RunTask":
		return p.runTask(ctx, in)
	case "StopTask":
		return p.stopTask(ctx, in)
	case "DescribeTasks":
		return p.describeTasks(ctx, in)
	case "ListTasks":
		return p.listTasks(ctx, in)
	case "CreateService":
		return p.createService(ctx, in)
	case "UpdateService":
		return p.updateService(ctx, in)
	case "DeleteService":
		return p.deleteService(in)
	case "DescribeServices":
		return p.describeServices(in)
	case "ListServices":
		return p.listServices(in)
	case "TagResource", "UntagResource", "ListTagsForResource":
		return p.tag(ctx, operation, in)
	case "DeleteCluster":
		return p.deleteCluster(ctx, in)
	}
	return p.ask(ctx, operation, in)
}

// ask lets moto execute a call to ECS.
func (p *Player) ask(ctx context.Context, operation string, in moto.Object) (int, moto.Object, error) {
	return p.Front.AskECS(ctx, p.Region, operation, in)
}

// runTask lets moto check the call and make the tasks. Then they live.
func (p *Player) runTask(ctx context.Context, in moto.Object) (int, moto.Object, error) {
	copied := maps.Clone(in)
	if strategy, ok := in["capacityProviderStrategy"].([]any); ok && len(strategy) > 0 {
		// moto knows only launch types. To Fargate, both providers are one.
		delete(copied, "capacityProviderStrategy")
		copied["launchType"] = "FARGATE"
	}
	status, out, err := p.ask(ctx, "RunTask", copied)
	if err != nil || status != http.StatusOK {
		return status, out, err
	}
	list, _ := out["tasks"].([]any)
	shown := make([]any, 0, len(list))
	for _, one := range list {
		t, err := p.adopt(ctx, in, one.(moto.Object))
		if err != nil {
			return 0, nil, err
		}
		p.mu.Lock()
		shown = append(shown, t.show(true))
		if !p.stopped {
			p.lives.Go(t.live)
		}
		p.mu.Unlock()
	}
	out["tasks"] = shown
	return status, out, nil
}

// adopt makes a task of ours out of moto's.
func (p *Player) adopt(ctx context.Context, in, made moto.Object) (*task, error) {
	t := &task{
		p: p, arn: text(made["taskArn"]), view: made, status: "PROVISIONING", desired: "RUNNING",
		times: map[string]time.Time{"createdAt": time.Now()}, asked: make(chan struct{}),
	}
	t.id = lastPart(t.arn)
	if strategy, ok := in["capacityProviderStrategy"].([]any); ok && len(strategy) > 0 {
		delete(t.view, "launchType")
		t.view["capacityProviderName"] = strategy[0].(moto.Object)["capacityProvider"]
	}
	t.tags, _ = in["tags"].([]any)
	_, out, err := p.ask(ctx, "DescribeTaskDefinition", moto.Object{"taskDefinition": made["taskDefinitionArn"]})
	if err == nil {
		err = convert(out["taskDefinition"], &t.definition)
	}
	if err == nil {
		err = convert(in["overrides"], &t.overrides)
	}
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.tasks = append(p.tasks, t)
	p.mu.Unlock()
	return t, nil
}

// convert reads a part of a body into a struct.
func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// stopTask asks the task to stop. ECS answers before it has.
func (p *Player) stopTask(ctx context.Context, in moto.Object) (int, moto.Object, error) {
	t := p.find(text(in["task"]))
	if t == nil {
		return p.ask(ctx, "StopTask", in)
	}
	t.stops(ending{code: "UserInitiated", reason: first(text(in["reason"]), "Task stopped by user")})
	p.mu.Lock()
	defer p.mu.Unlock()
	return http.StatusOK, moto.Object{"task": t.show(false)}, nil
}

// describeTasks shows the tasks as they are.
func (p *Player) describeTasks(ctx context.Context, in moto.Object) (int, moto.Object, error) {
	status, out, err := p.ask(ctx, "DescribeTasks", in)
	if err != nil || status != http.StatusOK {
		return status, out, err
	}
	include, _ := in["include"].([]any)
	list, _ := out["tasks"].([]any)
	for i, one := range list {
		t := p.find(text(one.(moto.Object)["taskArn"]))
		if t == nil {
			continue
		}
		p.mu.Lock()
		list[i] = t.show(slices.Contains(include, any("TAGS")))
		p.mu.Unlock()
	}
	return status, out, nil
}

// listTasks lists the tasks that should run, unless the call asks for others. moto checks the
// cluster.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
func (p *Player) listTasks(ctx context.Context, in moto.Object) (int, moto.Object, error) {
	status, out, err := p.ask(ctx, "ListTasks", in)
	if err != nil || status != http.StatusOK {
		return status, out, err
	}
	cluster := first(lastPart(text(in["cluster"])), "default")
	arns := []any{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tasks {
		matches := lastPart(text(t.view["clusterArn"])) == cluster && t.desired == first(text(in["desiredStatus"]), "RUNNING")
		for name, have := range map[string]string{"family": t.family(), "startedBy": text(t.view["startedBy"]), "serviceName": t.service()} {
			if want := lastPart(text(in[name])); want != "" && want != lastPart(have) {
				matches = false
			}
		}
		if matches {
			arns = append(arns, t.arn)
		}
	}
	out["taskArns"] = arns
	return status, out, nil
}

// forget lets moto end its task, and removes the task's network interface.
func (p *Player) forget(ctx context.Context, t *task) error {
	_, _, err := p.ask(ctx, "StopTask", moto.Object{"cluster": t.view["clusterArn"], "task": t.arn})
	if err != nil {
		return err
	}
	attachments, _ := t.view["attachments"].([]any)
	for _, a := range attachments {
		details, _ := a.(moto.Object)["details"].([]any)
		for _, d := range details {
			detail := d.(moto.Object)
			if text(detail["name"]) != "networkInterfaceId" {
				continue
			}
			id := text(detail["value"])
			if _, err := ec2.NewFromConfig(p.as(playerKey)).DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// tag changes or lists the tags of services and tasks. moto has those of the others.
func (p *Player) tag(ctx context.Context, operation string, in moto.Object) (int, moto.Object, error) {
	p.mu.Lock()
	tags := p.tagsOf(text(in["resourceArn"]))
	if tags == nil {
		p.mu.Unlock()
		return p.ask(ctx, operation, in)
	}
	defer p.mu.Unlock()
	set, _ := in["tags"].([]any)
	dropped, _ := in["tagKeys"].([]any)
	for _, tag := range set {
		dropped = append(dropped, tag.(moto.Object)["key"])
	}
	if operation == "ListTagsForResource" {
		return http.StatusOK, moto.Object{"tags": *tags}, nil
	}
	kept := slices.DeleteFunc(slices.Clone(*tags), func(tag any) bool { return slices.Contains(dropped, tag.(moto.Object)["key"]) })
	*tags = append(kept, set...)
	return http.StatusOK, moto.Object{}, nil
}

func (p *Player) tagsOf(arn string) *[]any {
	for _, s := range p.services {
		if s.arn == arn {
			return &s.tags
		}
	}
	for _, t := range p.tasks {
		if t.arn == arn {
			return &t.tags
		}
	}
	return nil
}

// deleteCluster refuses to delete a cluster in which something runs.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteCluster.html
func (p *Player) deleteCluster(ctx context.Context, in moto.Object) (int, moto.Object, error) {
	cluster := lastPart(text(in["cluster"]))
	p.mu.Lock()
	services := slices.ContainsFunc(p.services, func(s *service) bool { return s.cluster == cluster && s.status != "INACTIVE" })
	tasks := slices.ContainsFunc(p.tasks, func(t *task) bool {
		return lastPart(text(t.view["clusterArn"])) == cluster && t.status != "STOPPED"
	})
	p.mu.Unlock()
	switch {
	case services:
		return refuse("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
	case tasks:
		return refuse("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
	}
	return p.ask(ctx, "DeleteCluster", in)
}
