package permissions_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

const (
	keyOne = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtrA6bFuLpRHCEArr5R5S0EJzbf6zp2z9AhbhlNqEIl"
	keyTwo = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHf8/m2D8BdXnC7bJx3DNzkC0KJ0VwJ6oHhPUs/VtDbm"
)

// full has everything that an environment can have.
const full = `
	task_role {
		policies = ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]
		dask = true
	}
	agent {
		instance_type = "t3.small"
		ssh { public_key = "` + keyOne + `" }
		prefect {
			api_url = "http://prefect.example/api"
			auth_string = "flow:bed-of-flows"
		}
	}`

// other differs from full wherever something can be changed.
const other = `
	tags = { team = "data" }
	bucket {
		versioning = false
		expire_days = 7
	}
	task_role { s3 = "none" }
	logs { retention_days = 90 }
	cluster {
		capacity_providers = ["FARGATE"]
		container_insights = true
	}
	agent {
		instance_type = "t3.micro"
		ssh {
			cidr = "198.51.100.0/24"
			public_key = "` + keyTwo + `"
		}
		prefect {
			api_url = "http://prefect.example/api"
			auth_string = "flow:another-bed"
		}
	}`

// quiet leaves Prefect out.
var quiet = stack.Options{NoPrefect: true}

// TestTable compares the table with the calls that are made, both ways: in an
// account that allows only what the table says, no call is refused, and all in
// the table is called by something below, or implied by what is.
func TestTable(t *testing.T) {
	made := map[permissions.Verb]map[string]bool{permissions.Plan: {}, permissions.Up: {}, permissions.Down: {}}
	for _, c := range []struct {
		name string
		life func(*world)
	}{
		{"built, changed, removed", built},
		{"tampered with", tampered},
		{"the agent goes", agentGoes},
		{"a silent worker", silent},
		{"what is in the way", obstructed},
		{"a full bucket", bucketful},
		{"borrowed and adopted", borrowedAndAdopted},
		{"private subnets", private},
		{"names of its own", named},
		{"a type that is not sold", unsold},
		{"renamed", renamed},
		{"a lifetime", limited},
		{"a failure", failing},
		{"a flow still runs", running},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c.life(w)
				for v, list := range w.made {
					for a := range list {
						made[v][a] = true
					}
				}
			})
		})
	}
	for _, v := range permissions.Verbs {
		for _, s := range needs(t, full, identity, v, stack.Options{ForceDestroy: true}) {
			for _, n := range s.Permissions {
				for _, a := range n.Actions {
					if !made[v][a] && n.Implied == "" {
						t.Errorf("%s of the step %s has %s, which nothing has called", v, s.Step, a)
					}
				}
			}
		}
	}
}

func built(w *world) {
	w.must(permissions.Plan, full, quiet)
	w.must(permissions.Up, full, quiet)
	w.must(permissions.Plan, full, quiet)
	w.must(permissions.Up, other, quiet)
	w.must(permissions.Up, full, quiet)
	w.must(permissions.Down, full, quiet)
	w.must(permissions.Down, full, quiet) // nothing is there
	if !w.empty() {
		w.Error("something is left")
	}
}

func tampered(w *world) {
	w.must(permissions.Up, full, quiet)
	w.tamper()
	w.must(permissions.Plan, full, quiet)
	w.must(permissions.Up, full, quiet)
	w.tamperMore()
	w.must(permissions.Up, full, quiet)
}

// An earlier spec's agent is removed by up.
func agentGoes(w *world) {
	w.must(permissions.Up, full, quiet)
	w.must(permissions.Plan, "", quiet)
	w.must(permissions.Up, "", quiet)
	w.must(permissions.Down, "", quiet)
}

// A worker that never reports has up read the instance's console.
func silent(w *world) {
	if err := w.run(permissions.Up, full, stack.Options{}); err == nil || !strings.Contains(err.Error(), "worker") {
		w.Errorf("no worker reports, and up says: %v", err)
	}
	w.must(permissions.Down, full, quiet)
}

// What holds on to a group or a role is named.
func obstructed(w *world) {
	w.must(permissions.Up, full, quiet)
	api := ec2.NewFromConfig(w.account.Config(region))
	group := w.group("flowbed-dev-tasks")
	i := w.instance()
	_, err := api.RunInstances(context.Background(), &ec2.RunInstancesInput{
		ImageId: i.ImageId, InstanceType: "t3.micro", MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SubnetId: i.SubnetId, SecurityGroupIds: []string{*group.GroupId},
	})
	w.check(err)
	roles := iam.NewFromConfig(w.account.Config(region))
	_, err = roles.CreateInstanceProfile(context.Background(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("other")})
	w.check(err)
	_, err = roles.AddRoleToInstanceProfile(context.Background(), &iam.AddRoleToInstanceProfileInput{
		InstanceProfileName: aws.String("other"), RoleName: aws.String("flowbed-dev-task")})
	w.check(err)
	if err := w.run(permissions.Down, full, quiet); err == nil || !strings.Contains(err.Error(), "other") {
		w.Errorf("a group and a role are in use, and down says: %v", err)
	}
}

