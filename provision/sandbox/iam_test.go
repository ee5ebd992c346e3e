package sandbox

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const (
	allow     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
	execution = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
)

func (h hand) profile(name string) error {
	_, err := h.iam.CreateInstanceProfile(context.Background(), &iam.CreateInstanceProfileInput{InstanceProfileName: &name})
	return err
}

func (h hand) addRole(profile, role string) error {
	_, err := h.iam.AddRoleToInstanceProfile(context.Background(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role})
	return err
}

func (h hand) putPolicy(role, name, doc string) error {
	_, err := h.iam.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &name, PolicyDocument: &doc})
	return err
}

func (h hand) attach(role, arn string) error {
	_, err := h.iam.AttachRolePolicy(context.Background(), &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
	return err
}

func (h hand) deleteRole(name string) error {
	_, err := h.iam.DeleteRole(context.Background(), &iam.DeleteRoleInput{RoleName: &name})
	return err
}

func (h hand) create(name, trust string, tags ...types.Tag) error {
	_, err := h.iam.CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust, Tags: tags})
	return err
}

func iamTag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

func statementOf(parts string) string {
	return `{"Version":"2012-10-17","Statement":[{` + parts + `}]}`
}

// longTrust is a trust policy of a certain size.
func longTrust(size int) string {
	long := strings.Replace(trust, `"Effect"`, `"Sid":"","Effect"`, 1)
	return strings.Replace(long, `"Sid":"`, `"Sid":"`+strings.Repeat("s", size-len(long)), 1)
}

