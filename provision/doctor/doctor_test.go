package doctor_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/test/prefecttest"
)

var update = flag.Bool("update", false, "write the golden files")

const region = "eu-central-1"

var identity = resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}

const agent = `prefect {
	api_url = "http://prefect.example/api"
	auth_string = "flow:bed-of-flows"
}
agent {
	instance_type = "t3.small"
	ssh { public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtrA6bFuLpRHCEArr5R5S0EJzbf6zp2z9AhbhlNqEIl" }
}`

// clinic is an account, and what is asked about it.
type clinic struct {
	*testing.T
	account *sandbox.Account
	server  *prefecttest.Server
	config  func(*aws.Config)
	text    string
	pin     string
	getenv  func(string) string
	carry   http.RoundTripper
	faults  map[string]error // what calls answer instead
	writes  []string         // the operations that change something, although the doctor must not
}

// environment is what the text says.
func (c *clinic) environment() *spec.Environment {
	c.Helper()
	name := filepath.Join(c.TempDir(), "config.hcl")
	if err := os.WriteFile(name, []byte("environment \"dev\" {\n"+c.text+"\n}"), 0o600); err != nil {
		c.Fatal(err)
	}
	f, err := spec.Load(name, spec.Options{})
	if err != nil {
		c.Fatal(err)
	}
	env, err := f.Environment(spec.Place{Account: identity.Account, Region: region})
	if err != nil {
		c.Fatal(err)
	}
	return env
}

func (c *clinic) look() []doctor.Finding {
	c.Helper()
	env := c.environment()
	c.account.Fault = func(call sandbox.Call) sandbox.Fault { return sandbox.Fault{Refuse: c.faults[call.Operation]} }
	cfg := c.account.Config(region)
	if c.config != nil {
		c.config(&cfg)
	}
	ctx := context.Background()
	id, caller, first := doctor.Who(ctx, cfg, resource.Identity{Env: "dev", Region: region, Version: "1.0.0"}, c.pin)
	if first.Status == doctor.Fail {
		return []doctor.Finding{first}
	}
	d := &doctor.Doctor{Config: cfg, ID: id, Caller: caller, Env: env, Transport: c.carry, Getenv: c.getenv}
	writes := len(c.account.Writes())
	found := append([]doctor.Finding{first}, d.Look(ctx)...)
	var wrote []string
	for _, w := range c.account.Writes()[writes:] {
		wrote = append(wrote, w.Operation)
	}
	if !slices.Equal(wrote, c.writes) {
		c.Errorf("the doctor wrote: %v, want %v", wrote, c.writes)
	}
	return found
}

func newClinic(t *testing.T) *clinic {
	c := &clinic{T: t, account: sandbox.New(), server: prefecttest.New(), text: agent, faults: map[string]error{}, getenv: func(string) string { return "" }}
	c.server.Auth = "flow:bed-of-flows"
	c.carry = c.server
	return c
}

func text(list []doctor.Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%-4s  %-13s  %s\n", f.Status, f.Check, f.Text)
		if f.Todo != "" {
			fmt.Fprintf(&b, "      %-13s  → %s\n", "", f.Todo)
		}
	}
	return b.String()
}

func TestLook(t *testing.T) {
	for name, prepare := range map[string]func(*clinic){
		"healthy":  func(*clinic) {},
		"no_agent": func(c *clinic) { c.text = "" },
		"blind":    func(c *clinic) { c.account.Policy = allow("sts:GetCallerIdentity") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClinic(t)
			prepare(c)
			file := filepath.Join("testdata", name+".golden")
			have := text(c.look())
			if *update {
				if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), have); d != "" {
				t.Errorf("%s (-want +have):\n%s", file, d)
			}
		})
	}
}

const newVPC = "network { vpc = \"new\" }"

func allow(actions ...string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}}`
}

// but allows all actions except some.
func but(actions ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},` +
		`{"Effect":"Deny","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}]}`
}

func code(c string) error { return &smithy.GenericAPIError{Code: c, Message: "as the test wishes"} }

