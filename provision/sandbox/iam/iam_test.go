package iam_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	sandboxiam "github.com/flowbed/flowbed/provision/sandbox/iam"
	"github.com/flowbed/flowbed/test/try"
)

const (
	allow     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
	execution = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
)

// client is a try.User that can also change policies.
type client struct{ try.User }

func newClient(region string) client { return client{try.New(region)} }

func (h client) putPolicy(role, name, doc string) error {
	_, err := h.IAM.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &name, PolicyDocument: &doc})
	return err
}

func (h client) attach(role, arn string) error {
	_, err := h.IAM.AttachRolePolicy(context.Background(), &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
	return err
}

func (h client) deleteRole(name string) error {
	_, err := h.IAM.DeleteRole(context.Background(), &iam.DeleteRoleInput{RoleName: &name})
	return err
}

func (h client) create(name, trust string, tags ...types.Tag) error {
	_, err := h.IAM.CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust, Tags: tags})
	return err
}

func iamTag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

// longTrust returns a trust policy of a given size.
func longTrust(size int) string {
	long := strings.Replace(try.Trust, `"Effect"`, `"Sid":"","Effect"`, 1)
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
		do   func(h client) error
		want string
	}{
		{"64 characters", func(h client) error { return h.Role(strings.Repeat("r", 64)) }, ""},
		{"65 characters", func(h client) error { return h.Role(strings.Repeat("r", 65)) }, "ValidationError"},
		{"character", func(h client) error { return h.Role("a b") }, "ValidationError"},
		{"another case", func(h client) error { return h.Role("ONE") }, "EntityAlreadyExists"},
		{"not JSON", func(h client) error { return h.create("r", "{bad") }, "MalformedPolicyDocument"},
		{"unknown element", func(h client) error { return h.create("r", strings.Replace(try.Trust, "Effect", "Affect", 1)) }, "MalformedPolicyDocument"},
		{"no principal", func(h client) error { return h.create("r", try.Policy(`"Effect":"Allow","Action":"sts:AssumeRole"`)) }, "MalformedPolicyDocument"},
		{"trust with resource", func(h client) error {
			return h.create("r", try.Policy(`"Effect":"Allow",`+service+`"Action":"sts:AssumeRole","Resource":"*"`))
		}, "MalformedPolicyDocument"},
		{"unknown role as principal", func(h client) error {
			return h.create("r", try.Policy(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/nobody"},"Action":"sts:AssumeRole"`))
		}, "MalformedPolicyDocument"},
		{"known role as principal", func(h client) error {
			return h.create("r", try.Policy(`"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:role/one"]},"Action":"sts:AssumeRole"`))
		}, ""},
		{"trust of 2,048 characters", func(h client) error { return h.create("r", longTrust(2048)) }, ""},
		{"trust of 2,049 characters", func(h client) error { return h.create("r", longTrust(2049)) }, "LimitExceeded"},
		{"51 tags", func(h client) error { return h.create("r", try.Trust, many...) }, "LimitExceeded"},
		{"50 tags", func(h client) error { return h.create("r", try.Trust, many[:50]...) }, ""},
		{"tag of AWS", func(h client) error { return h.create("r", try.Trust, iamTag("AWS:x", "v")) }, "InvalidInput"},
		{"tag character", func(h client) error { return h.create("r", try.Trust, iamTag("k", "a*b")) }, "InvalidInput"},
		{"tag twice", func(h client) error { return h.create("r", try.Trust, iamTag("k", "1"), iamTag("K", "2")) }, "InvalidInput"},
		{"long tag", func(h client) error { return h.create("r", try.Trust, iamTag("k", strings.Repeat("v", 257))) }, "InvalidInput"},

		{"policy of an unknown role", func(h client) error { return h.putPolicy("nobody", "p", allow) }, "NoSuchEntity"},
		{"policy with principal", func(h client) error {
			return h.putPolicy("one", "p", try.Policy(`"Effect":"Allow",`+service+`"Action":"s3:*","Resource":"*"`))
		}, "MalformedPolicyDocument"},
		{"policy without resource", func(h client) error { return h.putPolicy("one", "p", try.Policy(`"Effect":"Allow","Action":"s3:*"`)) }, "MalformedPolicyDocument"},
		{"policy without vendor", func(h client) error {
			return h.putPolicy("one", "p", try.Policy(`"Effect":"Allow","Action":"GetObject","Resource":"*"`))
		}, "MalformedPolicyDocument"},
		{"policy with bad resource", func(h client) error {
			return h.putPolicy("one", "p", try.Policy(`"Effect":"Allow","Action":"s3:*","Resource":"bucket"`))
		}, "MalformedPolicyDocument"},
		{"policy with bad sid", func(h client) error {
			return h.putPolicy("one", "p", try.Policy(`"Sid":"a-b","Effect":"Allow","Action":"s3:*","Resource":"*"`))
		}, "MalformedPolicyDocument"},
		{"white space does not count", func(h client) error { return h.putPolicy("one", "p", strings.Repeat(" ", 20000)+allow) }, ""},
		{"policies of 10,240 together", func(h client) error {
			long := try.Policy(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::` + strings.Repeat("b", 6000) + `"`)
			if err := h.putPolicy("one", "p", long); err != nil {
				return err
			}
			if err := h.putPolicy("one", "p", long); err != nil { // the same policy again
				return err
			}
			return h.putPolicy("one", "q", long)
		}, "LimitExceeded"},
		{"unknown managed policy", func(h client) error { return h.attach("one", "arn:aws:iam::aws:policy/AmazonNothing") }, "NoSuchEntity"},
		{"not an ARN", func(h client) error { return h.attach("one", "AmazonS3FullAccess") }, "InvalidInput"},
		{"attached twice", func(h client) error {
			if err := h.attach("one", execution); err != nil {
				return err
			}
			return h.attach("one", execution)
		}, ""},
		{"eleventh managed policy", func(h client) error {
			for _, name := range sandboxiam.AWSPolicies[:10] {
				if err := h.attach("one", "arn:aws:iam::aws:policy/"+name); err != nil {
					return fmt.Errorf("too early: %w", err)
				}
			}
			return h.attach("one", "arn:aws:iam::aws:policy/"+sandboxiam.AWSPolicies[10])
		}, "LimitExceeded"},
		{"detach a policy that is not attached", func(h client) error {
			_, err := h.IAM.DetachRolePolicy(context.Background(), &iam.DetachRolePolicyInput{RoleName: aws.String("one"), PolicyArn: aws.String(execution)})
			return err
		}, "NoSuchEntity"},

		{"delete with inline policy", func(h client) error { try.OK(h.putPolicy("one", "p", allow)); return h.deleteRole("one") }, "DeleteConflict"},
		{"delete with managed policy", func(h client) error { try.OK(h.attach("one", execution)); return h.deleteRole("one") }, "DeleteConflict"},
		{"delete role in profile", func(h client) error { try.OK(h.AddRole("prof", "one")); return h.deleteRole("one") }, "DeleteConflict"},
		{"delete", func(h client) error { return h.deleteRole("ONE") }, ""},
		{"delete an unknown role", func(h client) error { return h.deleteRole("nobody") }, "NoSuchEntity"},

		{"profile twice", func(h client) error { return h.Profile("Prof") }, "EntityAlreadyExists"},
		{"unknown role into profile", func(h client) error { return h.AddRole("prof", "nobody") }, "NoSuchEntity"},
		{"same role again", func(h client) error { try.OK(h.AddRole("prof", "one")); return h.AddRole("prof", "one") }, "LimitExceeded"},
		{"remove role that is not in the profile", func(h client) error {
			_, err := h.IAM.RemoveRoleFromInstanceProfile(context.Background(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("prof"), RoleName: aws.String("one")})
			return err
		}, "NoSuchEntity"},
		{"delete profile with role", func(h client) error {
			try.OK(h.AddRole("prof", "one"))
			_, err := h.IAM.DeleteInstanceProfile(context.Background(), &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("prof")})
			return err
		}, "DeleteConflict"},

		{"service role", func(h client) error { return h.Link("ecs.amazonaws.com") }, ""},
		{"service role twice", func(h client) error { try.OK(h.Link("ecs.amazonaws.com")); return h.Link("ecs.amazonaws.com") }, "InvalidInput"},
		{"service role is protected", func(h client) error {
			try.OK(h.Link("ecs.amazonaws.com"))
			return h.deleteRole("AWSServiceRoleForECS")
		}, "UnmodifiableEntity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newClient("us-east-1")
			try.WantCode(t, h.Role("one"), "")
			try.WantCode(t, h.Profile("prof"), "")
			try.WantCode(t, c.do(h), c.want)
		})
	}
}

