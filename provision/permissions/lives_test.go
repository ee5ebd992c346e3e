package permissions_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/lifecycle"
)

const keyTwo = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHf8/m2D8BdXnC7bJx3DNzkC0KJ0VwJ6oHhPUs/VtDbm"

// quiet leaves Prefect out.
var quiet = stack.Options{NoPrefect: true}

// life is what happens in a world.
type life struct {
	name string
	of   func(*world)
}

// lives call all that the kinds say, together with drifts.
var lives = []life{
	{"built, changed, removed", built},
	{"the agent goes", agentGoes},
	{"a silent worker", silent},
	{"what is in the way", obstructed},
	{"full of data", holding},
	{"external and adopted", externalAndAdopted},
	{"an agent with a role of somebody else", lent},
	{"private subnets", private},
	{"a VPC of its own", apart},
	{"a closed VPC of its own", closed},
	{"a network that others change", rewired},
	{"names of its own", named},
	{"a type that is not sold", unsold},
	{"a VPC without subnets", nowhere},
	{"renamed", renamed},
	{"renamed in use", renamedInUse},
	{"another profile", anotherProfile},
	{"a lifetime", limited},
	{"a failure", failing},
	{"a flow still runs", running},
	{"hello", greeted},
	{"a key that exists", keyFrom},
	{"others share", shared},
	{"a service", served},
	{"a service that does not start", unserved},
	{"a company's account", company},
	{"a customer's key", encrypted},
	{"groups of others", otherGroups},
	{"a VPC of another environment", borrowing},
	{"a pattern of names", patterned},
	{"a log group of another name", renamingLogs},
	{"a log group that is missing", missingLogs},
	{"others change what is ignored", ignoring},
	{"others change what is ignored of the account's role", ignoringShared},
	{"roles move to a path", toPath},
}

// drifts changes every field of every kind outside flowbed, and lets up repair it.
func drifts() (list []life) {
	for _, c := range lifecycle.Cases {
		list = append(list, life{"drift of the " + c.Name, func(w *world) {
			text := everything(w.T)
			switch {
			case c.AccountWide:
				text = byDefault(w.T, text)
			case c.Name == "service" || c.Name == "task definition":
				text = "tags = { team = \"data\" }\n" + inService
			}
			text = adding(edited(w.T, text, c.Edits...), c.Spec)
			if c.Before != nil {
				w.check(c.Before(context.Background(), w.hand()))
			}
			w.must(permissions.Up, text, quiet)
			hand := w.hand()
			for _, f := range c.Fields {
				if err := f.Tamper(context.Background(), hand); err != nil {
					w.Fatalf("tamper with %s: %v", f.Name, err)
				}
				w.must(permissions.Plan, text, quiet)
				if w.planned.Empty() {
					w.Errorf("%s was changed, and the plan is empty", f.Name)
				}
				w.must(permissions.Up, text, quiet)
			}
		}})
	}
	return list
}

// ignoring leaves fields to others. A new object has a tag until it has them all.
func ignoring(w *world) {
	text := inNewVPC(w.T, everything(w.T))
	for block, fields := range map[string]string{
		"bucket": `"policy", "encryption"`, "task_role": `"trust policy"`, "execution_role": `"managed policy"`, "cluster": `"container insights"`,
		"repository": `"lifecycle policy"`, "network": `"default route", "egress", "dns hostnames"`, "logs": `"retention"`,
		"prefect": `"policy", "target"`, "agent": `"instance type", "image", "key pair", "security groups", "user data", "managed policy", "role"`,
	} {
		text = edited(w.T, text, `(?m)^  `+block+` \{\n`, "${0}    ignore_changes = ["+fields+"]\n")
	}
	w.importKey("ada")
	w.must(permissions.Up, edited(w.T, text, `public_key +=.*`, `key_name = "ada"`), quiet)
	w.must(permissions.Plan, edited(w.T, text, `public_key +=.*`, `key_name = "ada"`), quiet)
	if !w.planned.Empty() {
		w.Errorf("up has left %+v", w.planned)
	}
	for _, f := range lifecycle.Instance.Fields {
		if f.Name == "instance type" || f.Name == "security groups" {
			w.check(f.Tamper(context.Background(), w.hand()))
		}
	}
	before := w.instance()
	w.must(permissions.Up, edited(w.T, text, `volume_gib( +)= \d+`, "volume_gib${1}= 30", `image( +)= "al2023"`, `image${1}= "ami-0123456789abcdef0"`), quiet)
	kept := func(i ec2types.Instance) string {
		return fmt.Sprint(i.InstanceType, " of ", *i.ImageId, " with ", *i.KeyName, " in ", *i.SecurityGroups[0].GroupName)
	}
	if after := w.instance(); *after.InstanceId == *before.InstanceId || kept(after) != kept(before) {
		w.Errorf("the new instance is a %s, want a %s", kept(after), kept(before))
	}
	w.must(permissions.Down, text, quiet)
	_, err := ec2.NewFromConfig(w.account.Config(home)).DeleteKeyPair(context.Background(), &ec2.DeleteKeyPairInput{KeyName: aws.String("ada")})
	w.check(err)
	if !w.empty() {
		w.Error("something is left")
	}
}

