package awserr_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/awserr"
)

const (
	ada    = "arn:aws:iam::123456789012:user/ada"
	create = "User: " + ada + " is not authorized to perform: iam:CreateRole on resource: "
)

// The messages are of the forms that AWS documents.
func TestParseRefusal(t *testing.T) {
	for _, c := range []struct {
		name, message string
		want          awserr.Refusal
	}{
		{"no word", "Access Denied", awserr.Refusal{}},
		{
			"identity, implicit", create + "role x because no identity-based policy allows the iam:CreateRole action",
			awserr.Refusal{Caller: ada, Action: "iam:CreateRole", Resource: "role x", Kind: "identity-based policy"},
		},
		{
			"identity, explicit", create + "role x with an explicit deny in an identity-based policy: arn:aws:iam::123456789012:policy/no",
			awserr.Refusal{Caller: ada, Action: "iam:CreateRole", Resource: "role x", Kind: "identity-based policy", Explicit: true,
				Policy: "arn:aws:iam::123456789012:policy/no"},
		},
		{
			"boundary", create + "role x because no permissions boundary allows the iam:CreateRole action",
			awserr.Refusal{Caller: ada, Action: "iam:CreateRole", Resource: "role x", Kind: "permissions boundary"},
		},
		{
			"organization", create + "arn:aws:iam::123456789012:role/x with an explicit deny in a service control policy",
			awserr.Refusal{Caller: ada, Action: "iam:CreateRole", Resource: "arn:aws:iam::123456789012:role/x", Kind: "service control policy", Explicit: true},
		},
		{
			"organization, by name", create + "role x with an explicit deny in a service control policy: arn:aws:organizations::210987654321:policy/o-a/service_control_policy/p-b",
			awserr.Refusal{Caller: ada, Action: "iam:CreateRole", Resource: "role x", Kind: "service control policy", Explicit: true,
				Policy: "arn:aws:organizations::210987654321:policy/o-a/service_control_policy/p-b"},
		},
		{
			"session", create + "role x because no session policy allows the iam:CreateRole action",
			awserr.Refusal{Caller: ada, Action: "iam:CreateRole", Resource: "role x", Kind: "session policy"},
		},
		{
			"S3's quotes", `User: ` + ada + ` is not authorized to perform: s3:CreateBucket on resource: "arn:aws:s3:::b" because no identity-based policy allows the s3:CreateBucket action`,
			awserr.Refusal{Caller: ada, Action: "s3:CreateBucket", Resource: "arn:aws:s3:::b", Kind: "identity-based policy"},
		},
		{
			"old form", "User: " + ada + " is not authorized to perform: ecs:CreateCluster on resource: *",
			awserr.Refusal{Caller: ada, Action: "ecs:CreateCluster", Resource: "*"},
		},
		{
			"EC2, encoded only", "You are not authorized to perform this operation. Encoded authorization failure message: abc_-DEF",
			awserr.Refusal{Encoded: "abc_-DEF"},
		},
		{
			"EC2", "You are not authorized to perform this operation. User: " + ada + " is not authorized to perform: iam:PassRole on resource: " +
				"arn:aws:iam::123456789012:role/x because no identity-based policy allows the iam:PassRole action. Encoded authorization failure message: abc",
			awserr.Refusal{Caller: ada, Action: "iam:PassRole", Resource: "arn:aws:iam::123456789012:role/x", Kind: "identity-based policy", Encoded: "abc"},
		},
	} {
		if d := cmp.Diff(c.want, awserr.ParseRefusal(c.message)); d != "" {
			t.Errorf("%s (-want +have):\n%s", c.name, d)
		}
	}
}

func TestRefusalSaysWhatWhoAndWhatToDo(t *testing.T) {
	for _, c := range []struct{ name, message, want string }{
		{
			"identity", create + "role x because no identity-based policy allows the iam:CreateRole action",
			"you need the permission iam:CreateRole on role x; denied by the identity's policies: `flowbed policy --for up` prints the policy to attach",
		},
		{
			"identity, explicit", create + "role x with an explicit deny in an identity-based policy",
			"you need the permission iam:CreateRole on role x; denied by the identity's policies, with an explicit Deny: no Allow statement overrides it",
		},
		{
			"organization", create + "role x with an explicit deny in a service control policy: arn:p",
			"you need the permission iam:CreateRole on role x; denied by a service control policy of the organization, with an explicit Deny (arn:p): ask the administrators of the organization to change it",
		},
		{
			"unknown kind", create + "role x because no house policy allows the iam:CreateRole action",
			"you need the permission iam:CreateRole on role x; denied by a house policy",
		},
		{"nothing", "", "you need another permission; denied by the identity's policies, or by a policy that AWS does not name: `flowbed policy --for up` prints the policy to attach"},
	} {
		if d := cmp.Diff(c.want, awserr.ParseRefusal(c.message).String()); d != "" {
			t.Errorf("%s (-want +have):\n%s", c.name, d)
		}
	}
}

