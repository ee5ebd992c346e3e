package permit_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/permit"
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
	made := map[permit.Verb]map[string]bool{permit.Plan: {}, permit.Up: {}, permit.Down: {}}
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
	for _, v := range permit.Verbs {
		for _, s := range permit.For(environment(t, full, v == permit.Down), identity, v, permit.Options{ForceDestroy: true}) {
			for _, n := range s.Needs {
				for _, a := range n.Actions {
					if !made[v][a] && n.Implied == "" {
						t.Errorf("%s of the step %s has %s, which nothing has called", v, s.Name, a)
					}
				}
			}
		}
	}
}

func built(w *world) {
	w.must(permit.Plan, full, quiet)
	w.must(permit.Up, full, quiet)
	w.must(permit.Plan, full, quiet)
	w.must(permit.Up, other, quiet)
	w.must(permit.Up, full, quiet)
	w.must(permit.Down, full, quiet)
	w.must(permit.Down, full, quiet) // nothing is there
	if !w.empty() {
		w.Error("something is left")
	}
}

func tampered(w *world) {
	w.must(permit.Up, full, quiet)
	w.tamper()
	w.must(permit.Plan, full, quiet)
	w.must(permit.Up, full, quiet)
	w.tamperMore()
	w.must(permit.Up, full, quiet)
}

// An earlier spec's agent is removed by up.
func agentGoes(w *world) {
	w.must(permit.Up, full, quiet)
	w.must(permit.Plan, "", quiet)
	w.must(permit.Up, "", quiet)
	w.must(permit.Down, "", quiet)
}

// A worker that never reports has up read the instance's console.
func silent(w *world) {
	if err := w.run(permit.Up, full, stack.Options{}); err == nil || !strings.Contains(err.Error(), "worker") {
		w.Errorf("no worker reports, and up says: %v", err)
	}
	w.must(permit.Down, full, quiet)
}

// What holds on to a group or a role is named.
func obstructed(w *world) {
	w.must(permit.Up, full, quiet)
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
	if err := w.run(permit.Down, full, quiet); err == nil || !strings.Contains(err.Error(), "other") {
		w.Errorf("a group and a role are in use, and down says: %v", err)
	}
}

func bucketful(w *world) {
	w.must(permit.Up, full, quiet)
	api := s3.NewFromConfig(w.account.Config(region))
	name := environment(w.T, full, false).Bucket.Name
	for range 2 {
		_, err := api.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &name, Key: aws.String("flow.py"), Body: strings.NewReader("x")})
		w.check(err)
	}
	_, err := api.CreateMultipartUpload(context.Background(), &s3.CreateMultipartUploadInput{Bucket: &name, Key: aws.String("big")})
	w.check(err)
	w.must(permit.Plan, full, quiet)
	w.must(permit.Down, full, stack.Options{NoPrefect: true, ForceDestroy: true})
}

