package faultmatrix_test

import (
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

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

// worker is a running instance, as Prefect sees it.
type worker struct {
	env  string
	next time.Time // when it sends its next heartbeat
}

const heartbeat = 30 * time.Second // the interval of Prefect's workers

// beat sends all heartbeats that are due.
func (w *world) beat() {
	w.mu.Lock()
	defer w.mu.Unlock()
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
			p.workers[*i.InstanceId] = &worker{p.env, time.Now().Add(p.account.BootTime)}
		}
	case *ec2.TerminateInstancesOutput:
		p.world.mu.Lock()
		defer p.world.mu.Unlock()
		delete(p.workers, *out.TerminatingInstances[0].InstanceId)
	}
}
