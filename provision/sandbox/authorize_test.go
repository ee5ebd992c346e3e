package sandbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox"
)

func allow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":` + action + `,"Resource":` + resource + `}}`
}

// TestPolicy makes calls under policies that almost allow them.
func TestPolicy(t *testing.T) {
	ctx := context.Background()
	role := func(cfg aws.Config) error {
		_, err := iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{
			RoleName: aws.String("x"), Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("data")}},
			AssumeRolePolicyDocument: aws.String(`{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`),
		})
		return err
	}
	group := func(cfg aws.Config) error {
		api := ec2.NewFromConfig(cfg)
		vpcs, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
		if err != nil {
			return err
		}
		_, err = api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			GroupName: aws.String("g"), Description: aws.String("g"), VpcId: vpcs.Vpcs[0].VpcId,
			TagSpecifications: []ec2types.TagSpecification{{ResourceType: "security-group", Tags: []ec2types.Tag{{Key: aws.String("team"), Value: aws.String("data")}}}},
		})
		return err
	}
	parameter := func(cfg aws.Config) error {
		_, err := ssm.NewFromConfig(cfg).PutParameter(ctx, &ssm.PutParameterInput{
			Name: aws.String("/a/b"), Value: aws.String("v"), Type: ssmtypes.ParameterTypeString,
			Tags: []ssmtypes.Tag{{Key: aws.String("team"), Value: aws.String("data")}}})
		return err
	}
	logs := func(cfg aws.Config) error {
		_, err := cloudwatchlogs.NewFromConfig(cfg).CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/a"), Tags: map[string]string{"a": "b"}})
		return err
	}
	cluster := func(cfg aws.Config) error {
		_, err := ecs.NewFromConfig(cfg).CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String("c")})
		return err
	}
	bucket := func(cfg aws.Config) error {
		_, err := s3.NewFromConfig(cfg).GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: aws.String("b")})
		return err
	}
	tagged := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"data"}}},` +
		`{"Effect":"Allow","Action":["ec2:Describe*","ec2:CreateSecurityGroup"],"Resource":["*","arn:aws:ec2:*:*:vpc/*"]}]}`
	for _, c := range []struct {
		name, policy string
		call         func(aws.Config) error
		code, says   string // empty if the call is allowed
	}{
		{"all", allow(`"*"`, `"*"`), role, "", ""},
		{"another action", allow(`"iam:Get*"`, `"*"`), role, "AccessDenied",
			"User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::123456789012:role/x because no identity-based policy allows"},
		{"no permission for the tag", allow(`"iam:CreateRole"`, `"arn:aws:iam::123456789012:role/x"`), role, "AccessDenied", "iam:TagRole"},
		{"another role", allow(`"iam:*"`, `"arn:aws:iam::123456789012:role/y*"`), role, "AccessDenied", "iam:CreateRole"},
		{"denied", `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}`, role,
			"AccessDenied", "with an explicit deny in an identity-based policy"},
		{"a tag of the request", tagged, group, "", ""},
		{"another tag", strings.Replace(tagged, `:"data"`, `:"web"`, 1), group, "UnauthorizedOperation", "ec2:CreateTags"},
		{"an unknown operator", strings.Replace(tagged, "StringEquals", "DateLessThan", 1), group, "NotImplemented", "DateLessThan"},
		{"a parameter", allow(`["ssm:PutParameter","ssm:AddTagsToResource"]`, `"arn:aws:ssm:eu-central-1:123456789012:parameter/a/b"`), parameter, "", ""},
		{"a parameter's tags", allow(`"ssm:PutParameter"`, `"*"`), parameter, "AccessDeniedException", "ssm:AddTagsToResource"},
		{"a log group without its colon", allow(`"logs:*"`, `"arn:aws:logs:eu-central-1:123456789012:log-group:/a"`), logs, "AccessDeniedException", "log-group:/a:*"},
		{"a cluster", allow(`"ecs:CreateCluster"`, `"arn:aws:ecs:eu-central-1:123456789012:cluster/d"`), cluster, "AccessDeniedException", "cluster/c"},
		{"S3's other names", allow(`"s3:GetBucketEncryption"`, `"*"`), bucket, "AccessDenied", `s3:GetEncryptionConfiguration on resource: "arn:aws:s3:::b"`},
	} {
		account := sandbox.New()
		account.Policy = c.policy
		err := c.call(account.Config("eu-central-1"))
		api, _ := errors.AsType[smithy.APIError](err)
		switch {
		case c.code == "" && err != nil:
			t.Errorf("%s: have %v, want no error", c.name, err)
		case c.code != "" && (api == nil || api.ErrorCode() != c.code || !strings.Contains(api.ErrorMessage(), c.says)):
			t.Errorf("%s: have %v, want code %s and %q in the message", c.name, err, c.code, c.says)
		}
		if len(account.Inventory()) > 0 && c.code != "" {
			t.Errorf("%s: the denied call changed the account: %v", c.name, account.Inventory())
		}
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	account := sandbox.New()
	api := ec2.NewFromConfig(account.Config("eu-central-1"))
	in := &ec2.ImportKeyPairInput{KeyName: aws.String("k"), PublicKeyMaterial: []byte("x"), DryRun: aws.Bool(true)}
	for policy, want := range map[string]string{"": "DryRunOperation", allow(`"s3:*"`, `"*"`): "UnauthorizedOperation"} {
		account.Policy = policy
		_, err := api.ImportKeyPair(context.Background(), in)
		if have, _ := errors.AsType[smithy.APIError](err); have == nil || have.ErrorCode() != want {
			t.Errorf("under policy %q: have %v, want code %s", policy, err, want)
		}
	}
	if len(account.Writes()) > 0 || len(account.Inventory()) > 0 {
		t.Errorf("the dry run changed the account: %v", account.Inventory())
	}
}
