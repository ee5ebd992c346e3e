package resource_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	sandboxs3 "github.com/flowbed/flowbed/provision/sandbox/s3"
)

const (
	logRegion = "eu-central-1"
	logPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},
		"Action":"s3:PutObject","Resource":"arn:aws:s3:::company-logs/*",
		"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::flows"},"StringEquals":{"aws:SourceAccount":"` + sandbox.DefaultAccount + `"}}},
		{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::company-logs","arn:aws:s3:::company-logs/*"],
		"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
)

// makeLogs makes the bucket of the access logs, with a policy unless it is empty.
func (p *pail) makeLogs(t *testing.T, region, policy string) {
	t.Helper()
	api, name := s3.NewFromConfig(p.account.Config(region)), aws.String("company-logs")
	in := &s3.CreateBucketInput{Bucket: name}
	if region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	if _, err := api.CreateBucket(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if policy == "" {
		return
	}
	if _, err := api.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: name, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
}

func logBucket(p *pail) resource.LogBucket {
	return resource.LogBucket{
		API: p.api, ID: p.want.ID, Source: "flows", Logs: resource.AccessLogs{Bucket: "company-logs", Prefix: "flows/"},
	}
}

// TestLogBucket looks at the target of the access logs before anything is built.
func TestLogBucket(t *testing.T) {
	policy := func(old, new string) string { return strings.Replace(logPolicy, old, new, 1) }
	for name, c := range map[string]struct {
		make      func(*testing.T, *pail)
		err, warn string // an empty text is none
	}{
		"a bucket that S3 may write to": {make: func(t *testing.T, p *pail) { p.makeLogs(t, logRegion, logPolicy) }},
		"any source": {make: func(t *testing.T, p *pail) {
			p.makeLogs(t, logRegion, policy(`"arn:aws:s3:::flows"`, `"arn:aws:s3:::*"`))
		}},
		"no bucket": {make: func(*testing.T, *pail) {}, err: "company-logs of the access logs does not exist → correct access_logs.bucket"},
		"another region": {make: func(t *testing.T, p *pail) { p.makeLogs(t, "us-east-1", logPolicy) },
			err: "is in another region"},
		"another account": {make: func(_ *testing.T, p *pail) { sandboxs3.TakeBucket(p.account, "company-logs", stranger, logRegion) },
			warn: "cannot tell whether bucket company-logs of the access logs is in this account"},
		"no policy": {make: func(t *testing.T, p *pail) { p.makeLogs(t, logRegion, "") },
			warn: "does not let S3 write access logs → allow s3:PutObject on arn:aws:s3:::company-logs/flows/* to the service logging.s3.amazonaws.com"},
		"another prefix": {make: func(t *testing.T, p *pail) {
			p.makeLogs(t, logRegion, policy("company-logs/*", "company-logs/other/*"))
		},
			warn: "does not let S3 write"},
		"another source": {make: func(t *testing.T, p *pail) {
			p.makeLogs(t, logRegion, policy("arn:aws:s3:::flows", "arn:aws:s3:::other"))
		},
			warn: "does not let S3 write"},
		"another account's source": {make: func(t *testing.T, p *pail) { p.makeLogs(t, logRegion, policy(sandbox.DefaultAccount, stranger)) },
			warn: "does not let S3 write"},
		"denied to all": {make: func(t *testing.T, p *pail) {
			p.makeLogs(t, logRegion, policy(`"Condition":{"Bool":{"aws:SecureTransport":"false"}}`, `"Condition":{}`))
		}, warn: "does not let S3 write"},
		"a key of the company": {make: func(t *testing.T, p *pail) {
			p.makeLogs(t, logRegion, logPolicy)
			if _, err := p.api.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{
				Bucket: aws.String("company-logs"), ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
					Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
						SSEAlgorithm: types.ServerSideEncryptionAwsKms}}}}}); err != nil {
				t.Fatal(err)
			}
		}, warn: "encrypts with aws:kms"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPail(logRegion)
			c.make(t, p)
			s, err := logBucket(p).Read(t.Context())
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("have %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, n := range s.Notes {
				text += n.Severity.String() + ": " + n.Text + "\n"
			}
			if c.warn == "" && text != "" || !strings.Contains(text, c.warn) {
				t.Errorf("have %q, want %q", text, c.warn)
			}
		})
	}
}

// TestAccessLogs keeps the form of the keys that somebody has chosen, and shows the warnings
// about the target in the plan of the bucket.
func TestAccessLogs(t *testing.T) {
	p := newPail(logRegion)
	p.makeLogs(t, logRegion, "")
	p.up(t)
	_, err := p.api.PutBucketLogging(t.Context(), &s3.PutBucketLoggingInput{Bucket: &p.want.Name, BucketLoggingStatus: &types.BucketLoggingStatus{
		LoggingEnabled: &types.LoggingEnabled{TargetBucket: aws.String("company-logs"), TargetPrefix: aws.String("x/"), TargetObjectKeyFormat: &types.TargetObjectKeyFormat{
			PartitionedPrefix: &types.PartitionedPrefix{PartitionDateSource: types.PartitionDateSourceEventTime},
		}}}})
	if err != nil {
		t.Fatal(err)
	}
	plan := func() provision.Action {
		t.Helper()
		plan, err := p.graph().Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return plan.Actions[0]
	}
	if a := plan(); a.Op != provision.None {
		t.Errorf("a file without access logs changes %v", a.Changes)
	}
	p.want.Logs, p.want.LogTarget = logBucket(p).Logs, provision.Known(resource.LogBucketState{Notes: []provision.Note{{Text: "the target"}}})
	if a := plan(); len(a.Changes) != 1 || a.Changes[0].Field != "access logs" || a.Changes[0].To.String() != "s3://company-logs/flows/" || len(a.Notes) != 1 {
		t.Errorf("the plan has %v, %v", a.Changes, a.Notes)
	}
	p.up(t)
	out, err := p.api.GetBucketLogging(t.Context(), &s3.GetBucketLoggingInput{Bucket: &p.want.Name})
	if err != nil || *out.LoggingEnabled.TargetPrefix != "flows/" || out.LoggingEnabled.TargetObjectKeyFormat == nil {
		t.Errorf("the logging is %+v, %v", out.LoggingEnabled, err)
	}
}