// ignoringShared leaves a field of the execution role of the whole account to others: the environment
// that creates the role gives it the field, and the tag.
func ignoringShared(w *world) {
	const text = `execution_role { ignore_changes = ["managed policy"] }`
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Plan, text, quiet)
	if !w.planned.Empty() {
		w.Errorf("up has left %+v", w.planned)
	}
	w.must(permissions.Down, text, quiet)
	if !w.empty() {
		w.Error("something is left")
	}
}

// toPath plans to move roles that exist without a path.
func toPath(w *world) {
	const text = "execution_role { name = \"flowbed-dev-execution\" }\nagent {}\nprefect {\napi_url = \"https://prefect.example.com/api\"\n}\n"
	const moved = "iam { path = \"/data/\" }\n" + text
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Plan, moved, quiet)
	if n := w.planned.Count(provision.Replace); n != 4 { // with the instance profile
		w.Errorf("the plan replaces %d objects: %+v", n, w.planned)
	}
	w.must(permissions.Down, text, quiet)
}

// built takes the environment through its life, with and without names of its own.
func built(w *world) {
	for _, text := range []string{everything(w.T), byDefault(w.T, everything(w.T))} {
		w.must(permissions.Plan, text, quiet)
		w.must(permissions.Up, text, quiet)
		w.must(permissions.Plan, text, quiet)
		w.must(permissions.Up, changed(w.T, text), quiet)
		w.must(permissions.Up, text, quiet)
		w.must(permissions.Down, text, quiet)
		w.must(permissions.Down, text, quiet) // nothing is there
		if !w.empty() {
			w.Error("something is left")
		}
	}
}

// An earlier spec's agent is removed by up.
func agentGoes(w *world) {
	text := byDefault(w.T, everything(w.T))
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Plan, "", quiet)
	w.must(permissions.Up, "", quiet)
	w.must(permissions.Down, "", quiet)
}

// A worker that never reports has up read the instance's console.
func silent(w *world) {
	text := everything(w.T)
	if err := w.run(permissions.Up, text, stack.Options{}); err == nil || !strings.Contains(err.Error(), "worker") {
		w.Errorf("no worker reports, and up says: %v", err)
	}
	w.must(permissions.Down, text, quiet)
}

// What holds on to a group or a role is named.
func obstructed(w *world) {
	text := everything(w.T)
	w.must(permissions.Up, text, quiet)
	api := ec2.NewFromConfig(w.account.Config(home))
	group := w.group("flowbed-dev-tasks")
	i := w.instance()
	_, err := api.RunInstances(context.Background(), &ec2.RunInstancesInput{
		ImageId: i.ImageId, InstanceType: "t3.micro", MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SubnetId: i.SubnetId, SecurityGroupIds: []string{*group.GroupId},
	})
	w.check(err)
	w.hold("flowbed-dev-task")
	if err := w.run(permissions.Down, text, quiet); err == nil || !strings.Contains(err.Error(), "other") {
		w.Errorf("a group and a role are in use, and down says: %v", err)
	}
}

