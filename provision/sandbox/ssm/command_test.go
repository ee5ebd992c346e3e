package ssm_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// TestCommandRules checks that a command needs a managed instance and an existing
// document. Tests that build an instance check that a command runs.
func TestCommandRules(t *testing.T) {
	for _, shell := range []bool{false, true} {
		a := sandbox.New()
		if shell {
			a.Shell = func(string, string) (string, int) { t.Error("the command ran, want it rejected"); return "", 0 }
		}
		api := ssm.NewFromConfig(a.Config("us-east-1"))
		for _, c := range []struct {
			document, script, want string
		}{
			{"AWS-RunShellScript", "true", "InvalidInstanceId"},
			{"AWS-RunShellScript", "", "InvalidParameters"},
			{"AWS-RunNothing", "true", "InvalidDocument"},
		} {
			in := &ssm.SendCommandInput{DocumentName: &c.document, InstanceIds: []string{"i-0123456789abcdef0"}}
			if c.script != "" {
				in.Parameters = map[string][]string{"commands": {c.script}}
			}
			if _, err := api.SendCommand(t.Context(), in); core.CodeOf(err) != c.want {
				t.Errorf("%s: have %v, want %s", c.document, err, c.want)
			}
		}
		_, err := api.GetCommandInvocation(t.Context(), &ssm.GetCommandInvocationInput{
			CommandId: aws.String("00000000-0000-4000-8000-000000000001"), InstanceId: aws.String("i-0123456789abcdef0")})
		if core.CodeOf(err) != "InvocationDoesNotExist" {
			t.Errorf("have %v", err)
		}
		out, err := api.DescribeInstanceInformation(t.Context(), &ssm.DescribeInstanceInformationInput{
			Filters: []types.InstanceInformationStringFilter{{Key: aws.String("InstanceIds"), Values: []string{"i-0123456789abcdef0"}}}})
		if err != nil || len(out.InstanceInformationList) > 0 {
			t.Errorf("have %v, %v", out, err)
		}
	}
}
