package stack_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

// TestRemediation: what companies change after up (AWS's key for the bucket, a policy for each
// role of an instance) is left alone where the file says so, and else changed back.
func TestRemediation(t *testing.T) {
	account := sandbox.New()
	file := func(ignored string) string {
		return "environment \"dev\" {\n" + ignored + "\nprefect {\nversion = \"1.4.1\"\napi_url = \"http://prefect.example.com:4200\"\n}\n}"
	}
	ignoring := file("bucket { ignore_changes = [\"encryption\"] }\nagent { ignore_changes = [\"managed policy\"] }")
	up(t, account, ignoring)
	_, err := s3.NewFromConfig(account.Config(region)).PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{
		Bucket: aws.String("flowbed-dev-123456789012-eu-central-1-an"),
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = iam.NewFromConfig(account.Config(region)).AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{
		RoleName: aws.String("flowbed-dev-agent"), PolicyArn: aws.String("arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy")})
	if err != nil {
		t.Fatal(err)
	}
	up(t, account, ignoring)
	p, err := build(t, account, ignoring, noPrefect).Graph.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	for _, a := range p.Actions {
		for _, n := range a.Notes {
			notes = append(notes, a.Step+" "+n.Text)
		}
	}
	for _, want := range []string{"bucket ignores a difference of encryption", "agent role ignores a difference of managed policy"} {
		if !slices.ContainsFunc(notes, func(n string) bool { return strings.HasPrefix(n, want) }) {
			t.Errorf("the notes are %q, want %q", notes, want)
		}
	}
	p, err = build(t, account, file("agent {}"), noPrefect).Graph.Plan(t.Context())
	if have, want := actions(p, provision.Update), 2; err != nil || len(have) != want {
		t.Errorf("without ignore_changes: have %q, %v, want %d changes", have, err, want)
	}
}

// TestIgnorable: every block takes the fields of its steps, also those of settings that are off.
func TestIgnorable(t *testing.T) {
	env := spec.Defaults("dev", spec.Place{Account: sandbox.DefaultAccount, Region: region})
	env.Bucket.Versioning = new(false)
	for field, want := range map[string]string{"versioning": "", "lifecycle": "", "tags": "Differences of tags cannot be ignored.", "encrypton": `did you mean "encryption"?`} {
		env.Bucket.IgnoreChanges = []string{field}
		switch list := stack.Check(&env); {
		case want == "" && len(list) > 0:
			t.Errorf("%s: %+v", field, list)
		case want != "" && (len(list) != 1 || !strings.Contains(list[0].Detail, want) || list[0].Fields[0] != any(&env.Bucket.IgnoreChanges)):
			t.Errorf("%s: have %+v, want %q", field, list, want)
		}
	}
	env.Bucket.IgnoreChanges, env.TaskRole.IgnoreChanges = nil, []string{"managed policy"}
	if list := stack.Check(&env); len(list) > 0 {
		t.Errorf("a policy that somebody attaches to the task role: %+v", list)
	}
}
