package iam_test

import (
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// TestSimulateCustomPolicy keeps what the doctor relies on.
func TestSimulateCustomPolicy(t *testing.T) {
	api := iam.NewFromConfig(sandbox.New().Config("us-east-1"))
	const all = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	boundary := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::a/*"}}`
	simulate := func(action, resource, boundary string) (string, error) {
		in := &iam.SimulateCustomPolicyInput{PolicyInputList: []string{all}, ActionNames: []string{action}, ResourceArns: []string{resource}}
		if boundary != "" {
			in.PermissionsBoundaryPolicyInputList = []string{boundary}
		}
		out, err := api.SimulateCustomPolicy(t.Context(), in)
		if err != nil {
			return core.CodeOf(err), nil
		}
		return string(out.EvaluationResults[0].EvalDecision), nil
	}
	for _, c := range []struct{ action, resource, boundary, want string }{
		{"s3:GetObject", "arn:aws:s3:::a/b", "", "allowed"},
		{"s3:GetObject", "arn:aws:s3:::a/b", boundary, "allowed"},
		{"s3:GetObject", "arn:aws:s3:::b/b", boundary, "implicitDeny"},
		{"sqs:SendMessage", "*", boundary, "implicitDeny"},
		{"s3:*", "*", boundary, "InvalidInput"},
		{"s3:GetObject", "a/*", boundary, "InvalidInput"},
	} {
		if have, err := simulate(c.action, c.resource, c.boundary); err != nil || have != c.want {
			t.Errorf("%s on %s within %q: have %s, %v, want %s", c.action, c.resource, c.boundary, have, err, c.want)
		}
	}
}

func TestPolicyVersion(t *testing.T) {
	api := iam.NewFromConfig(sandbox.New().Config("us-east-1"))
	const document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}`
	p, err := api.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("boundary"), PolicyDocument: aws.String(document)})
	if err != nil {
		t.Fatal(err)
	}
	out, err := api.GetPolicyVersion(t.Context(), &iam.GetPolicyVersionInput{PolicyArn: p.Policy.Arn, VersionId: p.Policy.DefaultVersionId})
	if err != nil {
		t.Fatal(err)
	}
	if have, err := url.PathUnescape(*out.PolicyVersion.Document); have != document || have == *out.PolicyVersion.Document || err != nil {
		t.Errorf("have %q, %v", have, err)
	}
	if _, err := api.GetPolicyVersion(t.Context(), &iam.GetPolicyVersionInput{PolicyArn: p.Policy.Arn, VersionId: aws.String("v2")}); core.CodeOf(err) != "NoSuchEntity" {
		t.Errorf("a version that is not there: %v", err)
	}
}
