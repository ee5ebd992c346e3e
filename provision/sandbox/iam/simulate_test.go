package iam_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/sandbox"
)

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
			t.Errorf("under policy %q: have %s, %v, want %s", policy, have, err, want)
		}
	}
	account.Policy = ""
	if _, err := simulate("role/nobody"); err == nil {
		t.Error("simulating an unknown role succeeded, want an error")
	}
	account.Caller = "arn:aws:sts::123456789012:assumed-role/x/session"
	if _, err := simulate("user/sandbox"); err == nil {
		t.Error("simulating an unknown user succeeded, want an error")
	}
}