// TestFindings has one case for each thing that can be found.
func TestFindings(t *testing.T) {
	for _, c := range []struct {
		check, name string
		prepare     func(*clinic)
		status      doctor.Status
		says        string // in the text or in what to do
	}{
		{"caller", "pinned", func(c *clinic) { c.pin = "210987654321" }, doctor.Fail, "pinned to 210987654321"},
		{"caller", "root", func(c *clinic) { c.account.Caller = "arn:aws:iam::123456789012:root" }, doctor.Warn, "root user"},
		{"caller", "expired", func(c *clinic) { c.faults["GetCallerIdentity"] = code("ExpiredToken") }, doctor.Fail, "log in again"},
		{"region", "off", func(c *clinic) { c.account.Off = []string{region} }, doctor.Fail, "aws account enable-region --region-name eu-central-1"},
		{"region", "unknown", func(c *clinic) { c.faults["DescribeRegions"] = code("InvalidParameterValue") }, doctor.Fail, "there is no AWS region"},
		{"region", "unseen", func(c *clinic) { c.account.Policy = but("ec2:DescribeRegions") }, doctor.Warn, "this check needs ec2:DescribeRegions"},
		{"credentials", "short", expiring(5 * time.Minute), doctor.Warn, "they expire in"},
		{"credentials", "long", expiring(time.Hour), doctor.OK, "they expire in 1h0m0s"},
		{"credentials", "silent", func(c *clinic) {
			c.config = credentials(aws.Credentials{AccessKeyID: "A", SecretAccessKey: "S", SessionToken: "T"})
		}, doctor.Warn, "unknown expiration"},
		{"credentials", "of the environment", func(c *clinic) {
			c.config = credentials(aws.Credentials{AccessKeyID: "A", SecretAccessKey: "S", SessionToken: "T", Source: "EnvConfigCredentials"})
			c.getenv = func(string) string { return time.Now().Add(time.Minute).Format(time.RFC3339) }
		}, doctor.Warn, "they expire in"},
		{"network", "no VPC of another environment", func(c *clinic) { c.text = "network { vpc_from = \"shared\" }\n" + agent }, doctor.Fail, "the VPC of environment shared"},
		{"network", "out of a VPC of its own", func(c *clinic) { c.must(nil, c.up(newVPC)); c.text = "network { public_ip = true }" }, doctor.Fail,
			"is the VPC that this environment created, and the config file selects an existing one → run `flowbed down` first"},
		{"network", "into a VPC of its own", func(c *clinic) { c.must(nil, c.up("")); c.text = newVPC }, doctor.Fail,
			"but the config file selects a VPC of its own → run `flowbed down` first"},
		{"network", "another range", func(c *clinic) {
			c.must(nil, c.up(newVPC))
			c.text = "network {\nvpc = \"new\"\ncidr = \"10.43.0.0/16\"\n}"
		}, doctor.Fail, "which EC2 cannot change"},
		{"network", "the groups unseen", func(c *clinic) { c.account.Policy = but("ec2:DescribeSecurityGroups") }, doctor.Warn, "this check needs ec2:DescribeSecurityGroups"},
		{"network", "no default VPC", noVPC, doctor.Fail, "aws ec2 create-default-vpc"},
		{"network", "unseen", func(c *clinic) { c.account.Policy = but("ec2:DescribeSubnets") }, doctor.Warn, "this check needs ec2:DescribeSubnets"},
		{"instance type", "not sold", func(c *clinic) { c.text = strings.Replace(agent, "t3.small", "x9.large", 1) }, doctor.Fail, "free for new accounts in this region: c7i-flex.large"},
		{"instance type", "not free", func(c *clinic) { c.text = strings.Replace(agent, "t3.small", "t3.medium", 1) }, doctor.OK, "which matters only to an account on the free plan"},
		{"instance type", "not free, on the free plan", func(c *clinic) {
			c.account.Plan, c.text = "FREE", strings.Replace(agent, "t3.small", "t3.medium", 1)
		}, doctor.Fail, "EC2 refuses to launch it → set agent.instance_type, for example to a type that is free for new accounts in this region: c7i-flex.large"},
		{"instance type", "not free, the plan unseen", func(c *clinic) {
			c.account.Policy = but("freetier:GetAccountPlanState")
			c.text = strings.Replace(agent, "t3.small", "t3.medium", 1)
		}, doctor.Warn, "cannot tell whether this one is"},
		{"instance type", "not free, on a paid plan", func(c *clinic) {
			c.account.Plan, c.text = "PAID", strings.Replace(agent, "t3.small", "t3.medium", 1)
		}, doctor.OK, "which matters only"},
		{"instance type", "unseen", func(c *clinic) { c.account.Policy = but("ec2:DescribeInstanceTypeOfferings") }, doctor.Warn, "cannot tell"},
		{"instance type", "freedom unseen", func(c *clinic) { c.account.Policy = but("ec2:DescribeInstanceTypes") }, doctor.OK, "cannot tell whether the free tier"},
		{"image", "no such", func(c *clinic) {
			c.text = strings.Replace(agent, "agent {", "agent {\nimage = \"ami-0123456789abcdef0\"", 1)
		}, doctor.Fail, "does not exist"},
		{"image", "unseen", func(c *clinic) { c.account.Policy = but("ssm:GetParameter") }, doctor.Warn, "this check needs ssm:GetParameter"},
		{"bucket", "somebody's", bucket(""), doctor.Fail, "created outside flowbed"},
		{"bucket", "to adopt", bucket(`ownership = "adopt"`), doctor.OK, `ownership is "adopt"`},
		{"bucket", "to borrow, absent", func(c *clinic) { c.text = "bucket {\nownership = \"external\"\n}" }, doctor.Fail, "is external, but it does not exist"},
		{"bucket", "taken", func(c *clinic) {
			c.text = "bucket {\nname = \"flows\"\nnamespace = \"global\"\n}"
			c.faults["GetBucketTagging"] = code("AccessDenied")
		}, doctor.Warn, "another account owns flows"},
		{"bucket", "unseen", func(c *clinic) { c.account.Policy = but("s3:GetBucketPolicy") }, doctor.OK, "is available"}, // it is absent all the same
		{"service role", "there", linked, doctor.OK, "AWSServiceRoleForECS exists"},
		{"service role", "unseen", func(c *clinic) { c.account.Policy = but("iam:GetRole") }, doctor.Warn, "this check needs iam:GetRole"},
		{"iam quotas", "unseen", func(c *clinic) { c.account.Policy = but("iam:GetAccountSummary") }, doctor.Warn, "this check needs iam:GetAccountSummary"},
		{"shared role", "some room", shared(3, ""), doctor.OK, "ecsTaskExecutionRole has about 10240 of 10240 characters left for inline policies, and 47 of 50 tags"},
		{"shared role", "no tag left", shared(50, ""), doctor.OK, "0 of 50 tags: a new environment gets a role of its own"},
		{"shared role", "no tag left, and named", shared(50, named), doctor.Warn, `execution_role { name = "flowbed-dev-execution" }`},
		{"role sharing", "the role, which reads a key", sharing, doctor.Warn, "would share ecsTaskExecutionRole with prod@eu-central-1: the agents of all of them, and whoever may pass ecsTaskExecutionRole and register task definitions, can read the secrets of prod@eu-central-1"},
		{"cluster sharing", "the cluster", sharing, doctor.OK, "would share cluster default with prod@eu-central-1: the workers of all of them can see and stop all tasks in cluster default"},
		{"cluster sharing", "unseen", func(c *clinic) { c.account.Policy = but("ecs:DescribeClusters") }, doctor.Warn, "this check needs ecs:DescribeClusters"},
		{"shared role", "unseen", func(c *clinic) { c.account.Policy = but("iam:GetRole") }, doctor.Warn, "this check needs iam:GetRole"},
		{"vcpus", "many", crowd, doctor.Warn, "standard instances use 4"},
		{"permissions", "those of the table", func(c *clinic) { c.account.Policy = needed(c, "iam:SimulatePrincipalPolicy") }, doctor.OK, "all permissions for up and down"},
		{"permissions", "some lack", func(c *clinic) { c.account.Policy = but("iam:CreateRole", "iam:PassRole") }, doctor.Fail, "lacks iam:CreateRole, iam:PassRole"},
		{"permissions", "unseen", func(c *clinic) { c.account.Policy = but("iam:SimulatePrincipalPolicy") }, doctor.Warn, "this check needs iam:SimulatePrincipalPolicy"},
		{"permissions", "root", func(c *clinic) { c.account.Caller = "arn:aws:iam::123456789012:root" }, doctor.OK, "root"},
		{"permissions", "a session", session("ci"), doctor.Fail, "role/teams/ci lacks"},
		{"permissions", "a session of nobody's", func(c *clinic) { c.account.Caller = "arn:aws:sts::123456789012:assumed-role/gone/me" }, doctor.Warn, "IAM does not know"},
		{"permissions", "federated", func(c *clinic) { c.account.Caller = "arn:aws:sts::123456789012:federated-user/ada" }, doctor.Warn, "does not simulate a federated-user"},
		{"ec2 dry run", "refused", func(c *clinic) { c.account.Policy = but("ec2:CreateSecurityGroup") }, doctor.Fail,
			"CreateSecurityGroup is denied: you need the permission ec2:CreateSecurityGroup on arn:aws:ec2:eu-central-1:123456789012:security-group/*"},
		{"ec2 dry run", "unclear", func(c *clinic) { c.faults["ImportKeyPair"] = code("InternalError") }, doctor.Warn, "cannot tell for ImportKeyPair"},
		{"ec2 dry run", "a launch", ownGroup, doctor.OK, "RunInstances"},
		{"lock", "held", held, doctor.Warn, "flowbed unlock"},
		{"lock", "unseen", func(c *clinic) { c.account.Policy = but("ssm:GetParameterHistory") }, doctor.Warn, "this check needs ssm:GetParameterHistory"},
		{"prefect", "wrong key", func(c *clinic) { c.server.Auth = "other:words" }, doctor.Fail, "auth_string"},
		{"prefect", "nobody there", func(c *clinic) { c.carry = nobody{} }, doctor.Fail, "api_url"},
		{"prefect", "a pool", func(c *clinic) { c.server.SetPool("flowbed-dev", map[string]any{}) }, doctor.OK, "the work pool flowbed-dev exists"},
	} {
		t.Run(c.check+", "+c.name, func(t *testing.T) {
			k := newClinic(t)
			c.prepare(k)
			list := k.look()
			for _, f := range list {
				if f.Check == c.check {
					if f.Status != c.status || !strings.Contains(f.Text+" → "+f.Todo, c.says) {
						t.Errorf("%+v, want %s with %q", f, c.status, c.says)
					}
					return
				}
			}
			t.Errorf("no finding of %s in\n%s", c.check, text(list))
		})
	}
}