func holding(w *world) {
	text := everything(w.T)
	w.must(permissions.Up, text, quiet)
	w.fill()
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Down, text, stack.Options{NoPrefect: true, ForceDestroy: true})
}

func externalAndAdopted(w *world) {
	text := `bucket { ownership = "adopt" }
		task_role { ownership = "external" }
		execution_role { ownership = "external" }
		cluster { ownership = "external" }`
	w.must(permissions.Up, byDefault(w.T, everything(w.T)), quiet)
	if err := w.run(permissions.Up, text, quiet); err == nil {
		w.Error("what belongs to the environment became external")
	}
	w.release()
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Up, text, quiet)
	if err := w.run(permissions.Down, text, quiet); err != nil {
		w.Errorf("down of what is external: %v", err)
	}
}

// lent lets the agent go from its own role to one of somebody else, and back. The roles of somebody
// else are on a path that the file does not tell.
func lent(w *world) {
	const agent = `prefect { api_url = "https://prefect.example.com/api" }
		execution_role {
			name      = "company-execution"
			ownership = "external"
		}
		task_role {
			name      = "company-task"
			ownership = "external"
		}
		agent {
			role {
				name      = "company"
				ownership = "external"
			}
		}`
	cfg, ctx := w.account.Config(home), context.Background()
	roles, path := iam.NewFromConfig(cfg), aws.String("/teams/data/")
	for name, service := range map[string]string{"company": "ec2", "company-execution": "ecs-tasks", "company-task": "ecs-tasks"} {
		_, err := roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: path, AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
		w.check(err)
		_, err = roles.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: aws.String(everythingAllowed)})
		w.check(err)
	}
	name := aws.String("company")
	_, err := roles.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name, Path: path})
	w.check(err)
	_, err = roles.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: name})
	w.check(err)
	own := agent[:strings.Index(agent, "role {\n\t\t\t\tname")] + "}"
	service := strings.Replace(own, "agent {", "agent {\nservice {}", 1)
	for _, text := range []string{agent, own, agent, service} {
		w.must(permissions.Plan, text, quiet)
		w.must(permissions.Up, text, quiet)
	}
	w.must(permissions.Down, service, quiet)
}

// release removes the flowbed tags of the roles and of the cluster by hand.
func (w *world) release() {
	cfg, ctx := w.account.Config(home), context.Background()
	roles := iam.NewFromConfig(cfg)
	for _, name := range []string{"flowbed-dev-task", "ecsTaskExecutionRole"} {
		out, err := roles.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
		w.check(err)
		var keys []string
		for _, t := range out.Role.Tags {
			keys = append(keys, *t.Key)
		}
		_, err = roles.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: keys})
		w.check(err)
	}
	clusters := ecs.NewFromConfig(cfg)
	out, err := clusters.DescribeClusters(ctx, &ecs.DescribeClustersInput{Include: []ecstypes.ClusterField{ecstypes.ClusterFieldTags}})
	w.check(err)
	var keys []string
	for _, t := range out.Clusters[0].Tags {
		keys = append(keys, *t.Key)
	}
	_, err = clusters.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: out.Clusters[0].ClusterArn, TagKeys: keys})
	w.check(err)
}

func private(w *world) {
	api := ec2.NewFromConfig(w.account.Config(home))
	out, err := api.DescribeSubnets(context.Background(), &ec2.DescribeSubnetsInput{})
	w.check(err)
	for _, s := range out.Subnets {
		_, err := api.ModifySubnetAttribute(context.Background(), &ec2.ModifySubnetAttributeInput{
			SubnetId: s.SubnetId, MapPublicIpOnLaunch: &ec2types.AttributeBooleanValue{Value: aws.Bool(false)}})
		w.check(err)
	}
	text := edited(w.T, everything(w.T),
		`vpc( += ).*`, `vpc${1}"`+*out.Subnets[0].VpcId+`"`,
		`subnets( += ).*`, `subnets${1}["`+*out.Subnets[0].SubnetId+`"]`)
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Down, text, quiet)
}

