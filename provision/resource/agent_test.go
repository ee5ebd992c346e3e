package resource_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

const (
	agentKey   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUIYn1YGdJy3fjdeBmGYe5DfMoKVmiOnIoA96BiQV+3 someone@somewhere"
	anotherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3PQYCfeQzPBnYpQfBQGaPl0xIWhZlp1vOGnHgbyZ0G"
	trustOfEC2 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// agent is an environment that consists of an agent and what it needs.
type agent struct {
	account  *sandbox.Account
	region   string
	env      string
	kind     string // instance type
	image    string
	volume   int
	kms      string // the ARN of the volume's key; may be empty
	userData string
	key      string
	subnets  []string
	vpc      string
	hide     func(*types.Instance) // what EC2 does not show of an instance; may be nil
}

func newAgent(a *sandbox.Account) *agent {
	return &agent{
		account: a, region: "us-east-1", env: "dev", kind: "t2.micro", image: "al2023", volume: 16,
		userData: "#!/bin/sh\necho hello\n", key: agentKey, vpc: "default",
	}
}

func (e *agent) ec2() *ec2.Client {
	cfg := e.account.Config(e.region)
	cfg.APIOptions = append([]func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("hide", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleInitialize(ctx, in)
			if o, ok := out.Result.(*ec2.DescribeInstancesOutput); ok && o != nil && e.hide != nil {
				for _, r := range o.Reservations {
					for i := range r.Instances {
						e.hide(&r.Instances[i])
					}
				}
			}
			return out, meta, err
		}), middleware.Before)
	}}, cfg.APIOptions...)
	return ec2.NewFromConfig(cfg)
}

func (e *agent) id() resource.Identity {
	return resource.Identity{Env: e.env, Account: sandbox.DefaultAccount, Region: e.region, Partition: "aws", Version: "1.0.0"}
}

// graph is the environment's graph, as a new process would build it.
func (e *agent) graph() (*provision.Graph, provision.Ref[resource.InstanceState]) {
	cfg, id, name := e.account.Config(e.region), e.id(), "flowbed-"+e.env+"-agent"
	g := &provision.Graph{Owner: id.Owner(), Retry: awserr.Retry}
	network := provision.Data(g, "network", resource.Network{API: e.ec2(), VPC: e.vpc, Subnets: e.subnets})
	image := provision.Data(g, "image", resource.Image{SSM: ssm.NewFromConfig(cfg), Image: e.image, Type: e.kind})
	offer := provision.OnDemand(g, "offer", resource.Offering{API: e.ec2(), Type: e.kind, Image: image})
	role := provision.Add(g, "role", provision.Own, resource.Role{
		API: iam.NewFromConfig(cfg), ID: id, Name: name, Trust: trustOfEC2,
	})
	profile := provision.Add(g, "profile", provision.Own, resource.Profile{
		API: iam.NewFromConfig(cfg), ID: id, Name: name, Role: role,
	})
	group := provision.Add(g, "group", provision.Own, resource.SecurityGroup{
		API: e.ec2(), ID: id, Name: name, Description: "The agent", Network: network,
	})
	key := provision.Add(g, "key", provision.Own, resource.KeyPair{API: e.ec2(), ID: id, Name: name, PublicKey: e.key})
	var volumeKey provision.Ref[resource.KMSKeyState]
	if e.kms != "" {
		volumeKey = provision.Known(resource.KMSKeyState{ARN: e.kms})
	}
	return g, provision.Add(g, "agent instance", provision.Own, resource.Instance{
		API: e.ec2(), ID: id, Name: name, VolumeKey: volumeKey, Type: e.kind, ImageName: e.image, Image: image, Offering: offer, VolumeGiB: e.volume,
		Key: key, Profile: profile, Groups: []provision.Ref[resource.SecurityGroupState]{group}, Network: network,
		UserData: func() string { return e.userData }, Launched: new(resource.Launched),
		Causes: func(have, _, wrote string) []string { return []string{wrote + " wrote " + have} },
	})
}

func (e *agent) up(t *testing.T) resource.InstanceState {
	t.Helper()
	g, ref := e.graph()
	if err := g.Up(t.Context()); err != nil {
		t.Fatalf("up: %v", err)
	}
	s, _ := ref.Get()
	return s
}

func (e *agent) down(t *testing.T) {
	t.Helper()
	g, _ := e.graph()
	if left, err := g.Down(t.Context()); err != nil || !left.Empty() {
		t.Fatalf("down: %v, left %+v", err, left)
	}
}

// plan is what the plan says of the instance.
func (e *agent) plan(t *testing.T) provision.Action {
	t.Helper()
	g, _ := e.graph()
	p, err := g.Plan(t.Context())
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	return action(t, p, "agent instance")
}

func action(t *testing.T, p provision.Plan, step string) provision.Action {
	t.Helper()
	for _, a := range p.Actions {
		if a.Step == step {
			return a
		}
	}
	t.Fatalf("the plan has no step %s: %+v", step, p)
	return provision.Action{}
}

// instances are all instances that were ever started, by state.
func (e *agent) instances(t *testing.T) map[string][]types.Instance {
	t.Helper()
	lag := e.account.Lag + e.account.BootTime
	time.Sleep(2*lag + time.Second) // virtual: everything becomes visible and comes to rest
	out, err := e.ec2().DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]types.Instance{}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			by[string(i.State.Name)] = append(by[string(i.State.Name)], i)
		}
	}
	return by
}

// wantInstances checks how many instances run, and how many have run before.
func (e *agent) wantInstances(t *testing.T, running, terminated int) {
	t.Helper()
	by := e.instances(t)
	if len(by["running"]) != running || len(by["terminated"]) != terminated || len(by) > 2 {
		for state, list := range by {
			for _, i := range list {
				t.Logf("%s %s, launched %v, token %s", *i.InstanceId, state, i.LaunchTime, aws.ToString(i.ClientToken))
			}
		}
		t.Fatalf("there are %d running and %d terminated instances, want %d and %d",
			len(by["running"]), len(by["terminated"]), running, terminated)
	}
}

func (e *agent) retag(ctx context.Context, id string, t resource.Tags) error {
	var list []types.Tag
	for k, v := range t {
		list = append(list, types.Tag{Key: &k, Value: &v})
	}
	_, err := e.ec2().CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: list})
	return err
}

// fields are the names of an action's changes.
func fields(a provision.Action) (names []string) {
	for _, c := range a.Changes {
		names = append(names, c.Field)
	}
	return names
}
