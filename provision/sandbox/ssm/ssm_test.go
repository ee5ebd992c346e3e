package ssm_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
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
		{"existing", "/there", "v", "String", false, nil, "ParameterAlreadyExists"},
		{"overwritten", "/there", "v", "String", true, nil, ""},
		{"overwritten without type", "/there", "v", "", true, nil, ""},
		{"overwriting with tags", "/there", "v", "String", true, tag, "ValidationException"},
		{"another type", "/there", "v", "SecureString", true, nil, "HierarchyTypeMismatchException"},
		{"no type", "/new", "v", "", false, nil, "ValidationException"},
		{"reserved for AWS", "/aws/x", "v", "String", false, nil, "AccessDeniedException"},
		{"reserved for SSM", "SSMx", "v", "String", false, nil, "ValidationException"},
		{"character", "/a b", "v", "String", false, nil, "ValidationException"},
		{"not from the root", "a/b", "v", "String", false, nil, "ValidationException"},
		{"slash at the end", "/a/", "v", "String", false, nil, "ValidationException"},
		{"too deep", strings.Repeat("/a", 16), "v", "String", false, nil, "HierarchyLevelLimitExceededException"},
		{"reference", "/new", "{{ssm:x}}", "String", false, nil, "ValidationException"},
		{"4 KiB", "/new", strings.Repeat("v", 4096), "String", false, nil, ""},
		{"more than 4 KiB", "/new", strings.Repeat("v", 4097), "String", false, nil, "ValidationException"},
		{"empty", "/new", "", "String", false, nil, "ValidationException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := ssm.NewFromConfig(sandbox.New().Config("us-east-1"))
			try.Must(api.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/there"), Value: aws.String("old"), Type: "String"}))
			_, err := api.PutParameter(t.Context(), &ssm.PutParameterInput{
				Name: &c.parameter, Value: &c.value, Type: c.kind, Overwrite: &c.overwrite, Tags: c.tags,
			})
			try.WantCode(t, err, c.want)
			if err != nil {
				return
			}
			out := try.Must(api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &c.parameter, WithDecryption: aws.Bool(true)})).Parameter
			if *out.Value != c.value {
				t.Errorf("have the value %q, want %q", *out.Value, c.value)
			}
			if want := int64(1); c.parameter == "/there" && out.Version != want+1 || c.parameter != "/there" && out.Version != want {
				t.Errorf("have version %d, want 2 for /there and 1 for others", out.Version)
			}
		})
	}
}

func TestParameterIsEncrypted(t *testing.T) {
	api, ctx, name := ssm.NewFromConfig(sandbox.New().Config("us-east-1")), t.Context(), aws.String("/key")
	try.Must(api.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("hunter2"), Type: "SecureString"}))
	if v := *try.Must(api.GetParameter(ctx, &ssm.GetParameterInput{Name: name})).Parameter.Value; strings.Contains(v, "hunter2") {
		t.Error("GetParameter without decryption returned the plain value")
	}
	out := try.Must(api.GetParameters(ctx, &ssm.GetParametersInput{Names: []string{"/key", "/none"}, WithDecryption: aws.Bool(true)}))
	if *out.Parameters[0].Value != "hunter2" || len(out.InvalidParameters) != 1 {
		t.Errorf("have %v and %v", out.Parameters, out.InvalidParameters)
	}
	try.Must(api.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: name}))
	_, err := api.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: name})
	try.WantCode(t, err, "ParameterNotFound")
	_, err = api.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{ResourceType: "Parameter", ResourceId: name})
	try.WantCode(t, err, "InvalidResourceId")
}

func TestPublicParameters(t *testing.T) {
	ids := map[string]bool{}
	for _, name := range []string{
		"al2023-ami-kernel-default-x86_64", "al2023-ami-kernel-default-arm64", "amzn2-ami-hvm-x86_64-gp2", "amzn2-ami-hvm-arm64-gp2",
	} {
		for range 2 { // the same result every time
			api := ssm.NewFromConfig(sandbox.New().Config("us-east-1"))
			out := try.Must(api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/aws/service/ami-amazon-linux-latest/" + name)}))
			ids[*out.Parameter.Value] = true
		}
	}
	if len(ids) != 4 {
		t.Errorf("have the images %v, want 4", ids)
	}
	_, err := ssm.NewFromConfig(sandbox.New().Config("us-east-1")).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/aws/service/nothing")})
	try.WantCode(t, err, "ParameterNotFound")
}