// apart has a VPC of its own, which is removed also with a file that has none any more.
func apart(w *world) {
	text := inNewVPC(w.T, everything(w.T))
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Down, text, quiet)
	w.must(permissions.Down, text, quiet) // nothing is there
	if !w.empty() {
		w.Error("something is left")
	}
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Up, edited(w.T, text, `nat = "single"`, ``), quiet)
	w.must(permissions.Up, text, quiet)
	if err := w.runUnder(policyFor{permissions.Down, text}, permissions.Down, everything(w.T), quiet); err != nil {
		w.Errorf("down with a file that has no VPC: %v", err)
	}
	if !w.empty() {
		w.Error("something is left by down with a file that has no VPC")
	}
}

// closed has a VPC of its own without a way out, after one with a NAT gateway.
func closed(w *world) {
	text := edited(w.T, everything(w.T), lifecycle.Endpoints.Edits...)
	w.must(permissions.Up, inNewVPC(w.T, everything(w.T)), quiet)
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Up, edited(w.T, text, `"s3", "logs"`, `"sqs"`), quiet)
	w.must(permissions.Down, text, quiet)
	if !w.empty() {
		w.Error("something is left")
	}
}

// rewired has its gateway in another VPC, and its subnets in two tables with its tags, of which one
// also has a subnet of others.
func rewired(w *world) {
	const text = `network { vpc = "new" }`
	w.must(permissions.Up, text, quiet)
	api, ctx := ec2.NewFromConfig(w.account.Config(home)), context.Background()
	ours := []ec2types.Filter{{Name: aws.String("tag:flowbed:environment"), Values: []string{"dev"}}}
	gateways, err := api.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: ours})
	w.check(err)
	gateway := gateways.InternetGateways[0]
	_, err = api.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: gateway.InternetGatewayId, VpcId: gateway.Attachments[0].VpcId})
	w.check(err)
	other, err := api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16")})
	w.check(err)
	_, err = api.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway.InternetGatewayId, VpcId: other.Vpc.VpcId})
	w.check(err)
	tables, err := api.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: ours})
	w.check(err)
	table := tables.RouteTables[0]
	double, err := api.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{
		VpcId: table.VpcId, TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeRouteTable, Tags: table.Tags}}})
	w.check(err)
	_, err = api.ReplaceRouteTableAssociation(ctx, &ec2.ReplaceRouteTableAssociationInput{
		AssociationId: table.Associations[0].RouteTableAssociationId, RouteTableId: double.RouteTable.RouteTableId})
	w.check(err)
	subnet, err := api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: table.VpcId, CidrBlock: aws.String("10.42.240.0/24"),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeSubnet,
			Tags: []ec2types.Tag{{Key: aws.String("flowbed:environment"), Value: aws.String("dev")}}}}}) // otherwise nobody may touch it
	w.check(err)
	_, err = api.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: double.RouteTable.RouteTableId, SubnetId: subnet.Subnet.SubnetId})
	w.check(err)
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Plan, text, quiet)
	if !w.planned.Empty() {
		w.Errorf("the plan after up is not empty: %+v", w.planned.Actions)
	}
	_, err = api.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: subnet.Subnet.SubnetId})
	w.check(err)
	w.must(permissions.Down, text, quiet)
	_, err = api.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: other.Vpc.VpcId})
	w.check(err)
	if !w.empty() {
		w.Error("something is left")
	}
}

func named(w *world) {
	w.importKey("ada")
	text := ownNames + `prefect { api_url = "http://prefect.example/api" }
	agent {
			ssh { key_name = "ada" }
		}`
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Down, text, quiet)
}

// importKey imports a key pair by hand.
func (w *world) importKey(name string) {
	w.Helper()
	_, err := ec2.NewFromConfig(w.account.Config(home)).ImportKeyPair(context.Background(), &ec2.ImportKeyPairInput{
		KeyName: &name, PublicKeyMaterial: []byte(keyTwo)})
	w.check(err)
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
	text := byDefault(w.T, everything(w.T))
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Plan, ownNames, quiet)
	w.must(permissions.Up, ownNames, quiet)
	w.must(permissions.Down, ownNames, quiet)
	if !w.empty() {
		w.Error("something is left")
	}
}

