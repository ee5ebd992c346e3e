package sandbox

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

func TestParameterRules(t *testing.T) {
	tag := []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
	for _, c := range []struct {
		name, parameter, value string
		kind                   types.ParameterType
		overwrite              bool
		tags                   []types.Tag
		want                   string
	}{
		{"new", "/flowbed/dev/key", "v", "SecureString", false, tag, ""},
		{"new by overwriting", "/new", "v", "String", true, nil, ""},
		{"there already", "/there", "v", "String", false, nil, "ParameterAlreadyExists"},
		{"overwritten", "/there", "v", "String", true, nil, ""},
		{"overwritten without type", "/there", "v", "", true, nil, ""},
		{"overwriting with tags", "/there", "v", "String", true, tag, "ValidationException"},
		{"another type", "/there", "v", "SecureString", true, nil, "HierarchyTypeMismatchException"},
		{"no type", "/new", "v", "", false, nil, "ValidationException"},
		{"of AWS", "/aws/x", "v", "String", false, nil, "AccessDeniedException"},
		{"of SSM", "SSMx", "v", "String", false, nil, "ValidationException"},
		{"character", "/a b", "v", "String", false, nil, "ValidationException"},
		{"not from the root", "a/b", "v", "String", false, nil, "ValidationException"},
		{"slash at the end", "/a/", "v", "String", false, nil, "ValidationException"},
		{"too deep", strings.Repeat("/a", 16), "v", "String", false, nil, "HierarchyLevelLimitExceededException"},
		{"reference", "/new", "{{ssm:x}}", "String", false, nil, "ValidationException"},
		{"4 KiB", "/new", strings.Repeat("v", 4096), "String", false, nil, ""},
		{"more", "/new", strings.Repeat("v", 4097), "String", false, nil, "ValidationException"},
		{"empty", "/new", "", "String", false, nil, "ValidationException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := ssm.NewFromConfig(New().Config("us-east-1"))
			must(api.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/there"), Value: aws.String("old"), Type: "String"}))
			_, err := api.PutParameter(t.Context(), &ssm.PutParameterInput{
				Name: &c.parameter, Value: &c.value, Type: c.kind, Overwrite: &c.overwrite, Tags: c.tags,
			})
			wantCode(t, err, c.want)
			if err != nil {
				return
			}
			out := must(api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &c.parameter, WithDecryption: aws.Bool(true)})).Parameter
			if *out.Value != c.value {
				t.Errorf("have the value %q, want %q", *out.Value, c.value)
			}
			if want := int64(1); c.parameter == "/there" && out.Version != want+1 || c.parameter != "/there" && out.Version != want {
				t.Errorf("have version %d", out.Version)
			}
		})
	}
}

func TestParameterIsEncrypted(t *testing.T) {
	api, ctx, name := ssm.NewFromConfig(New().Config("us-east-1")), t.Context(), aws.String("/key")
	must(api.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("hunter2"), Type: "SecureString"}))
	if v := *must(api.GetParameter(ctx, &ssm.GetParameterInput{Name: name})).Parameter.Value; strings.Contains(v, "hunter2") {
		t.Error("readable without decryption")
	}
	out := must(api.GetParameters(ctx, &ssm.GetParametersInput{Names: []string{"/key", "/none"}, WithDecryption: aws.Bool(true)}))
	if *out.Parameters[0].Value != "hunter2" || len(out.InvalidParameters) != 1 {
		t.Errorf("have %v and %v", out.Parameters, out.InvalidParameters)
	}
	must(api.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: name}))
	_, err := api.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: name})
	wantCode(t, err, "ParameterNotFound")
	_, err = api.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{ResourceType: "Parameter", ResourceId: name})
	wantCode(t, err, "InvalidResourceId")
}

func TestPublicParameters(t *testing.T) {
	ids := map[string]bool{}
	for _, name := range []string{
		"al2023-ami-kernel-default-x86_64", "al2023-ami-kernel-default-arm64", "amzn2-ami-hvm-x86_64-gp2", "amzn2-ami-hvm-arm64-gp2",
	} {
		for range 2 { // the same every time
			api := ssm.NewFromConfig(New().Config("us-east-1"))
			out := must(api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/aws/service/ami-amazon-linux-latest/" + name)}))
			ids[*out.Parameter.Value] = true
		}
	}
	if len(ids) != 4 {
		t.Errorf("have the images %v, want 4", ids)
	}
	_, err := ssm.NewFromConfig(New().Config("us-east-1")).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/aws/service/nothing")})
	wantCode(t, err, "ParameterNotFound")
}

func TestLogRules(t *testing.T) {
	ctx, group := context.Background(), aws.String("/flowbed/dev")
	arn := "arn:aws:logs:us-east-1:123456789012:log-group:/flowbed/dev"
	for _, c := range []struct {
		name string
		do   func(*cloudwatchlogs.Client) error
		want string
	}{
		{"twice", func(api *cloudwatchlogs.Client) error {
			_, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
			return err
		}, "ResourceAlreadyExistsException"},
		{"character", func(api *cloudwatchlogs.Client) error {
			_, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("a:b")})
			return err
		}, "InvalidParameterException"},
		{"of AWS", func(api *cloudwatchlogs.Client) error {
			_, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("aws/x")})
			return err
		}, "InvalidParameterException"},
		{"/aws is free", func(api *cloudwatchlogs.Client) error {
			_, err := api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/aws/x")})
			return err
		}, ""},
		{"retention of 13 days", func(api *cloudwatchlogs.Client) error {
			_, err := api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(13)})
			return err
		}, "InvalidParameterException"},
		{"retention of 14 days", func(api *cloudwatchlogs.Client) error {
			_, err := api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(14)})
			return err
		}, ""},
		{"retention of nothing", func(api *cloudwatchlogs.Client) error {
			_, err := api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: aws.String("x"), RetentionInDays: aws.Int32(14)})
			return err
		}, "ResourceNotFoundException"},
		{"tags by ARN", func(api *cloudwatchlogs.Client) error {
			_, err := api.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{"k": "v"}})
			return err
		}, ""},
		{"tags by the policy's ARN", func(api *cloudwatchlogs.Client) error {
			_, err := api.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: aws.String(arn + ":*"), Tags: map[string]string{"k": "v"}})
			return err
		}, "InvalidParameterException"},
		{"deleted twice", func(api *cloudwatchlogs.Client) error {
			must(api.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group}))
			_, err := api.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group})
			return err
		}, "ResourceNotFoundException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := cloudwatchlogs.NewFromConfig(New().Config("us-east-1"))
			must(api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}))
			wantCode(t, c.do(api), c.want)
		})
	}
}

func TestLogGroupsAreFoundByPrefix(t *testing.T) {
	api, ctx := cloudwatchlogs.NewFromConfig(New().Config("us-east-1")), t.Context()
	for _, n := range []string{"/flowbed/dev", "/flowbed/dev2", "/other"} {
		must(api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &n}))
	}
	list := must(api.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/flowbed/dev")})).LogGroups
	if len(list) != 2 {
		t.Fatalf("have %d groups, want 2", len(list))
	}
	if *list[0].Arn != *list[0].LogGroupArn+":*" || strings.HasSuffix(*list[0].LogGroupArn, "*") {
		t.Errorf("have the ARNs %s and %s", *list[0].Arn, *list[0].LogGroupArn)
	}
}
