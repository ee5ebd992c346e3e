package faultmatrix_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/faultmatrix"
)

// inCompany is an environment with everything that a company's account may demand: a path and a
// permissions boundary, a key of the company, and narrowed egress in a network of its own, whose
// private subnets have the tasks and the agent.
const inCompany = `
environment "%s" {
` + kmsKey + `
  tags    = { cost-center = "42" }
  iam {
    path                 = "/data/"
    permissions_boundary = "arn:aws:iam::` + sandbox.DefaultAccount + `:policy/boundary"
  }
  network {
    vpc       = "new"
    zones     = 2
    nat       = "single"
    endpoints = ["s3", "logs"]
    egress {
      cidrs = ["10.0.0.0/8"]
      ports = [443]
    }
  }
  repository {}
  prefect {
    api_url = "http://prefect.example/api"
    api_key = "pnu_a_secret_of_the_test"
    events  = true
  }
  agent {}
}
%.0s`

const kmsKey = `  kms_key = "arn:aws:kms:` + region + ":" + sandbox.DefaultAccount + `:key/1234abcd-12ab-34cd-56ef-1234567890ab"`

// keyless is an environment, and keyed is the same with a key.
const (
	keyless = `
environment "%s" {
` + unencrypted
	keyed = `
environment "%s" {
` + kmsKey + unencrypted
	unencrypted = `
  prefect {
    api_url = "http://prefect.example/api"
    api_key = "pnu_a_secret_of_the_test"
    events  = true
  }
  agent {}
}
%.0s`
)

// key is an account whose environment gets a key.
var key = kind{name: "key", faults: company.faults, large: true, prepare: func(w *world) { w.text = keyless }}

// TestEachCallOfKey injects faults at each call that gives the key to an environment.
func TestEachCallOfKey(t *testing.T) {
	eachCall(t, []kind{key}, func(c clean) map[string][]string { return map[string][]string{"change": c.change} })
}

// company is an account of a company. Each call is tried with the faults after which nobody knows
// that it was executed: a run that is killed before a call leaves what one leaves that is killed
// after the call before it.
var company = kind{
	name: "company", faults: []faultmatrix.Fault{faultmatrix.KilledAfter, faultmatrix.NoReply}, large: true, prepare: (*world).company,
}

// TestEachCallOfCompany injects faults at each call of an environment in a company's account.
func TestEachCallOfCompany(t *testing.T) {
	eachCall(t, []kind{company}, func(c clean) map[string][]string { return map[string][]string{"up": c.up, "down": c.down} })
}

// companyRules forbid what the environment needs no permission for.
const companyRules = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Deny","Action":["iam:CreateRole","iam:PutRolePolicy","iam:AttachRolePolicy"],"Resource":"*",
		"Condition":{"StringNotEquals":{"iam:PermissionsBoundary":"arn:aws:iam::` + sandbox.DefaultAccount + `:policy/boundary"}}},
	{"Effect":"Deny","Action":["iam:CreateRole","iam:CreateInstanceProfile"],
		"NotResource":["arn:aws:iam::*:role/data/*","arn:aws:iam::*:instance-profile/data/*"]}]}`

// company makes the boundary, and objects of others that look like those of the environment.
func (w *world) company() {
	w.Helper()
	w.text = inCompany
	cfg, ctx := w.account.Config(region), w.Context()
	_, err := iam.NewFromConfig(cfg).CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: aws.String("boundary"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)})
	w.must(err)
	api, named := ec2.NewFromConfig(cfg), func(kind types.ResourceType, name string) []types.TagSpecification {
		return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: aws.String("Name"), Value: &name}}}}
	}
	vpc, err := api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.42.0.0/16"), TagSpecifications: named(types.ResourceTypeVpc, "flowbed-dev")})
	w.must(err)
	_, err = api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String("10.42.0.0/20"),
		TagSpecifications: named(types.ResourceTypeSubnet, "flowbed-dev-public-1")})
	w.must(err)
	_, err = api.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: vpc.Vpc.VpcId, TagSpecifications: named(types.ResourceTypeRouteTable, "flowbed-dev-public")})
	w.must(err)
	_, err = api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: vpc.Vpc.VpcId, GroupName: aws.String("flowbed-dev-agent"), Description: aws.String("of others")})
	w.must(err)
	_, err = api.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{TagSpecifications: named(types.ResourceTypeInternetGateway, "flowbed-dev")})
	w.must(err)
	_, err = api.AllocateAddress(ctx, &ec2.AllocateAddressInput{TagSpecifications: named(types.ResourceTypeElasticIp, "flowbed-dev-nat-1")})
	w.must(err)
	w.account.ControlPolicy = companyRules
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}