// What has the default names, and cannot just go.
func renamedInUse(w *world) {
	text := byDefault(w.T, everything(w.T))
	w.must(permissions.Up, text, quiet)
	w.fill()
	w.hold("flowbed-dev-task")
	err := w.run(permissions.Up, ownNames, stack.Options{NoPrefect: true, ForceDestroy: true})
	if err == nil || !strings.Contains(err.Error(), "other") {
		w.Errorf("a renamed role is in use, and up says: %v", err)
	}
	w.letGo("flowbed-dev-task")
	w.must(permissions.Up, ownNames, stack.Options{NoPrefect: true, ForceDestroy: true})
}

// A profile that EC2 shows late, and one that was made anew under the same name, which is
// another one for the instance.
func anotherProfile(w *world) {
	text := byDefault(w.T, everything(w.T))
	w.account.ProfileShown = time.Minute
	w.must(permissions.Up, text, quiet)
	api, name := iam.NewFromConfig(w.account.Config(home)), aws.String("flowbed-dev-agent")
	_, err := api.RemoveRoleFromInstanceProfile(context.Background(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: name})
	w.check(err)
	_, err = api.DeleteInstanceProfile(context.Background(), &iam.DeleteInstanceProfileInput{InstanceProfileName: name})
	w.check(err)
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Up, text, quiet)
}

func limited(w *world) {
	text := byDefault(w.T, everything(w.T))
	for _, ttl := range []string{"8h", "24h"} {
		w.must(permissions.Up, edited(w.T, text, `(?m)^( +account += .*)$`, "${1}\n  ttl = \""+ttl+"\""), quiet)
	}
	w.must(permissions.Up, text, quiet)
	w.must(permissions.Down, text, quiet)
	w.must(permissions.Up, "ttl = \"8h\"\n"+ownNames, quiet)
	w.must(permissions.Up, ownNames, quiet)
}

// A flow that still runs when the environment goes.
func running(w *world) {
	text := byDefault(w.T, everything(w.T))
	w.must(permissions.Up, text, quiet)
	api, ctx := ecs.NewFromConfig(w.account.Config(home)), context.Background()
	_, err := api.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("flow"), TaskRoleArn: aws.String(here.ARN("iam", "", "role/flowbed-dev-task")),
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Image: aws.String("python:3.12")}},
	})
	w.check(err)
	_, err = api.RunTask(ctx, &ecs.RunTaskInput{Cluster: aws.String("default"), TaskDefinition: aws.String("flow")})
	w.check(err)
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Down, text, quiet)
}

// Another environment stays with what this one leaves.
func shared(w *world) {
	text := byDefault(w.T, everything(w.T))
	w.must(permissions.Up, text, quiet)
	cfg, ctx := w.account.Config(home), context.Background()
	key, value := aws.String("flowbed:claim:prod@"+home), aws.String("in use")
	_, err := iam.NewFromConfig(cfg).TagRole(ctx, &iam.TagRoleInput{
		RoleName: aws.String("ecsTaskExecutionRole"), Tags: []iamtypes.Tag{{Key: key, Value: value}}})
	w.check(err)
	_, err = ecs.NewFromConfig(cfg).TagResource(ctx, &ecs.TagResourceInput{
		ResourceArn: aws.String(here.ARN("ecs", home, "cluster/default")), Tags: []ecstypes.Tag{{Key: key, Value: value}}})
	w.check(err)
	w.must(permissions.Plan, text, quiet)
	w.must(permissions.Down, text, quiet)
}

// Hello completes, finds what fails, and stops a task that takes too long.
func greeted(w *world) {
	for _, names := range []string{"", ownNames} {
		text := names + "agent {}\nprefect {\napi_key = \"pnu_0123456789\"\napi_url = \"https://prefect.example.com/api\"\n}"
		o := stack.Options{Transport: sandbox.Prefect(w.account)}
		w.must(permissions.Up, text, o)
		w.must(permissions.Hello, text, o)
		w.account.FlowMemory = 3000
		if err := w.run(permissions.Hello, text, o); err == nil || !strings.Contains(err.Error(), "ran out of memory") {
			w.Errorf("a task has too little memory, and hello says: %v", err)
		}
		w.account.FlowMemory, w.account.TaskTime = 0, time.Hour
		if err := w.run(permissions.Hello, text, o); err == nil || !strings.Contains(err.Error(), "has not ended") {
			w.Errorf("a task takes too long, and hello says: %v", err)
		}
		w.account.TaskTime = 0
		w.must(permissions.Down, text, o)
	}
}