func TestDecoded(t *testing.T) {
	r := awserr.ParseRefusal("You are not authorized to perform this operation. Encoded authorization failure message: abc")
	have, err := r.Decoded(`{"allowed":false,"explicitDeny":true,"matchedStatements":{"items":[]},"failures":{"items":[]},` +
		`"context":{"principal":{"id":"AIDA","name":"ada","arn":"` + ada + `"},"action":"ec2:RunInstances",` +
		`"resource":"arn:aws:ec2:eu-central-1:123456789012:instance/*","conditions":{"items":[]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := awserr.Refusal{Caller: ada, Action: "ec2:RunInstances", Resource: "arn:aws:ec2:eu-central-1:123456789012:instance/*", Explicit: true, Encoded: "abc"}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
	if _, err := r.Decoded("<xml>"); err == nil {
		t.Error("what is no JSON was read")
	}
}

// answer is a server that refuses everything with one body.
type answer struct{ kind, body string }

func (a answer) Do(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {a.kind}, "X-Amzn-Requestid": {"1"}},
		Body: io.NopCloser(bytes.NewBufferString(a.body)),
	}, nil
}

// TestRefusalInEachProtocol lets the SDK read what each service sends: four
// protocols, and XML of three forms.
func TestRefusalInEachProtocol(t *testing.T) {
	message := func(action, resource string) string {
		return "User: " + ada + " is not authorized to perform: " + action + " on resource: " + resource + " because no identity-based policy allows the " + action + " action"
	}
	xml := func(open, inner, end string) answer { return answer{"text/xml", open + inner + end} }
	json := func(kind, code, message string) answer {
		return answer{kind, `{"__type":"` + code + `","message":"` + message + `","Message":"` + message + `"}`}
	}
	ctx := context.Background()
	cfg := func(a answer) aws.Config {
		return aws.Config{Region: "eu-central-1", HTTPClient: a, RetryMaxAttempts: 1, Credentials: aws.CredentialsProviderFunc(
			func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "A", SecretAccessKey: "S"}, nil
			})}
	}
	for _, c := range []struct {
		name string
		call func() error
		want []string
	}{
		{"IAM", func() error {
			a := xml(`<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>`,
				`<Code>AccessDenied</Code><Message>`+message("iam:GetRole", "role x")+`</Message>`, `</Error><RequestId>1</RequestId></ErrorResponse>`)
			_, err := iam.NewFromConfig(cfg(a)).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("x")})
			return err
		}, []string{"iam:GetRole on role x", "identity's policies"}},
		{"S3", func() error {
			a := xml(`<?xml version="1.0" encoding="UTF-8"?><Error>`,
				`<Code>AccessDenied</Code><Message>`+message("s3:GetEncryptionConfiguration", "&quot;arn:aws:s3:::b&quot;")+`</Message>`, `</Error>`)
			_, err := s3.NewFromConfig(cfg(a)).GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: aws.String("b")})
			return err
		}, []string{"s3:GetEncryptionConfiguration on arn:aws:s3:::b;"}},
		{"S3 without a word", func() error {
			a := xml(`<Error>`, `<Code>AccessDenied</Code><Message>Access Denied</Message>`, `</Error>`)
			_, err := s3.NewFromConfig(cfg(a)).GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: aws.String("b")})
			return err
		}, []string{"s3:GetEncryptionConfiguration;", "by a policy that AWS does not name"}},
		{"EC2", func() error {
			a := xml(`<Response><Errors><Error>`, `<Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation. `+
				message("ec2:DescribeVpcs", "*")+`. Encoded authorization failure message: abc</Message>`, `</Error></Errors><RequestID>1</RequestID></Response>`)
			_, err := ec2.NewFromConfig(cfg(a)).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
			if r, ok := awserr.RefusalOf(err); !ok || r.Encoded != "abc" {
				t.Errorf("EC2: the encoded message is %q", r.Encoded)
			}
			return err
		}, []string{"ec2:DescribeVpcs; denied"}},
		{"ECS", func() error {
			_, err := ecs.NewFromConfig(cfg(json("application/x-amz-json-1.1", "AccessDeniedException", message("ecs:DescribeClusters", "arn:aws:ecs:x")))).
				DescribeClusters(ctx, &ecs.DescribeClustersInput{})
			return err
		}, []string{"ecs:DescribeClusters on arn:aws:ecs:x"}},
		{"SSM", func() error {
			_, err := ssm.NewFromConfig(cfg(json("application/x-amz-json-1.1", "AccessDeniedException", message("ssm:GetParameter", "arn:aws:ssm:x")))).
				GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/x")})
			return err
		}, []string{"ssm:GetParameter on arn:aws:ssm:x"}},
	} {
		err := c.call()
		if awserr.Classify(err) != awserr.Denied {
			t.Errorf("%s: not denied: %v", c.name, err)
		}
		for _, w := range c.want {
			if have := awserr.Hint(err); !strings.Contains(have, w) {
				t.Errorf("%s: hint %q does not say %q", c.name, have, w)
			}
		}
	}
}

func TestAction(t *testing.T) {
	for _, c := range []struct{ service, operation, want string }{
		{"IAM", "CreateRole", "iam:CreateRole"},
		{"CloudWatch Logs", "CreateLogGroup", "logs:CreateLogGroup"},
		{"cloudwatchlogs", "CreateLogGroup", "logs:CreateLogGroup"},
		{"Resource Groups Tagging API", "GetResources", "tag:GetResources"},
		{"resourcegroupstaggingapi", "GetResources", "tag:GetResources"},
		{"S3", "PutBucketEncryption", "s3:PutEncryptionConfiguration"},
		{"s3", "ListObjectVersions", "s3:ListBucketVersions"},
	} {
		if have := awserr.Action(c.service, c.operation); have != c.want {
			t.Errorf("%s %s: %s, want %s", c.service, c.operation, have, c.want)
		}
	}
}