const named = "execution_role {\nname = \"ecsTaskExecutionRole\"\n}\n"

// shared makes the account's execution role, with tags.
func shared(tags int, text string) func(*clinic) {
	return func(c *clinic) {
		c.text = text + c.text
		in := &iam.CreateRoleInput{RoleName: aws.String("ecsTaskExecutionRole"), AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}
		for i := range tags {
			in.Tags = append(in.Tags, iamtypes.Tag{Key: aws.String(fmt.Sprintf("team-%d", i)), Value: aws.String("x")})
		}
		if _, err := iam.NewFromConfig(c.account.Config(region)).CreateRole(context.Background(), in); err != nil {
			c.Fatal(err)
		}
	}
}

// sharing lets another environment use the account's role, with a policy for its key, and the
// cluster, before this one comes.
func sharing(c *clinic) {
	shared(0, named)(c)
	other := resource.Identity{Env: "prod", Region: region, Account: identity.Account, Partition: "aws", Version: "1.0.0"}
	role := aws.String("ecsTaskExecutionRole")
	cfg := c.account.Config(region)
	var roleTags []iamtypes.Tag
	var clusterTags []ecstypes.Tag
	for k, v := range other.SharedTags("x") {
		roleTags = append(roleTags, iamtypes.Tag{Key: &k, Value: &v})
		clusterTags = append(clusterTags, ecstypes.Tag{Key: &k, Value: &v})
	}
	c.must(iam.NewFromConfig(cfg).TagRole(context.Background(), &iam.TagRoleInput{RoleName: role, Tags: roleTags}))
	c.must(iam.NewFromConfig(cfg).PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{
		RoleName: role, PolicyName: aws.String(other.Names().SharedPolicy()), PolicyDocument: aws.String(allow("ssm:GetParameters"))}))
	c.must(ecs.NewFromConfig(cfg).CreateCluster(context.Background(), &ecs.CreateClusterInput{ClusterName: aws.String("default"), Tags: clusterTags}))
}