// inService is an environment whose agent runs in a service.
const inService = `deletion_protection = true
	cluster { name = "flows" }
	prefect {
		api_url = "https://prefect.example.com/api"
		api_key = "pnu_0123456789"
	}
	agent {
		service {}
	}`

// served is the life of a service: it changes, its tags change, and its block goes.
func served(w *world) {
	o := stack.Options{Transport: sandbox.Prefect(w.account)}
	unprotected := edited(w.T, inService, `deletion_protection = true`, ``)
	none := edited(w.T, inService, `service {}`, ``)
	for _, text := range []string{inService, unprotected, edited(w.T, inService, `service {}`, "service {\ncpu = 512\n}"), inService} {
		w.must(permissions.Up, text, o)
		w.must(permissions.Plan, text, o)
		if !w.planned.Empty() {
			w.Errorf("the plan after up is not empty: %+v", w.planned.Actions)
		}
	}
	w.must(permissions.Down, inService, o)
	w.must(permissions.Down, inService, o)
	if !w.empty() {
		w.Error("something is left")
	}
	w.must(permissions.Up, inService, o)
	w.must(permissions.Hello, inService, o)
	if err := w.runUnder(policyFor{permissions.Up, inService}, permissions.Up, none, o, policyFor{permissions.Up, none}); err != nil {
		w.Errorf("up without the service: %v", err)
	}
	w.must(permissions.Plan, none, o)
	if !w.planned.Empty() {
		w.Errorf("the plan after it is not empty: %+v", w.planned.Actions)
	}
}

// unserved has up read why the tasks end.
func unserved(w *world) {
	o := stack.Options{Transport: sandbox.Prefect(w.account)}
	text := edited(w.T, inService, `service {}`, "service {\nimage = \"acme/worker:1\"\n}")
	if err := w.run(permissions.Up, text, o); err == nil || !strings.Contains(err.Error(), "the image cannot be pulled") {
		w.Errorf("up: %v", err)
	}
	w.must(permissions.Down, text, o)
}

// A customer's key encrypts everything, on an instance and in a service.
func encrypted(w *world) {
	for _, text := range []string{everything(w.T), inService} {
		o := stack.Options{Transport: sandbox.Prefect(w.account)}
		w.must(permissions.Up, text, o) // the log group gets the key later
		text = adding(text, lifecycle.Keyed)
		if strings.Contains(text, "secrets ") { // those that the example names do not exist
			text = edited(w.T, text, `(?m)^ +secrets +=.*\n`, "")
		}
		w.must(permissions.Plan, text, o)
		w.must(permissions.Up, text, o)
		w.must(permissions.Plan, text, o)
		if !w.planned.Empty() {
			w.Errorf("the plan after up is not empty: %+v", w.planned.Actions)
		}
		w.must(permissions.Hello, text, o)
		w.must(permissions.Down, text, stack.Options{Transport: o.Transport, ForceDestroy: true})
	}
}