func TestCustomerPolicy(t *testing.T) {
	h, ctx := newClient("us-east-1"), t.Context()
	try.OK(h.Role("one"))
	p := try.Must(h.IAM.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("mine"), PolicyDocument: aws.String(allow)})).Policy
	try.WantCode(t, h.attach("one", *p.Arn), "")
	_, err := h.IAM.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn})
	try.WantCode(t, err, "DeleteConflict")
	if n := *try.Must(h.IAM.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: p.Arn})).Policy.AttachmentCount; n != 1 {
		t.Errorf("the policy is attached %d times, want once", n)
	}
	try.Must(h.IAM.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: aws.String("one"), PolicyArn: p.Arn}))
	_, err = h.IAM.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn})
	try.WantCode(t, err, "")
}

func TestPoliciesAreSentEncoded(t *testing.T) {
	h := newClient("us-east-1")
	try.OK(h.Role("one"))
	doc := try.Policy(`"Sid":"a","Effect":"Allow","Action":["s3:Get*", "s3:Put*"],"Resource":"arn:aws:s3:::a+b %/*"`)
	try.WantCode(t, h.putPolicy("one", "p", doc), "")
	out := try.Must(h.IAM.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: aws.String("one"), PolicyName: aws.String("p")}))
	if strings.ContainsAny(*out.PolicyDocument, `{"+ `) {
		t.Errorf("have the document %s, want it percent-encoded", *out.PolicyDocument)
	}
	if have, err := url.PathUnescape(*out.PolicyDocument); err != nil || have != doc {
		t.Errorf("decoded: have %s (%v), want %s", have, err, doc)
	}
}

