package doctor_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/sandbox"
)

const boundaryARN = "arn:aws:iam::" + sandbox.DefaultAccount + ":policy/boundary"

// bounded is the finding about a boundary with a document; an empty one does not exist.
func bounded(t *testing.T, document, more string, change func(*clinic)) doctor.Finding {
	t.Helper()
	c := newClinic(t)
	c.text = "iam { permissions_boundary = \"" + boundaryARN + "\" }\n" + more + agent
	if document != "" {
		_, err := iam.NewFromConfig(c.account.Config(region)).CreatePolicy(context.Background(), &iam.CreatePolicyInput{
			PolicyName: aws.String("boundary"), PolicyDocument: &document,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(c)
	}
	for _, f := range c.look() {
		if f.Check == "permissions boundary" {
			return f
		}
	}
	t.Fatal("there is no finding about the boundary")
	return doctor.Finding{}
}

func TestBoundary(t *testing.T) {
	for name, c := range map[string]struct {
		document, more string
		change         func(*clinic)
		status         doctor.Status
		says           []string
	}{
		"allows all":     {document: but("organizations:*"), status: doctor.OK, says: []string{"allows what the roles need"}},
		"does not exist": {status: doctor.Fail, says: []string{"does not exist", "permissions_boundary"}},
		"of a task": {document: but("s3:PutObject"), status: doctor.Fail,
			says: []string{"within " + boundaryARN + ", flowbed-dev-task loses s3:PutObject", "allow this in the policy"}},
		"of all s3": {document: but("s3:*"), more: "task_role { s3 = \"full\" }\n", status: doctor.Fail,
			says: []string{"flowbed-dev-task loses s3:GetObject, s3:ListBucket, s3:PutObject"}},
		"of the agent, and of the execution role": {document: but("ecs:RunTask", "ssmmessages:*", "logs:PutLogEvents"), status: doctor.Fail,
			says: []string{"flowbed-dev-execution loses logs:PutLogEvents", "flowbed-dev-agent loses ecs:RunTask, ssmmessages:CreateControlChannel"}},
		"lists actions": {document: allow("s3:*", "logs:*", "ecr:*", "ecs:*", "ssm:*", "kms:*", "iam:PassRole", "ec2:Describe*"), status: doctor.Fail,
			says: []string{"flowbed-dev-agent loses sqs:", "ssmmessages:"}},
		"with tags": {document: but("ecs:TagResource"), more: "tags = { a = \"b\" }\n", status: doctor.Fail, says: []string{"flowbed-dev-agent loses ecs:TagResource"}},
		"unread": {document: but("organizations:*"), change: func(c *clinic) { c.account.Policy = but("iam:GetPolicyVersion") },
			status: doctor.Warn, says: []string{"cannot tell: this check needs iam:GetPolicyVersion"}},
		"not simulated": {document: but("organizations:*"), change: func(c *clinic) { c.account.Policy = but("iam:SimulateCustomPolicy") },
			status: doctor.Warn, says: []string{"cannot tell: this check needs iam:SimulateCustomPolicy"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := bounded(t, c.document, c.more, c.change)
			for _, s := range c.says {
				if f.Status != c.status || !strings.Contains(f.Text+" "+f.Todo, s) {
					t.Errorf("have %s: %s → %s, want %s: %s", f.Status, f.Text, f.Todo, c.status, s)
				}
			}
		})
	}
}