func bucketful(w *world) {
	w.must(permissions.Up, full, quiet)
	api := s3.NewFromConfig(w.account.Config(region))
	name := environment(w.T, full, false).Bucket.Name
	for range 2 {
		_, err := api.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &name, Key: aws.String("flow.py"), Body: strings.NewReader("x")})
		w.check(err)
	}
	_, err := api.CreateMultipartUpload(context.Background(), &s3.CreateMultipartUploadInput{Bucket: &name, Key: aws.String("big")})
	w.check(err)
	w.must(permissions.Plan, full, quiet)
	w.must(permissions.Down, full, stack.Options{NoPrefect: true, ForceDestroy: true})
}

func borrowedAndAdopted(w *world) {
	text := `bucket { ownership = "adopt" }
		task_role { ownership = "external" }
		execution_role { ownership = "external" }
		cluster { ownership = "external" }`
	w.must(permissions.Up, full, quiet)
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Up, text, quiet)
	if err := w.run(permissions.Down, text, quiet); err != nil {
		w.Errorf("down of what is borrowed: %v", err)
	}
}

func private(w *world) {
	api := ec2.NewFromConfig(w.account.Config(region))
	out, err := api.DescribeSubnets(context.Background(), &ec2.DescribeSubnetsInput{})
	w.check(err)
	for _, s := range out.Subnets {
		_, err := api.ModifySubnetAttribute(context.Background(), &ec2.ModifySubnetAttributeInput{
			SubnetId: s.SubnetId, MapPublicIpOnLaunch: &ec2types.AttributeBooleanValue{Value: aws.Bool(false)}})
		w.check(err)
	}
	text := `network {
			vpc = "` + *out.Subnets[0].VpcId + `"
			subnets = ["` + *out.Subnets[0].SubnetId + `"]
		}` + full
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Down, text, quiet)
}

func named(w *world) {
	_, err := ec2.NewFromConfig(w.account.Config(region)).ImportKeyPair(context.Background(), &ec2.ImportKeyPairInput{
		KeyName: aws.String("ada"), PublicKeyMaterial: []byte(keyTwo)})
	w.check(err)
	text := ownNames + `agent {
			ssh { key_name = "ada" }
			prefect { api_url = "http://prefect.example/api" }
		}`
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Down, text, quiet)
}

const ownNames = `bucket {
		name = "flows-of-dev"
		namespace = "global"
		force_destroy = true
	}
	task_role { name = "flows-task" }
	execution_role { name = "flows-execution" }
	cluster { name = "flows" }
	`

// What has the default names goes when the spec gives others.
func renamed(w *world) {
	w.must(permissions.Up, full, quiet)
	w.must(permissions.Plan, ownNames, quiet)
	w.must(permissions.Up, ownNames, quiet)
	w.must(permissions.Down, ownNames, quiet)
	if !w.empty() {
		w.Error("something is left")
	}
}

func limited(w *world) {
	for _, ttl := range []string{"8h", "24h"} {
		w.must(permissions.Up, "ttl = \""+ttl+"\"\n"+full, quiet)
	}
	w.must(permissions.Up, full, quiet)
	w.must(permissions.Down, full, quiet)
	w.must(permissions.Up, "ttl = \"8h\"\n"+ownNames, quiet)
	w.must(permissions.Up, ownNames, quiet)
}

// A flow that still runs when the environment goes.
func running(w *world) {
	w.must(permissions.Up, full, quiet)
	api, ctx := ecs.NewFromConfig(w.account.Config(region)), context.Background()
	_, err := api.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("flow"), TaskRoleArn: aws.String(identity.ARN("iam", "", "role/flowbed-dev-task")),
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Image: aws.String("python:3.12")}},
	})
	w.check(err)
	_, err = api.RunTask(ctx, &ecs.RunTaskInput{Cluster: aws.String("default"), TaskDefinition: aws.String("flow")})
	w.check(err)
	w.must(permissions.Plan, full, quiet)
	w.must(permissions.Down, full, quiet)
}

// What fails is explained.
func failing(w *world) {
	w.account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Operation == "AuthorizeSecurityGroupIngress" || c.Operation == "CreateCluster" {
			return sandbox.Fault{Refuse: &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: "as the test wishes"}}
		}
		return sandbox.Fault{}
	}
	if err := w.run(permissions.Up, full, quiet); err == nil || !strings.Contains(err.Error(), "as the test wishes") {
		w.Errorf("up: %v", err)
	}
}

// Where the type cannot be had, it is said what can.
func unsold(w *world) {
	text := strings.Replace(full, "t3.small", "x9.large", 1)
	for _, v := range []permissions.Verb{permissions.Plan, permissions.Up} {
		if err := w.run(v, text, quiet); v == permissions.Up && (err == nil || !strings.Contains(err.Error(), "not offered")) {
			w.Errorf("%s of a type that is not sold: %v", v, err)
		}
	}
	w.must(permissions.Down, text, quiet)
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) instance() ec2types.Instance {
	out, err := ec2.NewFromConfig(w.account.Config(region)).DescribeInstances(context.Background(), &ec2.DescribeInstancesInput{
		Filters: []ec2types.Filter{{Name: aws.String("instance-state-name"), Values: []string{"running"}}}})
	w.check(err)
	return out.Reservations[0].Instances[0]
}

func (w *world) group(name string) ec2types.SecurityGroup {
	out, err := ec2.NewFromConfig(w.account.Config(region)).DescribeSecurityGroups(context.Background(), &ec2.DescribeSecurityGroupsInput{
		Filters: []ec2types.Filter{{Name: aws.String("group-name"), Values: []string{name}}}})
	w.check(err)
	return out.SecurityGroups[0]
}