func TestIAMRules(t *testing.T) {
	many := make([]types.Tag, 51)
	for i := range many {
		many[i] = iamTag(fmt.Sprint("k", i), "v")
	}
	service := `"Principal":{"Service":"ec2.amazonaws.com"},`
	for _, c := range []struct {
		name string
		do   func(h hand) error
		want string
	}{
		{"64 characters", func(h hand) error { return h.role(strings.Repeat("r", 64)) }, ""},
		{"65 characters", func(h hand) error { return h.role(strings.Repeat("r", 65)) }, "ValidationError"},
		{"character", func(h hand) error { return h.role("a b") }, "ValidationError"},
		{"another case", func(h hand) error { return h.role("ONE") }, "EntityAlreadyExists"},
		{"not JSON", func(h hand) error { return h.create("r", "{bad") }, "MalformedPolicyDocument"},
		{"unknown element", func(h hand) error { return h.create("r", strings.Replace(trust, "Effect", "Affect", 1)) }, "MalformedPolicyDocument"},
		{"no principal", func(h hand) error { return h.create("r", statementOf(`"Effect":"Allow","Action":"sts:AssumeRole"`)) }, "MalformedPolicyDocument"},
		{"trust with resource", func(h hand) error {
			return h.create("r", statementOf(`"Effect":"Allow",`+service+`"Action":"sts:AssumeRole","Resource":"*"`))
		}, "MalformedPolicyDocument"},
		{"unknown role as principal", func(h hand) error {
			return h.create("r", statementOf(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/nobody"},"Action":"sts:AssumeRole"`))
		}, "MalformedPolicyDocument"},
		{"known role as principal", func(h hand) error {
			return h.create("r", statementOf(`"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:role/one"]},"Action":"sts:AssumeRole"`))
		}, ""},
		{"trust of 2,048 characters", func(h hand) error { return h.create("r", longTrust(2048)) }, ""},
		{"trust of 2,049 characters", func(h hand) error { return h.create("r", longTrust(2049)) }, "LimitExceeded"},
		{"51 tags", func(h hand) error { return h.create("r", trust, many...) }, "LimitExceeded"},
		{"50 tags", func(h hand) error { return h.create("r", trust, many[:50]...) }, ""},
		{"tag of AWS", func(h hand) error { return h.create("r", trust, iamTag("AWS:x", "v")) }, "InvalidInput"},
		{"tag character", func(h hand) error { return h.create("r", trust, iamTag("k", "a*b")) }, "InvalidInput"},
		{"tag twice", func(h hand) error { return h.create("r", trust, iamTag("k", "1"), iamTag("K", "2")) }, "InvalidInput"},
		{"long tag", func(h hand) error { return h.create("r", trust, iamTag("k", strings.Repeat("v", 257))) }, "InvalidInput"},

		{"policy of nobody", func(h hand) error { return h.putPolicy("nobody", "p", allow) }, "NoSuchEntity"},
		{"policy with principal", func(h hand) error {
			return h.putPolicy("one", "p", statementOf(`"Effect":"Allow",`+service+`"Action":"s3:*","Resource":"*"`))
		}, "MalformedPolicyDocument"},
		{"policy without resource", func(h hand) error { return h.putPolicy("one", "p", statementOf(`"Effect":"Allow","Action":"s3:*"`)) }, "MalformedPolicyDocument"},
		{"policy without vendor", func(h hand) error {
			return h.putPolicy("one", "p", statementOf(`"Effect":"Allow","Action":"GetObject","Resource":"*"`))
		}, "MalformedPolicyDocument"},
		{"policy with bad resource", func(h hand) error {
			return h.putPolicy("one", "p", statementOf(`"Effect":"Allow","Action":"s3:*","Resource":"bucket"`))
		}, "MalformedPolicyDocument"},
		{"policy with bad sid", func(h hand) error {
			return h.putPolicy("one", "p", statementOf(`"Sid":"a-b","Effect":"Allow","Action":"s3:*","Resource":"*"`))
		}, "MalformedPolicyDocument"},
		{"white space does not count", func(h hand) error { return h.putPolicy("one", "p", strings.Repeat(" ", 20000)+allow) }, ""},
		{"policies of 10,240 together", func(h hand) error {
			long := statementOf(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::` + strings.Repeat("b", 6000) + `"`)
			if err := h.putPolicy("one", "p", long); err != nil {
				return err
			}
			if err := h.putPolicy("one", "p", long); err != nil { // itself again
				return err
			}
			return h.putPolicy("one", "q", long)
		}, "LimitExceeded"},
		{"unknown managed policy", func(h hand) error { return h.attach("one", "arn:aws:iam::aws:policy/AmazonNothing") }, "NoSuchEntity"},
		{"not an ARN", func(h hand) error { return h.attach("one", "AmazonS3FullAccess") }, "InvalidInput"},
		{"attached twice", func(h hand) error {
			if err := h.attach("one", execution); err != nil {
				return err
			}
			return h.attach("one", execution)
		}, ""},
		{"eleventh managed policy", func(h hand) error {
			for _, name := range awsPolicies[:10] {
				if err := h.attach("one", "arn:aws:iam::aws:policy/"+name); err != nil {
					return fmt.Errorf("too early: %w", err)
				}
			}
			return h.attach("one", "arn:aws:iam::aws:policy/"+awsPolicies[10])
		}, "LimitExceeded"},
		{"detach what is not attached", func(h hand) error {
			_, err := h.iam.DetachRolePolicy(context.Background(), &iam.DetachRolePolicyInput{RoleName: aws.String("one"), PolicyArn: aws.String(execution)})
			return err
		}, "NoSuchEntity"},

		{"delete with inline policy", func(h hand) error { ok(h.putPolicy("one", "p", allow)); return h.deleteRole("one") }, "DeleteConflict"},
		{"delete with managed policy", func(h hand) error { ok(h.attach("one", execution)); return h.deleteRole("one") }, "DeleteConflict"},
		{"delete role in profile", func(h hand) error { ok(h.addRole("prof", "one")); return h.deleteRole("one") }, "DeleteConflict"},
		{"delete", func(h hand) error { return h.deleteRole("ONE") }, ""},
		{"delete nobody", func(h hand) error { return h.deleteRole("nobody") }, "NoSuchEntity"},

		{"profile twice", func(h hand) error { return h.profile("Prof") }, "EntityAlreadyExists"},
		{"unknown role into profile", func(h hand) error { return h.addRole("prof", "nobody") }, "NoSuchEntity"},
		{"same role again", func(h hand) error { ok(h.addRole("prof", "one")); return h.addRole("prof", "one") }, "LimitExceeded"},
		{"remove role that is not in it", func(h hand) error {
			_, err := h.iam.RemoveRoleFromInstanceProfile(context.Background(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("prof"), RoleName: aws.String("one")})
			return err
		}, "NoSuchEntity"},
		{"delete profile with role", func(h hand) error {
			ok(h.addRole("prof", "one"))
			_, err := h.iam.DeleteInstanceProfile(context.Background(), &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("prof")})
			return err
		}, "DeleteConflict"},

		{"service role", func(h hand) error { return h.linked("ecs.amazonaws.com") }, ""},
		{"service role twice", func(h hand) error { ok(h.linked("ecs.amazonaws.com")); return h.linked("ecs.amazonaws.com") }, "InvalidInput"},
		{"service role is AWS's", func(h hand) error {
			ok(h.linked("ecs.amazonaws.com"))
			return h.deleteRole("AWSServiceRoleForECS")
		}, "UnmodifiableEntity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHand("us-east-1")
			wantCode(t, h.role("one"), "")
			wantCode(t, h.profile("prof"), "")
			wantCode(t, c.do(h), c.want)
		})
	}
}

func (h hand) linked(service string) error {
	_, err := h.iam.CreateServiceLinkedRole(context.Background(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service})
	return err
}

func TestCustomerPolicy(t *testing.T) {
	h, ctx := newHand("us-east-1"), t.Context()
	ok(h.role("one"))
	p := must(h.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("mine"), PolicyDocument: aws.String(allow)})).Policy
	wantCode(t, h.attach("one", *p.Arn), "")
	_, err := h.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn})
	wantCode(t, err, "DeleteConflict")
	if n := *must(h.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: p.Arn})).Policy.AttachmentCount; n != 1 {
		t.Errorf("the policy is attached %d times, want once", n)
	}
	must(h.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: aws.String("one"), PolicyArn: p.Arn}))
	_, err = h.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn})
	wantCode(t, err, "")
}

