package stack_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// customerKey encrypts secrets that are not encrypted by AWS's own keys.
const customerKey = "arn:aws:kms:" + region + ":" + sandbox.DefaultAccount + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"

// putParameter makes a SecureString as somebody else, and returns its ARN.
func putParameter(t *testing.T, account *sandbox.Account, in, name, key, value string) string {
	t.Helper()
	p := &ssm.PutParameterInput{Name: &name, Value: &value, Type: types.ParameterTypeSecureString}
	if key != "" {
		p.KeyId = &key
	}
	if _, err := ssm.NewFromConfig(account.Config(in)).PutParameter(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return "arn:aws:ssm:" + in + ":" + sandbox.DefaultAccount + ":parameter/" + strings.TrimPrefix(name, "/")
}

// createSecret makes a secret as somebody else, and returns its ARN.
func createSecret(t *testing.T, account *sandbox.Account, in, name, key, value string) string {
	t.Helper()
	s := &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}
	if key != "" {
		s.KmsKeyId = &key
	}
	out, err := secretsmanager.NewFromConfig(account.Config(in)).CreateSecret(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.ARN)
}

// withSecrets is helloFile with secrets for flows.
func withSecrets(secrets map[string]string) string {
	var b strings.Builder
	b.WriteString("flows {\nsecrets = {\n")
	for name, from := range secrets {
		fmt.Fprintf(&b, "%s = %q\n", name, from)
	}
	return b.String() + "}\n}\n" + helloFile
}

// makeSecrets makes a secret of each kind. Their ARNs are the same in all accounts of tests.
func makeSecrets(t *testing.T, account *sandbox.Account) map[string]string {
	t.Helper()
	return map[string]string{
		"PLAIN":   putParameter(t, account, region, "/team/db/password", "", "s"),
		"SHORT":   putParameter(t, account, region, "token", "", "s"),
		"OWN_KEY": putParameter(t, account, region, "/team/db/own-key", customerKey, "s"),
		"ABROAD":  putParameter(t, account, "us-east-1", "/team/db/abroad", "", "s"),
		"SECRET":  createSecret(t, account, region, "team/db", "", "s"),
		"KEY":     createSecret(t, account, region, "team/json", customerKey, `{"user": "ada", "password": "s"}`) + ":password::",
		"STAGE":   createSecret(t, account, "eu-west-1", "team/old", "", "s") + "::AWSCURRENT:",
	}
}

// TestFlowSecrets: ECS reads each kind of secret for a task, with Prefect 3 and Prefect 2, with
// the account's execution role and with one of its own.
func TestFlowSecrets(t *testing.T) {
	secrets := makeSecrets(t, sandbox.New())
	for name, text := range map[string]string{
		"Prefect 3":       withSecrets(secrets),
		"Prefect 2":       strings.Replace(withSecrets(secrets), "api_key", "version = \"2.20.25\"\n\tapi_key", 1),
		"a role":          "execution_role { name = \"flows-execution\" }\n" + withSecrets(secrets),
		"without the key": strings.Replace(withSecrets(secrets), `api_key = "pnu_0123456789"`, "", 1),
	} {
		t.Run(name, func(t *testing.T) {
			inHello(t, text, func(w *helloWorld) {
				makeSecrets(w.T, w.account)
				if _, err := w.hello.Run(w.Context()); err != nil {
					t.Fatalf("%v:\n%s", err, w.said())
				}
				w.wantNothing()
			})
		})
	}
}

