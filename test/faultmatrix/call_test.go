package faultmatrix_test

import (
	"errors"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/test/faultmatrix"
)

// callOf describes a call from its SDK input.
func callOf(in any) call {
	v := reflect.ValueOf(in).Elem()
	c := call{service: path.Base(v.Type().PkgPath()), operation: strings.TrimSuffix(v.Type().Name(), "Input"), write: true}
	for _, p := range []string{"Get", "List", "Describe", "Head"} {
		if strings.HasPrefix(c.operation, p) {
			c.write = false
		}
	}
	var all []string
	for i := range v.NumField() {
		all = append(all, v.Type().Field(i).Name)
	}
	c.key = faultmatrix.Key(c.service, c.operation, all, func(name string) string { return field(v, name) })
	return c
}

// field returns a parameter of a call as a string. For a list it returns the first
// element.
func field(v reflect.Value, name string) string {
	f := v.FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, name) })
	if f.IsValid() && f.Kind() == reflect.Slice && f.Len() > 0 {
		f = f.Index(0)
	}
	if f.IsValid() && f.Kind() == reflect.Pointer {
		f = f.Elem()
	}
	if f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

// worker is a running instance, or a task of a service, as Prefect sees it.
type worker struct {
	env  string
	next time.Time // when it sends its next heartbeat
	task bool
}

// workerTasks returns the ids of the running tasks of dev's service.
func (w *world) workerTasks() (ids []string) {
	w.Helper()
	if w.text != serving && w.text != served {
		return nil
	}
	api := ecs.NewFromConfig(w.account.Config(region))
	in := &ecs.ListTasksInput{Cluster: aws.String("default"), ServiceName: aws.String("flowbed-dev-worker")}
	list, err := api.ListTasks(w.Context(), in)
	if _, gone := errors.AsType[*types.ClusterNotFoundException](err); gone || err == nil && len(list.TaskArns) == 0 {
		return nil
	}
	if err != nil {
		w.Error(err)
		return nil
	}
	out, err := api.DescribeTasks(w.Context(), &ecs.DescribeTasksInput{Cluster: in.Cluster, Tasks: list.TaskArns})
	if err != nil {
		w.Error(err)
		return nil
	}
	for _, t := range out.Tasks {
		if *t.LastStatus == "RUNNING" {
			ids = append(ids, path.Base(*t.TaskArn))
		}
	}
	return ids
}

const heartbeat = 30 * time.Second // the interval of Prefect's workers

// beat sends all heartbeats that are due. A worker in a service sends them as long as its task
// runs.
func (w *world) beat() {
	w.Helper()
	tasks := w.workerTasks()
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.workers {
		if w.workers[id].task && !slices.Contains(tasks, id) {
			delete(w.workers, id)
		}
	}
	for _, id := range tasks {
		if w.workers[id] == nil {
			w.workers[id] = &worker{env: "dev", task: true}
		}
	}
	for id, k := range w.workers {
		// Without a pool, workers send no heartbeats.
		if now := time.Now(); !now.Before(k.next) && w.prefect.Pool("flowbed-"+k.env) != nil {
			w.prefect.Heartbeat("flowbed-"+k.env, k.env+"-"+id, now, true)
			k.next = now.Add(heartbeat)
		}
	}
}

// learn records names for new ids, and which instances exist.
func (p *process) learn(in, out any) {
	p.learnNetwork(in, out)
	switch out := out.(type) {
	case *ec2.CreateSecurityGroupOutput:
		p.names.Set(*out.GroupId, *in.(*ec2.CreateSecurityGroupInput).GroupName)
	case *ec2.RunInstancesOutput:
		i := out.Instances[0]
		p.names.Set(*i.InstanceId, "agent")
		p.names.Set(*i.NetworkInterfaces[0].NetworkInterfaceId, "agent")
		p.world.mu.Lock()
		defer p.world.mu.Unlock()
		if p.workers[*i.InstanceId] == nil {
			p.workers[*i.InstanceId] = &worker{env: p.env, next: time.Now().Add(p.account.BootTime)}
		}
	case *ec2.TerminateInstancesOutput:
		p.world.mu.Lock()
		defer p.world.mu.Unlock()
		delete(p.workers, *out.TerminatingInstances[0].InstanceId)
	}
}

// learnNetwork records the names of the parts of a network.
func (p *process) learnNetwork(in, out any) {
	name := func(id *string, tags []ec2types.Tag) {
		for _, t := range tags {
			if *t.Key == "Name" {
				p.names.Set(*id, *t.Value)
			}
		}
	}
	switch out := out.(type) {
	case *ec2.CreateVpcOutput:
		name(out.Vpc.VpcId, out.Vpc.Tags)
	case *ec2.CreateSubnetOutput:
		name(out.Subnet.SubnetId, out.Subnet.Tags)
	case *ec2.CreateInternetGatewayOutput:
		name(out.InternetGateway.InternetGatewayId, out.InternetGateway.Tags)
	case *ec2.CreateRouteTableOutput:
		name(out.RouteTable.RouteTableId, out.RouteTable.Tags)
	case *ec2.CreateNatGatewayOutput:
		name(out.NatGateway.NatGatewayId, out.NatGateway.Tags)
	case *ec2.CreateVpcEndpointOutput:
		name(out.VpcEndpoint.VpcEndpointId, out.VpcEndpoint.Tags)
	case *ec2.AssociateRouteTableOutput:
		p.names.Set(*out.AssociationId, p.names.In(*in.(*ec2.AssociateRouteTableInput).SubnetId))
	}
}