func borrowedAndAdopted(w *world) {
	text := `bucket { ownership = "adopt" }
		task_role { ownership = "borrow" }
		execution_role { ownership = "borrow" }
		cluster { ownership = "borrow" }`
	w.must(permit.Up, full, quiet)
	w.must(permit.Plan, text, quiet)
	w.must(permit.Up, text, quiet)
	if err := w.run(permit.Down, text, quiet); err != nil {
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
	w.must(permit.Plan, text, quiet)
	w.must(permit.Up, text, quiet)
	w.must(permit.Down, text, quiet)
}

func named(w *world) {
	_, err := ec2.NewFromConfig(w.account.Config(region)).ImportKeyPair(context.Background(), &ec2.ImportKeyPairInput{
		KeyName: aws.String("ada"), PublicKeyMaterial: []byte(keyTwo)})
	w.check(err)
	text := ownNames + `agent {
			ssh { key_name = "ada" }
			prefect { api_url = "http://prefect.example/api" }
		}`
	w.must(permit.Plan, text, quiet)
	w.must(permit.Up, text, quiet)
	w.must(permit.Down, text, quiet)
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
	w.must(permit.Up, full, quiet)
	w.must(permit.Plan, ownNames, quiet)
	w.must(permit.Up, ownNames, quiet)
	w.must(permit.Down, ownNames, quiet)
	if !w.empty() {
		w.Error("something is left")
	}
}

// Where the type cannot be had, it is said what can.
func unsold(w *world) {
	text := strings.Replace(full, "t3.small", "x9.large", 1)
	for _, v := range []permit.Verb{permit.Plan, permit.Up} {
		if err := w.run(v, text, quiet); v == permit.Up && (err == nil || !strings.Contains(err.Error(), "not offered")) {
			w.Errorf("%s of a type that is not sold: %v", v, err)
		}
	}
	w.must(permit.Down, text, quiet)
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

// tamper changes what only another hand can change.
func (w *world) tamper() {
	ctx, cfg := context.Background(), w.account.Config(region)
	compute, roles, files := ec2.NewFromConfig(cfg), iam.NewFromConfig(cfg), s3.NewFromConfig(cfg)
	i, group, bucket := w.instance(), w.group("flowbed-dev-agent"), environment(w.T, full, false).Bucket.Name
	var errs []error
	did := func(_ any, err error) { errs = append(errs, err) }
	did(files.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &bucket, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
		Rules: []s3types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms"}}}}}))
	did(files.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &bucket}))
	did(files.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &bucket}))
	did(files.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: &bucket}))
	did(files.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: &bucket, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{
		{Key: aws.String("flowbed:managed-by"), Value: aws.String("flowbed")}, {Key: aws.String("flowbed:environment"), Value: aws.String("dev")},
		{Key: aws.String("flowbed:region"), Value: aws.String(region)}}}}))
	did(files.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: &bucket, OwnershipControls: &s3types.OwnershipControls{
		Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: s3types.ObjectOwnershipBucketOwnerPreferred}}}}))
	did(roles.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("flowbed-dev-agent"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com"},"Action":"sts:AssumeRole"}}`)}))
	did(roles.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("flowbed-dev-task"), PolicyName: aws.String("more"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)}))
	did(compute.ModifyInstanceMetadataOptions(ctx, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: i.InstanceId, HttpTokens: "optional"}))
	did(compute.DisassociateIamInstanceProfile(ctx, &ec2.DisassociateIamInstanceProfileInput{AssociationId: w.association(i)}))
	did(compute.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId: i.NetworkInterfaces[0].NetworkInterfaceId, Groups: []string{*w.group("default").GroupId}}))
	did(compute.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: group.GroupId, IpPermissions: group.IpPermissionsEgress}))
	did(compute.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: group.IpPermissions}))
	group.IpPermissions[0].IpRanges[0].Description = aws.String("somebody")
	did(compute.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: group.IpPermissions}))
	for _, err := range errs {
		w.check(err)
	}
	w.retype()
	clusters := ecs.NewFromConfig(cfg)
	_, err := clusters.UntagResource(ctx, &ecs.UntagResourceInput{
		ResourceArn: aws.String(identity.ARN("ecs", region, "cluster/default")), TagKeys: []string{"flowbed:claim:dev@" + region}})
	w.check(err)
	_, err = clusters.PutClusterCapacityProviders(ctx, &ecs.PutClusterCapacityProvidersInput{
		Cluster: aws.String("default"), CapacityProviders: []string{"FARGATE"}, DefaultCapacityProviderStrategy: []ecstypes.CapacityProviderStrategyItem{}})
	w.check(err)
}

func (w *world) association(i ec2types.Instance) *string {
	out, err := ec2.NewFromConfig(w.account.Config(region)).DescribeIamInstanceProfileAssociations(context.Background(),
		&ec2.DescribeIamInstanceProfileAssociationsInput{})
	w.check(err)
	at := slices.IndexFunc(out.IamInstanceProfileAssociations, func(a ec2types.IamInstanceProfileAssociation) bool { return *a.InstanceId == *i.InstanceId })
	return out.IamInstanceProfileAssociations[at].AssociationId
}

// retype makes the token a parameter that is no secret.
func (w *world) retype() {
	api, ctx, name := ssm.NewFromConfig(w.account.Config(region)), context.Background(), aws.String("/flowbed/dev/prefect-api-key")
	_, err := api.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: name})
	w.check(err)
	tag := func(k, v string) ssmtypes.Tag { return ssmtypes.Tag{Key: &k, Value: &v} }
	_, err = api.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("plain"), Type: ssmtypes.ParameterTypeString, Tags: []ssmtypes.Tag{
		tag("flowbed:managed-by", "flowbed"), tag("flowbed:environment", "dev"), tag("flowbed:region", region)}})
	w.check(err)
}

// tamperMore changes what cannot be changed at the same time.
func (w *world) tamperMore() {
	ctx, cfg := context.Background(), w.account.Config(region)
	compute, roles := ec2.NewFromConfig(cfg), iam.NewFromConfig(cfg)
	i := w.instance()
	var errs []error
	did := func(_ any, err error) { errs = append(errs, err) }
	profile := aws.String("flowbed-dev-agent")
	did(roles.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("other")}))
	did(roles.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("other"), RoleName: aws.String("flowbed-dev-task")}))
	did(compute.ReplaceIamInstanceProfileAssociation(ctx, &ec2.ReplaceIamInstanceProfileAssociationInput{
		AssociationId: w.association(i), IamInstanceProfile: &ec2types.IamInstanceProfileSpecification{Name: aws.String("other")}}))
	did(roles.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile, RoleName: profile}))
	did(roles.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: aws.String("flowbed-dev-task")}))
	did(compute.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{*i.InstanceId}}))
	for _, err := range errs {
		w.check(err)
	}
	time.Sleep(time.Minute) // until it has stopped
}
