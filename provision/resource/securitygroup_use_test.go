package resource_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// other is a security group of somebody else.
func (e sshGroup) other(t *testing.T, name string, tags ...types.Tag) string {
	t.Helper()
	in := &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("x")}
	if len(tags) > 0 {
		in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: tags}}
	}
	out, err := e.api().CreateSecurityGroup(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.GroupId
}

// from is a rule for a group: tcp on a port, or all traffic if port is 0.
func from(group string, port int32) []types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &group}}}
	if port > 0 {
		p.IpProtocol, p.FromPort, p.ToPort = aws.String("tcp"), &port, &port
	}
	return []types.IpPermission{p}
}

func (e sshGroup) ingress(t *testing.T, group string, p []types.IpPermission) {
	t.Helper()
	if _, err := e.api().AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: p}); err != nil {
		t.Fatal(err)
	}
}

func (e sshGroup) egress(t *testing.T, group string, p []types.IpPermission) {
	t.Helper()
	if _, err := e.api().AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &group, IpPermissions: p}); err != nil {
		t.Fatal(err)
	}
}

// instance launches an instance in a group.
func (e sshGroup) instance(t *testing.T, group string, tags ...types.Tag) string {
	t.Helper()
	image, err := e.api().DescribeImages(t.Context(), &ec2.DescribeImagesInput{})
	if err != nil {
		t.Fatal(err)
	}
	in := &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: image.Images[0].ImageId, InstanceType: types.InstanceTypeT3Micro,
		SecurityGroupIds: []string{group},
	}
	if len(tags) > 0 {
		in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: tags}}
	}
	out, err := e.api().RunInstances(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.Instances[0].InstanceId
}

// free creates a network interface that is attached to nothing.
func (e sshGroup) free(t *testing.T, group, description string) string {
	t.Helper()
	subnets, err := e.api().DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.api().CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{
		SubnetId: subnets.Subnets[0].SubnetId, Groups: []string{group}, Description: &description,
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.NetworkInterface.NetworkInterfaceId
}

func ownerTags() (list []types.Tag) {
	for k, v := range (resource.Identity{Env: "dev", Region: "us-east-1", Version: "1.0.0"}).Tags("x") {
		list = append(list, types.Tag{Key: &k, Value: &v})
	}
	return list
}

// What EC2 would refuse is said before anything is gone, with the ids of both sides and the
// command that helps.
func TestGroupObstacles(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*testing.T, sshGroup, string) (foreign string)
		want []string // in the error, with THEIRS and OURS for the ids; none if there is no obstacle
	}{
		{"an ingress rule", func(t *testing.T, e sshGroup, ours string) string {
			id := e.other(t, "database")
			e.ingress(t, id, from(ours, 5432))
			return id
		}, []string{
			"OURS (flowbed-dev-agent) cannot be deleted, because THEIRS (database) refers to it in its ingress rules: tcp 5432 → ",
			"aws ec2 revoke-security-group-ingress --region us-east-1 --group-id THEIRS --ip-permissions 'IpProtocol=tcp,FromPort=5432,ToPort=5432,UserIdGroupPairs=[{GroupId=OURS}]'",
		}},
		{"two egress rules", func(t *testing.T, e sshGroup, ours string) string {
			id := e.other(t, "balancer")
			e.egress(t, id, from(ours, 8080))
			e.egress(t, id, from(ours, 0))
			return id
		}, []string{
			"because THEIRS (balancer) refers to it in its egress rules: all traffic; tcp 8080 → ",
			"aws ec2 revoke-security-group-egress --region us-east-1 --group-id THEIRS --ip-permissions 'IpProtocol=-1,UserIdGroupPairs=[{GroupId=OURS}]' 'IpProtocol=tcp,FromPort=8080",
		}},
		{"a rule of another environment", func(t *testing.T, e sshGroup, ours string) string {
			tags := ownerTags()
			for i := range tags {
				if *tags[i].Key == resource.KeyEnvironment {
					tags[i].Value = aws.String("prod")
				}
			}
			id := e.other(t, "flowbed-prod-agent", tags...)
			e.ingress(t, id, from(ours, 22))
			return id
		}, []string{"because THEIRS (flowbed-prod-agent) refers to it"}},
		{"another group of this environment, which goes with its rule", func(t *testing.T, e sshGroup, ours string) string {
			id := e.other(t, "flowbed-dev-tasks", ownerTags()...)
			e.ingress(t, id, from(ours, 22))
			return id
		}, nil},
		{"its own rule", func(t *testing.T, e sshGroup, ours string) string {
			e.ingress(t, ours, from(ours, 0))
			return ours
		}, nil},
		{"somebody's instance", func(t *testing.T, e sshGroup, ours string) string { return e.instance(t, ours) },
			[]string{"OURS (flowbed-dev-agent) cannot be deleted while the network interface eni-", " of THEIRS is in it → ", "modify-network-interface-attribute --region us-east-1"}},
		{"an instance of this environment", func(t *testing.T, e sshGroup, ours string) string { return e.instance(t, ours, ownerTags()...) }, nil},
		{"somebody's instance that has ended", func(t *testing.T, e sshGroup, ours string) string {
			id := e.instance(t, ours)
			if _, err := e.api().TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}); err != nil {
				t.Fatal(err)
			}
			return id
		}, nil},
		{"an interface that is attached to nothing", func(t *testing.T, e sshGroup, ours string) string { return e.free(t, ours, "spare") },
			[]string{"OURS (flowbed-dev-agent) cannot be deleted while the network interface THEIRS (spare) is in it → "}},
		{"the interface of a task", func(t *testing.T, e sshGroup, ours string) string {
			return e.free(t, ours, "arn:aws:ecs:us-east-1:123456789012:attachment/0b7c")
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := sshGroup{account: sandbox.New(), caller: "203.0.113.9/32", vpc: "default"}
				e.account.BootTime = time.Minute
				ours := e.up(t).ID
				foreign := c.make(t, e, ours)
				before := len(e.account.Writes())
				g, _ := e.graph()
				p, err := g.PlanDown(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(c.want) == 0 {
					if p.Err() != nil || action(t, p, "group").Op != provision.Delete {
						t.Errorf("the plan is %+v", action(t, p, "group"))
					}
					return
				}
				_, down := g.Down(t.Context())
				for _, err := range []error{p.Err(), down} {
					for _, want := range c.want {
						wantError(t, err, strings.NewReplacer("THEIRS", foreign, "OURS", ours).Replace(want))
					}
				}
				if n := len(e.account.Writes()); n > before {
					t.Errorf("down has written before it stopped: %v", e.account.Writes()[before:])
				}
			})
		})
	}
}

