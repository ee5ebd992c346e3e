package doctor_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/freetier"
)

// replying changes what calls answer.
func replying(change func(out any)) func(*clinic) {
	return func(c *clinic) {
		c.config = func(cfg *aws.Config) {
			cfg.APIOptions = append(cfg.APIOptions, func(s *middleware.Stack) error {
				return s.Initialize.Add(middleware.InitializeMiddlewareFunc("test:reply",
					func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
						out, meta, err := next.HandleInitialize(ctx, in)
						change(out.Result)
						return out, meta, err
					}), middleware.Before)
			})
		}
	}
}

// summary changes the numbers of IAM.
func summary(change func(map[string]int32)) func(*clinic) {
	return replying(func(out any) {
		if out, ok := out.(*iam.GetAccountSummaryOutput); ok {
			change(out.SummaryMap)
		}
	})
}

// TestAbsent: what AWS does not say is unknown, and neither zero nor a failure.
func TestAbsent(t *testing.T) {
	types := func(change func(*ec2.DescribeInstanceTypesOutput)) func(*clinic) {
		return replying(func(out any) {
			if out, ok := out.(*ec2.DescribeInstanceTypesOutput); ok {
				change(out)
			}
		})
	}
	both := func(list ...func(*clinic)) func(*clinic) {
		return func(c *clinic) {
			for _, f := range list {
				f(c)
			}
		}
	}
	for _, test := range []struct {
		check, name string
		prepare     func(*clinic)
		status      doctor.Status
		says        string
	}{
		{"iam quotas", "no quota", summary(func(m map[string]int32) { delete(m, "RolesQuota") }), doctor.Warn,
			"cannot tell for roles, because IAM does not, 0 of 1000 instance profiles"},
		{"iam quotas", "no count", summary(func(m map[string]int32) { delete(m, "InstanceProfiles") }), doctor.Warn,
			"0 of 1000 roles, cannot tell for instance profiles, because IAM does not"},
		{"iam quotas", "nothing", summary(func(m map[string]int32) { clear(m) }), doctor.Warn, "cannot tell for roles"},
		{"iam quotas", "one is full, the other unknown", summary(func(m map[string]int32) { m["Roles"] = 999; delete(m, "InstanceProfilesQuota") }), doctor.Fail,
			"999 of 1000 roles, cannot tell for instance profiles, because IAM does not → delete unused ones"},
		{"iam quotas", "nearly full", summary(func(m map[string]int32) { m["Roles"] = 950 }), doctor.Warn, "950 of 1000 roles, 0 of 1000 instance profiles → delete unused ones"},
		{"vcpus", "no number", both(crowd, types(func(out *ec2.DescribeInstanceTypesOutput) {
			for i := range out.InstanceTypes {
				out.InstanceTypes[i].VCpuInfo = nil
			}
		})), doctor.Warn, "cannot tell: EC2 does not say how many vCPUs t3.micro has"},
		{"vcpus", "no type", both(crowd, types(func(out *ec2.DescribeInstanceTypesOutput) { out.InstanceTypes = nil })), doctor.Warn, "cannot tell"},
		{"instance type", "not whether it is free", types(func(out *ec2.DescribeInstanceTypesOutput) {
			for i := range out.InstanceTypes {
				out.InstanceTypes[i].FreeTierEligible = nil
			}
		}), doctor.OK, "cannot tell whether the free tier covers it"},
		{"instance type", "not which plan", both(func(c *clinic) {
			c.account.Plan, c.text = "FREE", strings.Replace(agent, "t3.small", "t3.medium", 1)
		}, replying(func(out any) {
			if out, ok := out.(*freetier.GetAccountPlanStateOutput); ok {
				out.AccountPlanType = ""
			}
		})), doctor.Warn, "cannot tell whether this one is"},
		{"region", "not whether it is enabled", replying(func(out any) {
			if out, ok := out.(*ec2.DescribeRegionsOutput); ok {
				for i := range out.Regions {
					out.Regions[i].OptInStatus = nil
				}
			}
		}), doctor.Warn, "cannot tell: EC2 does not say whether eu-central-1 is enabled"},
	} {
		t.Run(test.check+", "+test.name, func(t *testing.T) {
			c := newClinic(t)
			test.prepare(c)
			list := c.look()
			for _, f := range list {
				if f.Check == test.check {
					if f.Status != test.status || !strings.Contains(f.Text+" → "+f.Todo, test.says) {
						t.Errorf("%+v, want %s with %q", f, test.status, test.says)
					}
					return
				}
			}
			t.Errorf("no finding of %s in\n%s", test.check, text(list))
		})
	}
}
