package stack_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// companyGroup creates a security group as somebody else would, and returns its id and its VPC.
func companyGroup(t *testing.T, account *sandbox.Account) (id, vpc string) {
	t.Helper()
	api := ec2.NewFromConfig(account.Config(region))
	vpcs, err := api.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := api.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("company"), Description: aws.String("of others"), VpcId: vpcs.Vpcs[0].VpcId})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.GroupId), aws.ToString(vpcs.Vpcs[0].VpcId)
}

// machines are the instances that run.
func machines(t *testing.T, account *sandbox.Account) (list []types.Instance) {
	t.Helper()
	out, err := ec2.NewFromConfig(account.Config(region)).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			if i.State.Name == types.InstanceStateNameRunning {
				list = append(list, i)
			}
		}
	}
	return list
}

func groupNames(t *testing.T, account *sandbox.Account) (names []string) {
	t.Helper()
	out, err := ec2.NewFromConfig(account.Config(region)).DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range out.SecurityGroups {
		names = append(names, aws.ToString(g.GroupName))
	}
	slices.Sort(names)
	return names
}

// TestGroupsOfOthers: with security groups in the file, tasks and agent use those, and those of
// the environment go. An instance of somebody else in such a group is none of our business.
func TestGroupsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.BootTime, account.SetupTime = 10*time.Second, 40*time.Second
		o := stack.Options{Transport: sandbox.Prefect(account)}
		id, _ := companyGroup(t, account)
		own := "environment \"dev\" {\n" + workerOfPath + "}"
		named := "environment \"dev\" {\nnetwork { security_groups = [\"" + id + "\"] }\n" + workerOfPath + "}"
		_, err := ec2.NewFromConfig(account.Config(region)).RunInstances(t.Context(), &ec2.RunInstancesInput{
			ImageId: aws.String(imageOf(t, account, own, o)), InstanceType: "t3.micro", MinCount: aws.Int32(1), MaxCount: aws.Int32(1), SecurityGroupIds: []string{id},
		})
		if err != nil {
			t.Fatal(err)
		}
		for n, c := range []struct {
			text   string
			groups []string
			used   string
		}{
			{named, []string{"company", "default"}, "company"},
			{own, []string{"company", "default", "flowbed-dev-agent", "flowbed-dev-tasks"}, "flowbed-dev-agent"},
			{named, []string{"company", "default"}, "company"},
		} {
			if err := build(t, account, c.text, o).Graph.Up(t.Context()); err != nil {
				t.Fatalf("%d: %v", n, err)
			}
			s := build(t, account, c.text, o)
			p, err := s.Graph.Plan(t.Context())
			if err != nil || p.Err() != nil || !p.Empty() || len(s.Graph.Warnings()) > 0 {
				t.Errorf("%d: the plan after up: %v, %v, %+v, %v", n, err, p.Err(), p.Actions, s.Graph.Warnings())
			}
			if have := groupNames(t, account); !slices.Equal(have, c.groups) {
				t.Errorf("%d: have the groups %q, want %q", n, have, c.groups)
			}
			for _, i := range machines(t, account) {
				if have := aws.ToString(i.SecurityGroups[0].GroupName); i.IamInstanceProfile != nil && have != c.used {
					t.Errorf("%d: the agent is in %s, want %s", n, have, c.used)
				}
			}
			if pool := contents(t, account); c.used == "company" != strings.Contains(poolOf(pool), id) {
				t.Errorf("%d: the work pool is %s", n, poolOf(pool))
			}
		}
		left, err := build(t, account, named, stack.Options{Transport: sandbox.Prefect(account), Destroy: true}).Graph.Down(t.Context())
		if err != nil || !left.Empty() {
			t.Errorf("down: %v, left %+v", err, left.Actions)
		}
		if have := groupNames(t, account); !slices.Equal(have, []string{"company", "default"}) {
			t.Errorf("down leaves the groups %q", have)
		}
		if n := len(machines(t, account)); n != 1 {
			t.Errorf("%d instances run, want that of somebody else", n)
		}
	})
}

// imageOf builds and removes an environment for the id of its image.
func imageOf(t *testing.T, account *sandbox.Account, text string, o stack.Options) string {
	t.Helper()
	if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	image := aws.ToString(machines(t, account)[0].ImageId)
	o.Destroy = true
	if _, err := build(t, account, text, o).Graph.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	return image
}

// poolOf is what an account's contents say of work pools.
func poolOf(contents string) string {
	_, after, _ := strings.Cut(contents, `"pools"`)
	return after
}

// TestWrongGroups stop up before it changes anything.
func TestWrongGroups(t *testing.T) {
	account := sandbox.New()
	_, vpc := companyGroup(t, account)
	for group, want := range map[string]string{"sg-0123456789abcdef0": "security group sg-0123456789abcdef0 does not exist → correct network.security_groups"} {
		p, err := build(t, account, "environment \"dev\" {\nnetwork {\nvpc = \""+vpc+"\"\nsecurity_groups = [\""+group+"\"]\n}\n}", noPrefect).Graph.Plan(t.Context())
		if err != nil || p.Err() == nil || !strings.Contains(p.Err().Error(), want) || len(actions(p, provision.Missing)) != 1 {
			t.Errorf("%s: %v, %v", group, err, p.Err())
		}
	}
}

// TestNoPublicAddress: the agent that has an address is replaced, tasks get none, and the plan
// warns, because the subnets are public.
func TestNoPublicAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		text := "environment \"dev\" {\n%s\nagent {}\nprefect {\nversion = \"1.4.1\"\napi_url = \"http://prefect.example.com:4200\"\n}\n}"
		o := stack.Options{NoPrefect: true}
		if err := build(t, account, strings.Replace(text, "%s", "", 1), o).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		private := strings.Replace(text, "%s", "network { public_ip = false }", 1)
		s := build(t, account, private, o)
		p, err := s.Graph.Plan(t.Context())
		if err != nil || p.Err() != nil || len(actions(p, provision.Replace)) != 1 {
			t.Fatalf("%v, %v, %+v", err, p.Err(), p.Actions)
		}
		if w := s.Graph.Warnings(); len(w) != 2 || !strings.Contains(w[0].Text, "public_ip is false, but the subnets are public") || !strings.Contains(w[1].Text, "the package index (pypi.org) cannot be reached from subnet-") {
			t.Errorf("warnings: %+v", w)
		}
		if err := s.Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, i := range machines(t, account) {
			if i.PublicIpAddress != nil {
				t.Errorf("the agent has the address %s", *i.PublicIpAddress)
			}
		}
		if u := userData(t, account); !strings.Contains(u, "DISABLED") || strings.Contains(u, "ENABLED") {
			t.Error("tasks get public addresses")
		}
	})
}