func TestListsLeaveOutTags(t *testing.T) {
	h := newClient("us-east-1")
	try.OK(h.create("one", try.Trust, iamTag("k", "v")))
	if l := try.Must(h.IAM.ListRoles(t.Context(), &iam.ListRolesInput{})).Roles; len(l) != 1 || len(l[0].Tags) != 0 {
		t.Errorf("have %d roles with tags %v, want one without", len(l), l[0].Tags)
	}
	if r := try.Must(h.IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("one")})).Role; len(r.Tags) != 1 {
		t.Errorf("GetRole: have %d tags, want 1", len(r.Tags))
	}
}

// GetAccountAuthorizationDetails shows the tags that ListRoles omits.
func TestRoleDetails(t *testing.T) {
	h := newClient("us-east-1")
	try.OK(h.create("one", try.Trust, iamTag("k", "v")))
	try.OK(h.create("two", try.Trust, iamTag("k", "w")))
	in := &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeRole}, MaxItems: aws.Int32(1)}
	pages, have := iam.NewGetAccountAuthorizationDetailsPaginator(h.IAM, in), ""
	for pages.HasMorePages() {
		for _, r := range try.Must(pages.NextPage(t.Context())).RoleDetailList {
			have += *r.RoleName + " " + *r.Tags[0].Value + ","
		}
	}
	if have != "one v,two w," {
		t.Errorf("have %q", have)
	}
	_, err := h.IAM.GetAccountAuthorizationDetails(t.Context(), &iam.GetAccountAuthorizationDetailsInput{})
	try.WantCode(t, err, "NotImplemented")
}

func TestListsComeInPages(t *testing.T) {
	h := newClient("us-east-1")
	for _, n := range []string{"a", "b", "c"} {
		try.OK(h.Role(n))
	}
	pages, names := iam.NewListRolesPaginator(h.IAM, &iam.ListRolesInput{MaxItems: aws.Int32(2)}), ""
	n := 0
	for ; pages.HasMorePages(); n++ {
		for _, r := range try.Must(pages.NextPage(t.Context())).Roles {
			names += *r.RoleName
		}
	}
	if n != 2 || names != "abc" {
		t.Errorf("have %q on %d pages, want abc on 2", names, n)
	}
}
