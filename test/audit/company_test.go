package audit_test

import (
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/audit"
)

// inCompany has everything that closes an exception, and what a company's account may demand.
const inCompany = `tags = { cost-center = "42" }
kms_key = "arn:aws:kms:` + region + ":" + sandbox.DefaultAccount + `:key/1234abcd-12ab-34cd-56ef-1234567890ab"
iam {
  path                 = "/data/"
  permissions_boundary = "arn:aws:iam::` + sandbox.DefaultAccount + `:policy/boundary"
}
network {
  vpc       = "new"
  nat       = "single"
  endpoints = ["s3", "logs"]
  egress {
    cidrs = ["10.0.0.0/8"]
    ports = [443]
  }
}
logs { retention_days = 365 }
cluster { container_insights = true }
`

// TestCompany checks that an environment that closes all exceptions, all at once, has none of them,
// and passes every control.
func TestCompany(t *testing.T) {
	for name, more := range map[string]string{"instance": "", "service": "service {}\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				_, err := iam.NewFromConfig(account.Config(region)).CreatePolicy(t.Context(), &iam.CreatePolicyInput{
					PolicyName: aws.String("boundary"), PolicyDocument: aws.String(policy)})
				if err != nil {
					t.Fatal(err)
				}
				a := up(t, account, inCompany+logged(t, account)+agent("3.9.1", more))
				for _, f := range a.Faults() {
					t.Error(f)
				}
				for _, e := range audit.Exceptions {
					if e.Closes != "" && e.Raised(a) {
						t.Errorf("%s: %s", e.IDs, e.Finding)
					}
				}
			})
		})
	}
}
