package secret

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const base = "arn:aws:secretsmanager:us-east-1:123456789012:secret:team/db-AbCdEf"

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want error
	}{
		{"arn:aws:ssm:us-east-1:123456789012:parameter/team/db", nil},
		{"arn:aws-cn:ssm:cn-north-1:123456789012:parameter/db", nil},
		{base, nil},
		{base + ":password::", nil},
		{base + "::AWSPREVIOUS:", nil},
		{base + ":a.b:" + ":0123-abcd", nil},
		{base + ":password", errPart},
		{base + ":password:", errPart},
		{base + ":a:b:c:d", errPart},
		{base + ":a:b:c", errBoth},
		{base + ":a b::", errForm},
		{"arn:aws:secretsmanager:us-east-1:123456789012:secret:db", errTail},
		{"arn:aws:secretsmanager:us-east-1:123456789012:secret:db-*", errForm},
		{"arn:aws:secretsmanager:us-east-1:123456789012:parameter/db", errForm},
		{"arn:aws:ssm:us-east-1:123456789012:secret:db-AbCdEf", errForm},
		{"arn:aws:ssm:us-east-1:123456789012:parameter/team//db", errName},
		{"arn:aws:ssm:us-east-1:123456789012:parameter/db:3", errName},
		{"arn:aws:ssm:us-east-1:123456789012:parameter/*", errName},
		{"arn:aws:ssm::123456789012:parameter/db", errForm},
		{"arn:aws:ssm:us-east-1:123:parameter/db", errForm},
		{"arn:aws:s3:::bucket", errForm},
		{"/team/db", errForm},
		{"", errForm},
	} {
		r, err := Parse(c.text)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: have %v, want %v", c.text, err, c.want)
		}
		if err == nil && (r.ValueFrom() != c.text || !r.Set() || !strings.HasPrefix(c.text, r.ARN())) {
			t.Errorf("%s became %s of %s", c.text, r.ValueFrom(), r.ARN())
		}
	}
}

func TestParameter(t *testing.T) {
	for _, name := range []string{"/team/db", "db", "/db"} {
		if !IsName(name) {
			t.Errorf("%s is a name", name)
		}
		want := "arn:aws:ssm:us-east-1:123456789012:parameter/" + strings.TrimPrefix(name, "/")
		if got := Parameter("aws", "us-east-1", "123456789012", name).ARN(); got != want {
			t.Errorf("have %s, want %s", got, want)
		}
	}
	for _, name := range []string{"", "/", "a b", "db/", "a//b", base, strings.Repeat("x", 1012)} {
		if IsName(name) {
			t.Errorf("%q is no name", name)
		}
	}
}

func ref(t *testing.T, text string) Ref {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRights(t *testing.T) {
	own := Parameter("aws", "us-east-1", "123456789012", "/flowbed/dev/prefect-api-key")
	own.Ours = true
	const parameter, abroad = "arn:aws:ssm:us-east-1:123456789012:parameter/db", "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/db"
	refs := []Ref{own, ref(t, base+":user::"), {}, ref(t, parameter), ref(t, base+":password::"), ref(t, abroad)}
	want := []Right{
		{[]string{"ssm:GetParameters"}, []string{own.ARN(), parameter, abroad}, nil},
		{[]string{"secretsmanager:GetSecretValue"}, []string{base}, nil},
		{[]string{"kms:Decrypt"}, []string{"arn:aws:kms:us-east-1:123456789012:key/*"}, map[string][]string{
			"kms:ViaService": {"secretsmanager.us-east-1.amazonaws.com"}, "kms:EncryptionContext:SecretARN": {base}}},
		{[]string{"kms:Decrypt"}, []string{"arn:aws:kms:us-east-1:123456789012:key/*"}, map[string][]string{
			"kms:ViaService": {"ssm.us-east-1.amazonaws.com"}, "kms:EncryptionContext:PARAMETER_ARN": {parameter}}},
		{[]string{"kms:Decrypt"}, []string{"arn:aws-cn:kms:cn-north-1:123456789012:key/*"}, map[string][]string{
			"kms:ViaService": {"ssm.cn-north-1.amazonaws.com.cn"}, "kms:EncryptionContext:PARAMETER_ARN": {abroad}}},
	}
	if diff := cmp.Diff(want, Rights(ByECS, refs...)); diff != "" {
		t.Error(diff)
	}
	if got := Rights(ByCall, own); len(got) != 1 || got[0].Actions[0] != "ssm:GetParameter" {
		t.Errorf("have %v", got)
	}
	if got := Rights(ByCall, Ref{}); got != nil {
		t.Errorf("have %v for no secret", got)
	}
}