func TestPoliciesAreSentEncoded(t *testing.T) {
	h := newHand("us-east-1")
	ok(h.role("one"))
	doc := statementOf(`"Sid":"a","Effect":"Allow","Action":["s3:Get*", "s3:Put*"],"Resource":"arn:aws:s3:::a+b %/*"`)
	wantCode(t, h.putPolicy("one", "p", doc), "")
	out := must(h.iam.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: aws.String("one"), PolicyName: aws.String("p")}))
	if strings.ContainsAny(*out.PolicyDocument, `{"+ `) {
		t.Errorf("not encoded: %s", *out.PolicyDocument)
	}
	if have, err := url.PathUnescape(*out.PolicyDocument); err != nil || have != doc {
		t.Errorf("decoded: have %s (%v), want %s", have, err, doc)
	}
}

func TestListsLeaveOutTags(t *testing.T) {
	h := newHand("us-east-1")
	ok(h.create("one", trust, iamTag("k", "v")))
	if l := must(h.iam.ListRoles(t.Context(), &iam.ListRolesInput{})).Roles; len(l) != 1 || len(l[0].Tags) != 0 {
		t.Errorf("have %d roles with tags %v, want one without", len(l), l[0].Tags)
	}
	if r := must(h.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("one")})).Role; len(r.Tags) != 1 {
		t.Errorf("GetRole: have %d tags, want 1", len(r.Tags))
	}
}

func TestListsComeInPages(t *testing.T) {
	h := newHand("us-east-1")
	for _, n := range []string{"a", "b", "c"} {
		ok(h.role(n))
	}
	pages, names := iam.NewListRolesPaginator(h.iam, &iam.ListRolesInput{MaxItems: aws.Int32(2)}), ""
	n := 0
	for ; pages.HasMorePages(); n++ {
		for _, r := range must(pages.NextPage(t.Context())).Roles {
			names += *r.RoleName
		}
	}
	if n != 2 || names != "abc" {
		t.Errorf("have %q on %d pages, want abc on 2", names, n)
	}
}