func credentials(v aws.Credentials) func(*aws.Config) {
	return func(cfg *aws.Config) {
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return v, nil })
	}
}

func expiring(in time.Duration) func(*clinic) {
	return func(c *clinic) {
		c.config = credentials(aws.Credentials{AccessKeyID: "A", SecretAccessKey: "S", SessionToken: "T", CanExpire: true, Expires: time.Now().Add(in)})
	}
}

func (c *clinic) must(_ any, err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func noVPC(c *clinic) {
	ctx, api := context.Background(), ec2.NewFromConfig(c.account.Config(region))
	subnets, err := api.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	c.must(nil, err)
	for _, s := range subnets.Subnets {
		c.must(api.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId}))
	}
	gateways, err := api.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{})
	c.must(nil, err)
	c.must(api.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{
		InternetGatewayId: gateways.InternetGateways[0].InternetGatewayId, VpcId: subnets.Subnets[0].VpcId,
	}))
	c.must(api.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: subnets.Subnets[0].VpcId}))
}

// bucket creates another owner's bucket with the environment's name.
func bucket(attributes string) func(*clinic) {
	return func(c *clinic) {
		c.text = "bucket {\nname = \"flows-of-dev\"\nnamespace = \"global\"\n" + attributes + "\n}"
		c.must(s3.NewFromConfig(c.account.Config(region)).CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String("flows-of-dev"),
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	}
}

func linked(c *clinic) {
	c.must(iam.NewFromConfig(c.account.Config(region)).CreateServiceLinkedRole(context.Background(),
		&iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("ecs.amazonaws.com")}))
}