// What gets in the way only when the removal has begun is named, too.
func TestGroupInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := sshGroup{account: sandbox.New(), caller: "203.0.113.9/32", vpc: "default"}
		ours := e.up(t).ID
		g, _ := e.graph()
		if p, err := g.PlanDown(t.Context()); err != nil || p.Err() != nil {
			t.Fatal(err, p.Err())
		}
		instance, in, out := e.instance(t, ours), e.other(t, "database"), e.other(t, "balancer")
		e.ingress(t, in, from(ours, 5432))
		e.egress(t, out, from(ours, 8080))
		begun := time.Now()
		_, err := g.Down(context.WithoutCancel(t.Context()))
		step, ok := errors.AsType[*provision.StepError](err)
		if !ok {
			t.Fatalf("down: %v", err)
		}
		for _, want := range []string{"DependencyViolation", instance, "an ingress rule of " + in + " (database)", "an egress rule of " + out + " (balancer)"} {
			if said := err.Error() + step.Cause; !strings.Contains(said, want) {
				t.Errorf("the error does not name %s: %s", want, said)
			}
		}
		if d := time.Since(begun); d < time.Minute {
			t.Errorf("down gave up after %v", d)
		}
	})
}

// If two groups have our name and our tags, each in its own VPC, nobody can tell which one
// is in use. Both stay, and down goes on.
func TestSeveralGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := sshGroup{account: sandbox.New(), caller: "203.0.113.9/32", vpc: "default"}
		first := e.up(t)
		vpc := anotherVPC(t, e.api())
		out, err := e.api().CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
			GroupName: aws.String("flowbed-dev-agent"), Description: aws.String("x"), VpcId: &vpc,
			TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: ownerTags()}},
		})
		if err != nil {
			t.Fatal(err)
		}
		said := []string{"2 security groups with the tags of this environment are named flowbed-dev-agent", first.ID + " in " + first.VPC, *out.GroupId + " in " + vpc}
		before := len(e.account.Writes())
		g, _ := e.graph()
		wantError(t, g.Up(t.Context()), said...)
		g, _ = e.graph()
		left, err := g.Down(t.Context())
		if a := action(t, left, "group"); err != nil || a.Op != provision.Leave ||
			slices.ContainsFunc(said, func(s string) bool { return !strings.Contains(a.Owner.Leave, s) }) {
			t.Errorf("down: %v, left %+v, want %q", err, a, said)
		}
		if n := len(e.account.Writes()); n > before {
			t.Errorf("up and down have written %v", e.account.Writes()[before:])
		}
	})
}
