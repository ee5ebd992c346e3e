package keypolicy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/keypolicy"
)

const (
	key  = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	root = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}`
	role = "arn:aws:iam::123456789012:role/data/flowbed-dev-task"
)

var (
	logs = keypolicy.Use{By: "logs.us-east-1.amazonaws.com", Actions: []string{"kms:Encrypt", "kms:GenerateDataKey"},
		Context: map[string]string{"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:us-east-1:123456789012:log-group:/flowbed/dev"}}
	events = keypolicy.Use{By: "events.amazonaws.com", Actions: []string{"kms:GenerateDataKey", "kms:Decrypt"}}
	task   = keypolicy.Use{Role: role, Actions: []string{"kms:Decrypt"}, Context: map[string]string{keypolicy.Via: "s3.us-east-1.amazonaws.com"}}
	caller = keypolicy.Use{Actions: []string{"kms:CreateGrant", "kms:Decrypt"}, Context: map[string]string{
		keypolicy.Via: "ec2.us-east-1.amazonaws.com", "kms:GrantIsForAWSResource": "true"}}
)

func TestJudge(t *testing.T) {
	allow := func(principal, actions, condition string) string {
		s := `{"Effect":"Allow","Principal":` + principal + `,"Action":` + actions + `,"Resource":"*"`
		if condition != "" {
			s += `,"Condition":` + condition
		}
		return s + "}"
	}
	const all = `"kms:*"`
	forEvents := func(condition string) string { return allow(`{"Service":"events.amazonaws.com"}`, all, condition) }
	for _, c := range []struct {
		name           string
		policy         []string
		use            keypolicy.Use
		denied, unsure string
	}{
		{"a service needs a statement of its own", []string{root}, logs, "kms:Encrypt kms:GenerateDataKey", ""},
		{"patterns of actions", []string{allow(`{"Service":"logs.us-east-1.amazonaws.com"}`, `["kms:Encrypt*","KMS:Generate*"]`, "")}, logs, "", ""},
		{"one action of two", []string{allow(`{"Service":"logs.us-east-1.amazonaws.com"}`, `"kms:Encrypt*"`, "")}, logs, "kms:GenerateDataKey", ""},
		{"the service in another region", []string{allow(`{"Service":"logs.eu-west-1.amazonaws.com"}`, all, "")}, logs, "kms:Encrypt kms:GenerateDataKey", ""},
		{"the context of the group", []string{allow(`{"Service":"logs.us-east-1.amazonaws.com"}`, all,
			`{"ArnLike":{"kms:EncryptionContext:aws:logs:arn":"arn:aws:logs:us-east-1:123456789012:log-group:/flowbed/*"}}`)}, logs, "", ""},
		{"the context of another group", []string{allow(`{"Service":"logs.us-east-1.amazonaws.com"}`, all,
			`{"ArnEquals":{"kms:EncryptionContext:aws:logs:arn":["arn:aws:logs:us-east-1:123456789012:log-group:/flowbed/prod"]}}`)}, logs, "kms:Encrypt kms:GenerateDataKey", ""},
		{"a condition that flowbed cannot evaluate", []string{forEvents(`{"StringEquals":{"aws:SourceAccount":"123456789012"}}`)}, events, "", "kms:GenerateDataKey kms:Decrypt"},
		{"a service never uses a key through another", []string{forEvents(`{"StringEquals":{"kms:ViaService":"sqs.us-east-1.amazonaws.com"}}`)}, events, "kms:GenerateDataKey kms:Decrypt", ""},
		{"everybody", []string{allow(`"*"`, all, "")}, events, "", ""},
		{"everybody of the account, through a service", []string{allow(`{"AWS":"*"}`, all,
			`{"StringEquals":{"kms:CallerAccount":"123456789012","kms:ViaService":["ec2.us-east-1.amazonaws.com","s3.us-east-1.amazonaws.com"]}}`)}, task, "", ""},
		{"through another service", []string{allow(`{"AWS":"*"}`, all, `{"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}`)}, task, "kms:Decrypt", ""},
		{"the account", []string{root}, task, "", ""},
		{"the number of the account", []string{allow(`{"AWS":"123456789012"}`, all, "")}, task, "", ""},
		{"the role", []string{allow(`{"AWS":["`+role+`"]}`, all, "")}, task, "", ""},
		{"another role", []string{allow(`{"AWS":"arn:aws:iam::123456789012:role/admin"}`, all, "")}, task, "kms:Decrypt", ""},
		{"perhaps the caller", []string{allow(`{"AWS":"arn:aws:iam::123456789012:role/admin"}`, all, "")}, caller, "", "kms:CreateGrant kms:Decrypt"},
		{"nobody of the account", []string{allow(`{"AWS":"arn:aws:iam::210987654321:root"}`, all, "")}, caller, "kms:CreateGrant kms:Decrypt", ""},
		{"grants for services alone", []string{allow(`{"AWS":"arn:aws:iam::123456789012:root"}`, all, `{"Bool":{"kms:GrantIsForAWSResource":true}}`)}, caller, "kms:Decrypt", ""},
		{"denied", []string{root, `{"Effect":"Deny","Principal":"*","Action":"kms:CreateGrant","Resource":"*"}`}, caller, "kms:CreateGrant", ""},
		{"perhaps denied", []string{root, `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}}`}, task, "", "kms:Decrypt"},
		{"denied but through some service", []string{forEvents("null"), `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"kms:ViaService":"sqs.us-east-1.amazonaws.com"}}}`},
			events, "", "kms:GenerateDataKey kms:Decrypt"},
		{"denied to others", []string{root, `{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::123456789012:role/intern"},"Action":"kms:*","Resource":"*"}`}, task, "", ""},
		{"all but one", []string{root, `{"Effect":"Deny","NotPrincipal":{"AWS":"` + role + `"},"Action":"kms:*","Resource":"*"}`}, task, "", "kms:Decrypt"},
		{"without a resource, a statement has no effect", []string{`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"kms:*"}`}, events, "kms:GenerateDataKey kms:Decrypt", ""},
		{"the ARN of the key", []string{strings.Replace(root, `"Resource":"*"`, `"Resource":"`+key+`"`, 1)}, task, "", ""},
		{"another key", []string{strings.Replace(root, `"Resource":"*"`, `"Resource":"arn:aws:kms:us-east-1:123456789012:key/other"`, 1)}, task, "kms:Decrypt", ""},
		{"a number without quotes", []string{root, `{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"NumericGreaterThan":{"aws:MultiFactorAuthAge":3600}}}`}, task, "", "kms:Decrypt"},
		{"a pattern that backtracks for ever", []string{root, `{"Effect":"Deny","Principal":"*","Action":"` + strings.Repeat("*k", 30) + `","Resource":"` + strings.Repeat("*1", 40) + `*x"}`}, task, "", ""},
		{"stars in many places", []string{allow(`{"AWS":"*"}`, `"**:d*c*?pt*"`, "")}, task, "", ""},
		{"a variable", []string{allow(`{"AWS":"*"}`, all, `{"StringEquals":{"kms:CallerAccount":"${aws:PrincipalAccount}"}}`)}, task, "", "kms:Decrypt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := keypolicy.Parse(key, `{"Version":"2012-10-17","Statement":[`+strings.Join(c.policy, ",")+`]}`)
			if err != nil {
				t.Fatal(err)
			}
			denied, unsure := p.Judge(c.use)
			if !slices.Equal(denied, strings.Fields(c.denied)) || !slices.Equal(unsure, strings.Fields(c.unsure)) {
				t.Errorf("denied %v, unsure %v; want %q and %q", denied, unsure, c.denied, c.unsure)
			}
		})
	}
}

// TestStatements checks that the policy that flowbed prints allows what flowbed asks for.
func TestStatements(t *testing.T) {
	uses := []keypolicy.Use{logs, events, task, caller}
	text := keypolicy.Statements("aws", "123456789012", uses)
	p, err := keypolicy.Parse(key, text)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uses {
		if denied, unsure := p.Judge(u); len(denied)+len(unsure) > 0 {
			t.Errorf("%s: denied %v, unsure %v in\n%s", u.Who(), denied, unsure, text)
		}
	}
}

func TestBrokenPolicies(t *testing.T) {
	for _, text := range []string{"", "{", `{"Statement":7}`, `{"Statement":[{"Action":[{}]}]}`} {
		if _, err := keypolicy.Parse(key, text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	p, err := keypolicy.Parse(key, `{"Statement":`+root+`}`) // one statement, without a list
	if err != nil {
		t.Fatal(err)
	}
	if denied, _ := p.Judge(task); len(denied) > 0 {
		t.Errorf("denied %v", denied)
	}
}