func (c *clinic) image() *string {
	out, err := ssm.NewFromConfig(c.account.Config(region)).GetParameter(context.Background(), &ssm.GetParameterInput{
		Name: aws.String("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")})
	c.must(nil, err)
	return out.Parameter.Value
}

func crowd(c *clinic) {
	for range 2 {
		c.must(ec2.NewFromConfig(c.account.Config(region)).RunInstances(context.Background(), &ec2.RunInstancesInput{
			ImageId: c.image(), InstanceType: "t3.micro", MinCount: aws.Int32(1), MaxCount: aws.Int32(1)}))
	}
}

func session(role string) func(*clinic) {
	return func(c *clinic) {
		c.must(iam.NewFromConfig(c.account.Config(region)).CreateRole(context.Background(), &iam.CreateRoleInput{
			RoleName: &role, Path: aws.String("/teams/"), AssumeRolePolicyDocument: aws.String(
				`{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`)}))
		c.account.Caller = "arn:aws:sts::123456789012:assumed-role/" + role + "/me"
		c.account.Policy = but("iam:CreateRole")
	}
}

// ownGroup is the agent's group, of an earlier up.
func ownGroup(c *clinic) {
	ctx, api := context.Background(), ec2.NewFromConfig(c.account.Config(region))
	vpcs, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	c.must(nil, err)
	c.must(api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("flowbed-dev-agent"), Description: aws.String("x"), VpcId: vpcs.Vpcs[0].VpcId,
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: "security-group", Tags: []ec2types.Tag{
			{Key: aws.String("flowbed:environment"), Value: aws.String("dev")}}}},
	}))
}

func held(c *clinic) {
	l := &lease.Lease{API: ssm.NewFromConfig(c.account.Config(region)), ID: identity, Command: "up"}
	_, _, err := l.Acquire(context.Background(), nil)
	c.must(nil, err)
}

type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		list []doctor.Finding
		want doctor.Status
	}{
		{nil, doctor.OK},
		{[]doctor.Finding{{Status: doctor.OK}, {Status: doctor.Warn}, {Status: doctor.OK}}, doctor.Warn},
		{[]doctor.Finding{{Status: doctor.Fail}, {Status: doctor.Warn}}, doctor.Fail},
	} {
		if have := doctor.Worst(c.list); have != c.want {
			t.Errorf("%v: %s, want %s", c.list, have, c.want)
		}
	}
}