// TestFlowSecretsFail: a task does not start if ECS cannot read a secret, and hello tells why.
func TestFlowSecretsFail(t *testing.T) {
	const (
		parameter = "arn:aws:ssm:" + region + ":" + sandbox.DefaultAccount + ":parameter/team/password"
		absent    = "arn:aws:secretsmanager:" + region + ":" + sandbox.DefaultAccount + ":secret:team/db-AbCdEf"
	)
	account := sandbox.New()
	json := createSecret(t, account, region, "team/json", "", "x")
	for name, c := range map[string]struct {
		from string
		do   func(*helloWorld)
		want string
	}{
		"no parameter": {parameter, func(*helloWorld) {}, "a secret that the file names is missing"},
		"no secret":    {absent, func(*helloWorld) {}, "a secret that the file names is missing"},
		"no key": {json + ":password::", func(w *helloWorld) { createSecret(w.T, w.account, region, "team/json", "", `{"user": "ada"}`) },
			"did not contain json key password"},
		"no JSON": {json + ":password::", func(w *helloWorld) { createSecret(w.T, w.account, region, "team/json", "", "x") },
			"was not a valid JSON"},
		"another account": {strings.Replace(parameter, sandbox.DefaultAccount, "210987654321", 1), func(*helloWorld) {}, "AccessDeniedException"},
		"the right is gone": {parameter, func(w *helloWorld) {
			putParameter(w.T, w.account, region, "/team/password", "", "s")
			w.deny("ecsTaskExecutionRole")
		}, "AccessDeniedException"},
		"another secret with the key": {parameter, func(w *helloWorld) {
			putParameter(w.T, w.account, region, "/team/password", customerKey, "s")
			replacePolicy(w, "kms:EncryptionContext:PARAMETER_ARN", "kms:EncryptionContext:Other")
		}, "kms:Decrypt"},
	} {
		t.Run(name, func(t *testing.T) {
			inHello(t, withSecrets(map[string]string{"PASSWORD": c.from}), func(w *helloWorld) {
				c.do(w)
				_, err := w.hello.Run(w.Context())
				if err == nil || !strings.Contains(err.Error()+w.said(), "ResourceInitializationError") || !strings.Contains(err.Error()+w.said(), c.want) {
					t.Errorf("hello: %v\n%s", err, w.said())
				}
			})
		})
	}
}

// replacePolicy changes a text in the policy of the environment in the account's role.
func replacePolicy(w *helloWorld, was, is string) {
	w.Helper()
	role := aws.String("ecsTaskExecutionRole")
	list, err := w.iam.ListRolePolicies(w.ctx, &iam.ListRolePoliciesInput{RoleName: role})
	w.check(err)
	for _, name := range list.PolicyNames {
		out, err := w.iam.GetRolePolicy(w.ctx, &iam.GetRolePolicyInput{RoleName: role, PolicyName: &name})
		w.check(err)
		doc := strings.ReplaceAll(decoded(w.T, out.PolicyDocument), was, is)
		_, err = w.iam.PutRolePolicy(w.ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: &name, PolicyDocument: &doc})
		w.check(err)
	}
}

// changes are the fields that a plan of up would change, by step.
func changes(t *testing.T, account *sandbox.Account, text string) []string {
	t.Helper()
	list := changesOf(t, build(t, account, text, stack.Options{Transport: sandbox.Prefect(account), NoWait: true}))
	slices.Sort(list)
	return list
}

// TestFlowSecretsLife says a secret, changes it, leaves it out, and removes the environment.
func TestFlowSecretsLife(t *testing.T) {
	const a, b = "arn:aws:ssm:eu-central-1:123456789012:parameter/a", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:b-AbCdEf"
	file := func(secrets string) string {
		return "environment \"dev\" {\n" + noSecret + "\nflows { secrets = {" + secrets + "} }\n}"
	}
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		before := account.Inventory()
		role := "execution role: policy flowbed-dev-" + region
		for _, c := range []struct {
			secrets string
			want    []string
		}{
			{"", nil},
			{`PASSWORD = "` + a + `"`, []string{role, "work pool: secrets.PASSWORD"}},
			{`PASSWORD = "` + b + `"`, []string{role, "work pool: secrets.PASSWORD"}},
			{`PASSWORD = "` + b + `:key::"`, []string{"work pool: secrets.PASSWORD"}},
			{`PASSWORD = "` + b + `:key::", MORE = "` + a + `"`, []string{role, "work pool: secrets.MORE"}},
			{"", []string{role, "work pool: secrets.MORE", "work pool: secrets.PASSWORD"}},
		} {
			have := changes(t, account, file(c.secrets))
			if c.want != nil && !slices.Equal(have, c.want) {
				t.Errorf("{%s}: the plan changes %q, want %q", c.secrets, have, c.want)
			}
			s := build(t, account, file(c.secrets), stack.Options{Transport: sandbox.Prefect(account), NoWait: true})
			if err := s.Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if have := changes(t, account, file(c.secrets)); len(have) > 0 {
				t.Errorf("{%s}: up again would change %q", c.secrets, have)
			}
		}
		down := build(t, account, file(""), stack.Options{Transport: sandbox.Prefect(account), Destroy: true})
		if left, err := down.Graph.Down(t.Context()); err != nil || !left.Empty() {
			t.Errorf("down: %v, left %+v", err, left.Actions)
		}
		if have := account.Inventory(); len(have) != len(before) {
			t.Errorf("left behind: %v", have)
		}
	})
}

// decoded is a policy as IAM returns it.
func decoded(t *testing.T, document *string) string {
	t.Helper()
	text, err := url.PathUnescape(aws.ToString(document))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
