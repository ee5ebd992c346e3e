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
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox"
)

func allow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":` + action + `,"Resource":` + resource + `}}`
}

// TestPolicy makes calls under policies that allow not quite what they need.
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
		code, says   string // empty: it is allowed
	}{
		{"all", allow(`"*"`, `"*"`), role, "", ""},
		{"another action", allow(`"iam:Get*"`, `"*"`), role, "AccessDenied",
			"User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::123456789012:role/x because no identity-based policy allows"},
		{"the tag is left out", allow(`"iam:CreateRole"`, `"arn:aws:iam::123456789012:role/x"`), role, "AccessDenied", "iam:TagRole"},
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
			t.Errorf("%s: %v", c.name, err)
		case c.code != "" && (api == nil || api.ErrorCode() != c.code || !strings.Contains(api.ErrorMessage(), c.says)):
			t.Errorf("%s: %v, want %s with %q", c.name, err, c.code, c.says)
		}
		if len(account.Inventory()) > 0 && c.code != "" {
			t.Errorf("%s: what was refused was done: %v", c.name, account.Inventory())
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
			t.Errorf("under %q: %v, want %s", policy, err, want)
		}
	}
	if len(account.Writes()) > 0 || len(account.Inventory()) > 0 {
		t.Errorf("a dry run wrote: %v", account.Inventory())
	}
}

func TestEncodedMessageIsDecoded(t *testing.T) {
	ctx, account := context.Background(), sandbox.New()
	account.Policy = allow(`"sts:*"`, `"*"`)
	cfg := account.Config("eu-central-1")
	_, err := ec2.NewFromConfig(cfg).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	_, message, ok := strings.Cut(err.Error(), "Encoded authorization failure message: ")
	if !ok {
		t.Fatal(err)
	}
	out, err := sts.NewFromConfig(cfg).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &message})
	if err != nil || !strings.Contains(*out.DecodedMessage, `"action":"ec2:DescribeVpcs"`) {
		t.Errorf("decoded: %v, %v", out, err)
	}
	if _, err := sts.NewFromConfig(cfg).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("?")}); err == nil {
		t.Error("what is no message was decoded")
	}
}

func TestSimulatePrincipalPolicy(t *testing.T) {
	ctx, account := context.Background(), sandbox.New()
	api := iam.NewFromConfig(account.Config("eu-central-1"))
	simulate := func(source string) (string, error) {
		out, err := api.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{
			PolicySourceArn: aws.String("arn:aws:iam::123456789012:" + source), ActionNames: []string{"iam:PassRole"},
			ResourceArns: []string{"arn:aws:iam::123456789012:role/x"},
			ContextEntries: []iamtypes.ContextEntry{{ContextKeyName: aws.String("iam:PassedToService"),
				ContextKeyType: "string", ContextKeyValues: []string{"ec2.amazonaws.com"}}},
		})
		if err != nil {
			return "", err
		}
		return string(out.EvaluationResults[0].EvalDecision), nil
	}
	pass := func(effect, service string) string {
		return `{"Statement":[{"Effect":"Allow","Action":"iam:Simulate*","Resource":"*"},{"Effect":"` + effect + `","Action":"iam:PassRole","Resource":"*",` +
			`"Condition":{"StringEquals":{"iam:PassedToService":"` + service + `"}}}]}`
	}
	for policy, want := range map[string]string{
		"": "allowed", pass("Allow", "ec2.amazonaws.com"): "allowed", pass("Allow", "ecs.amazonaws.com"): "implicitDeny", pass("Deny", "ec2.amazonaws.com"): "explicitDeny",
	} {
		account.Policy = policy
		if have, err := simulate("user/sandbox"); have != want || err != nil {
			t.Errorf("under %q: %s, %v, want %s", policy, have, err, want)
		}
	}
	account.Policy = ""
	if _, err := simulate("role/nobody"); err == nil {
		t.Error("an unknown role was simulated")
	}
	account.Caller = "arn:aws:sts::123456789012:assumed-role/x/session"
	if _, err := simulate("user/sandbox"); err == nil {
		t.Error("an unknown user was simulated")
	}
}

func TestRegions(t *testing.T) {
	ctx, account := context.Background(), sandbox.New()
	account.Off = []string{"eu-south-1"}
	home := ec2.NewFromConfig(account.Config("us-east-1"))
	out, err := home.DescribeRegions(ctx, &ec2.DescribeRegionsInput{AllRegions: aws.Bool(true), RegionNames: []string{"eu-south-1", "eu-central-1", "af-south-1"}})
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, r := range out.Regions {
		have[*r.RegionName] = *r.OptInStatus
	}
	for region, want := range map[string]string{"eu-south-1": "not-opted-in", "eu-central-1": "opt-in-not-required", "af-south-1": "opted-in"} {
		if have[region] != want {
			t.Errorf("%s is %q, want %q", region, have[region], want)
		}
	}
	if out, err := home.DescribeRegions(ctx, &ec2.DescribeRegionsInput{RegionNames: []string{"eu-south-1"}}); err != nil || len(out.Regions) > 0 {
		t.Errorf("a region that is off is shown: %v, %v", out, err)
	}
	_, err = ec2.NewFromConfig(account.Config("eu-south-1")).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if api, _ := errors.AsType[smithy.APIError](err); api == nil || api.ErrorCode() != "AuthFailure" {
		t.Errorf("a call to a region that is off: %v", err)
	}
}