// The key is a parameter or a secret of somebody else, which a customer key encrypts.
func keyFrom(w *world) {
	cfg, ctx, name := w.account.Config(home), context.Background(), aws.String("team/prefect")
	made, err := kms.NewFromConfig(cfg).CreateKey(ctx, &kms.CreateKeyInput{})
	w.check(err)
	key := *made.KeyMetadata.Arn
	_, err = ssm.NewFromConfig(cfg).PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String("/team/prefect"), Value: aws.String("pnu_0123456789"), Type: ssmtypes.ParameterTypeSecureString, KeyId: &key})
	w.check(err)
	out, err := secretsmanager.NewFromConfig(cfg).CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: name, SecretString: aws.String("pnu_0123456789"), KmsKeyId: &key})
	w.check(err)
	for _, from := range []string{"/team/prefect", *out.ARN} {
		for _, more := range []string{"", "service", "version = \"1.4.1\"\n"} {
			agent := "agent {}"
			if more == "service" {
				agent, more = "agent {\nservice {}\n}", ""
			}
			text := agent + "\nprefect {\n" + more + "api_key_from = \"" + from + "\"\napi_url = \"https://prefect.example.com/api\"\n}"
			if more != "" {
				text = strings.Replace(text, "https://prefect.example.com/api", "http://prefect.example.com:4200", 1)
			}
			o := stack.Options{Transport: sandbox.Prefect(w.account)}
			w.must(permissions.Plan, text, o)
			w.must(permissions.Up, text, o)
			if more == "" {
				w.must(permissions.Hello, text, o)
			}
			w.must(permissions.Down, text, o)
		}
	}
}

// What fails is explained.
func failing(w *world) {
	text := everything(w.T)
	w.account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Operation == "AuthorizeSecurityGroupIngress" || c.Operation == "CreateCluster" {
			return sandbox.Fault{Refuse: &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: "as the test wishes"}}
		}
		return sandbox.Fault{}
	}
	if err := w.run(permissions.Up, text, quiet); err == nil || !strings.Contains(err.Error(), "as the test wishes") {
		w.Errorf("up: %v", err)
	}
}

// Where the type cannot be had, it is said what can.
func unsold(w *world) {
	text := edited(w.T, everything(w.T), `instance_type = .*`, `instance_type = "x9.large"`)
	for _, v := range []permissions.Verb{permissions.Plan, permissions.Up} {
		if err := w.run(v, text, quiet); v == permissions.Up && (err == nil || !strings.Contains(err.Error(), "not available")) {
			w.Errorf("%s of a type that is not sold: %v", v, err)
		}
	}
	w.must(permissions.Down, text, quiet)
}

// A VPC that no subnet tells of is asked for by itself.
func nowhere(w *world) {
	text := "network { vpc = \"vpc-0123456789abcdef0\" }"
	for _, v := range []permissions.Verb{permissions.Plan, permissions.Up} {
		if err := w.run(v, text, quiet); v == permissions.Up && (err == nil || !strings.Contains(err.Error(), "does not exist")) {
			w.Errorf("%s in a VPC that is not there: %v", v, err)
		}
	}
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// fill puts data into all that can hold any.
func (w *world) fill() {
	w.Helper()
	hand := w.hand()
	for _, c := range lifecycle.Cases {
		if c.Fill != nil {
			w.check(c.Fill(context.Background(), hand))
		}
	}
}

// hold puts a role into another owner's instance profile.
func (w *world) hold(role string) {
	w.Helper()
	api := iam.NewFromConfig(w.account.Config(home))
	_, err := api.CreateInstanceProfile(context.Background(), &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("other")})
	w.check(err)
	_, err = api.AddRoleToInstanceProfile(context.Background(), &iam.AddRoleToInstanceProfileInput{
		InstanceProfileName: aws.String("other"), RoleName: &role})
	w.check(err)
}

func (w *world) letGo(role string) {
	_, err := iam.NewFromConfig(w.account.Config(home)).RemoveRoleFromInstanceProfile(context.Background(),
		&iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("other"), RoleName: &role})
	w.check(err)
}

func (w *world) instance() ec2types.Instance {
	out, err := ec2.NewFromConfig(w.account.Config(home)).DescribeInstances(context.Background(), &ec2.DescribeInstancesInput{
		Filters: []ec2types.Filter{{Name: aws.String("instance-state-name"), Values: []string{"running"}}}})
	w.check(err)
	return out.Reservations[0].Instances[0]
}

func (w *world) group(name string) ec2types.SecurityGroup {
	out, err := ec2.NewFromConfig(w.account.Config(home)).DescribeSecurityGroups(context.Background(), &ec2.DescribeSecurityGroupsInput{
		Filters: []ec2types.Filter{{Name: aws.String("group-name"), Values: []string{name}}}})
	w.check(err)
	return out.SecurityGroups[0]
}
