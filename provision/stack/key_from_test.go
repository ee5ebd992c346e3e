package stack_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/prefecttest"
)

const storedKey = "pnu_5entine1-of-somebody-else"

// keysFrom say where the secret of the API is, in all its forms, and make it.
var keysFrom = []struct {
	name, from string
	make       func(*testing.T, *sandbox.Account)
}{
	{"the ARN of a parameter", "arn:aws:ssm:" + region + ":" + sandbox.DefaultAccount + ":parameter/team/prefect", func(t *testing.T, a *sandbox.Account) {
		putParameter(t, a, region, "/team/prefect", "", storedKey)
	}},
	{"the name of a parameter", "/team/prefect", func(t *testing.T, a *sandbox.Account) {
		putParameter(t, a, region, "/team/prefect", customerKey, storedKey)
	}},
	{"a short name", "prefect", func(t *testing.T, a *sandbox.Account) { putParameter(t, a, region, "prefect", "", storedKey+"\n") }},
	{"a parameter in another region", "arn:aws:ssm:us-east-1:" + sandbox.DefaultAccount + ":parameter/team/prefect", func(t *testing.T, a *sandbox.Account) {
		putParameter(t, a, "us-east-1", "/team/prefect", "", storedKey)
	}},
	{"a secret", stored(region, "team/prefect"), func(t *testing.T, a *sandbox.Account) {
		createSecret(t, a, region, "team/prefect", customerKey, storedKey)
	}},
	{"a key of a secret", stored("us-east-1", "team/prefect") + ":key:AWSCURRENT:", func(t *testing.T, a *sandbox.Account) {
		createSecret(t, a, "us-east-1", "team/prefect", "", `{"key": "`+storedKey+`", "other": 1}`)
	}},
}

// stored is the ARN of a secret that has not been made yet.
func stored(in, name string) string {
	out, err := secretsmanager.NewFromConfig(sandbox.New().Config(in)).CreateSecret(context.Background(), &secretsmanager.CreateSecretInput{
		Name: &name, SecretString: aws.String("x")})
	if err != nil {
		panic(err)
	}
	return aws.ToString(out.ARN)
}

// admits is the sandbox's Prefect, which requires a secret of all that flowbed sends.
type admits struct {
	http.RoundTripper
	*testing.T
	secret string
}

// RoundTrip implements http.RoundTripper.
func (a *admits) RoundTrip(r *http.Request) (*http.Response, error) {
	if have := r.Header.Get("Authorization"); have != "Bearer "+a.secret {
		a.Errorf("%s %s has the header %q", r.Method, r.URL, have)
	}
	return a.RoundTripper.RoundTrip(r)
}

func fromKey(from string) string {
	return fmt.Sprintf("agent {}\nprefect {\napi_url = \"https://prefect.example.com/api\"\napi_key_from = %q\n}\n", from)
}

// TestKeyFrom: with a secret that exists, flowbed, the agent and the tasks read it where it is:
// a flow completes, nothing of ours holds the value, and down leaves the secret.
func TestKeyFrom(t *testing.T) {
	for _, c := range keysFrom {
		for name, more := range map[string]string{
			"3.9.1": "agent {}", "2.20.25": "agent {}", "a service": "agent {\nservice {}\n}",
		} {
			version := strings.Replace(name, "a service", "3.9.1", 1)
			t.Run(c.name+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					account := sandbox.New()
					c.make(t, account)
					before := ofAWS(account)
					checked := &admits{sandbox.Prefect(account), t, storedKey}
					text := "environment \"dev\" {\n" + strings.Replace(fromKey(c.from), "api_key_from", "version = \""+version+"\"\napi_key_from", 1) + "}"
					text = strings.Replace(text, "agent {}", more, 1)
					var learned []string
					o := stack.Options{Transport: checked, Learned: func(s string) { learned = append(learned, s) }}
					if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
						t.Fatal(err)
					}
					if len(learned) == 0 || learned[0] != storedKey {
						t.Errorf("flowbed learned %q", learned)
					}
					if have := contents(t, account); strings.Contains(have, "5entine1") || strings.Contains(have, "prefect-api-key") {
						t.Errorf("the account has the value, or a parameter of ours: %s", have)
					}
					if list := changesOf(t, build(t, account, text, o)); len(list) > 0 {
						t.Errorf("up again would change %q", list)
					}
					o.AsIs = true
					h, err := build(t, account, text, o).Hello()
					if err != nil {
						t.Fatal(err)
					}
					h.Timeout = 10 * time.Minute
					if _, err := h.Run(t.Context()); err != nil {
						t.Errorf("hello: %v", err)
					}
					if left, err := build(t, account, text, stack.Options{Transport: checked, Destroy: true}).Graph.Down(t.Context()); err != nil || !left.Empty() {
						t.Errorf("down: %v, left %+v", err, left.Actions)
					}
					if diff := cmp.Diff(before, ofAWS(account)); diff != "" {
						t.Errorf("down (-want +left):\n%s", diff)
					}
				})
			})
		}
	}
}

// ofAWS is what an account has beside Prefect.
func ofAWS(account *sandbox.Account) map[string]any {
	all := account.Inventory()
	delete(all, "prefect")
	return all
}

// TestKeyFromPrefect1: the agent of Prefect 1 reads the key, and flowbed's own check of the
// server has it, too.
func TestKeyFromPrefect1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		putParameter(t, account, region, "/team/prefect", "", storedKey)
		text := "environment \"dev\" {\nagent {}\nprefect {\nversion = \"1.4.1\"\napi_url = \"http://prefect.example.com:4200\"\napi_key_from = \"/team/prefect\"\n}\n}"
		o := stack.Options{Transport: &admits{sandbox.Prefect(account), t, storedKey}}
		if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list := changesOf(t, build(t, account, text, o)); len(list) > 0 {
			t.Errorf("up again would change %q", list)
		}
		o.Destroy = true
		if left, err := build(t, account, text, o).Graph.Down(t.Context()); err != nil || !left.Empty() {
			t.Errorf("down: %v, left %+v", err, left.Actions)
		}
	})
}

// TestKeyFromSwitch goes from api_key to a secret that exists, to another one, and back. The
// parameter of flowbed comes and goes, and the secrets stay.
func TestKeyFromSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		parameter := putParameter(t, account, region, "/team/prefect", "", storedKey)
		kept := createSecret(t, account, region, "team/prefect", "", storedKey)
		own := strings.Replace(fromKey(""), `api_key_from = ""`, `api_key = "`+storedKey+`"`, 1)
		up := func(text string) {
			t.Helper()
			text = "environment \"dev\" {\n" + text + "}"
			o := stack.Options{Transport: &admits{sandbox.Prefect(account), t, storedKey}}
			if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if list := changesOf(t, build(t, account, text, o)); len(list) > 0 {
				t.Errorf("up again would change %q", list)
			}
		}
		for _, c := range []struct {
			text, from string
			ours       bool
		}{
			{own, "arn:aws:ssm:" + region + ":" + sandbox.DefaultAccount + ":parameter/flowbed/dev/prefect-api-key", true},
			{fromKey(parameter), parameter, false}, {fromKey(kept), kept, false}, {own, "", true}, {fromKey("/team/prefect"), parameter, false},
		} {
			up(c.text)
			_, err := ssm.NewFromConfig(account.Config(region)).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/flowbed/dev/prefect-api-key")})
			if have := err == nil; have != c.ours {
				t.Errorf("%s: the parameter of flowbed is there: %t", c.text, have)
			}
			if have := policies(t, account); !strings.Contains(have, c.from) {
				t.Errorf("%s: the policies are\n%s", c.text, have)
			}
		}
	})
}

// TestKeyFromFails: where flowbed may not read the secret, or there is none, it says so before
// it changes anything, and down leaves the work pool alone.
func TestKeyFromFails(t *testing.T) {
	const from = "arn:aws:secretsmanager:" + region + ":" + sandbox.DefaultAccount + ":secret:team/prefect-AbCdEf"
	secretARN := stored(region, "team/prefect")
	for name, c := range map[string]struct {
		from string
		make func(*testing.T, *sandbox.Account)
		want string
	}{
		"no parameter": {"/team/prefect", nil, "does not exist → create it, or correct api_key_from in the file"},
		"no secret":    {from, nil, "does not exist → create it"},
		"going": {secretARN, func(t *testing.T, a *sandbox.Account) {
			createSecret(t, a, region, "team/prefect", "", storedKey)
			if _, err := secretsmanager.NewFromConfig(a.Config(region)).DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &secretARN}); err != nil {
				t.Fatal(err)
			}
		}, "it is scheduled for deletion"},
		"empty":   {"/team/prefect", func(t *testing.T, a *sandbox.Account) { putParameter(t, a, region, "/team/prefect", "", " \n") }, "the value is empty"},
		"no JSON": {secretARN + ":key::", func(t *testing.T, a *sandbox.Account) { createSecret(t, a, region, "team/prefect", "", storedKey) }, "the secret is no JSON"},
		"no member": {secretARN + ":key::", func(t *testing.T, a *sandbox.Account) {
			createSecret(t, a, region, "team/prefect", "", `{"other": "x"}`)
		}, `no text under "key"`},
		"denied": {"/team/prefect", func(t *testing.T, a *sandbox.Account) {
			putParameter(t, a, region, "/team/prefect", "", storedKey)
			a.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"ssm:GetParameter","Resource":"*"}]}`
		}, "allow ssm:GetParameter (and kms:Decrypt, if a customer key encrypts it)"},
	} {
		t.Run(name, func(t *testing.T) {
			account := sandbox.New()
			if c.make != nil {
				c.make(t, account)
			}
			before := len(account.Writes())
			text := "environment \"dev\" {\n" + strings.Replace(fromKey(c.from), "agent {}", "", 1) + "}"
			s := build(t, account, text, stack.Options{Transport: prefecttest.New()})
			p, err := s.Graph.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Err(); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "5entine1") {
				t.Errorf("plan: %v, want %q", err, c.want)
			}
			if err := s.Graph.Up(t.Context()); err == nil || len(account.Writes()) > before {
				t.Errorf("up: %v, after the writes %v", err, account.Writes()[before:])
			}
		})
	}
}

// TestKeyFromGone removes an environment whose secret is gone: the work pool stays, and down
// says why.
func TestKeyFromGone(t *testing.T) {
	account, server := sandbox.New(), prefecttest.New()
	server.Key = storedKey
	arn := createSecret(t, account, region, "team/prefect", "", storedKey)
	text := "environment \"dev\" {\n" + strings.Replace(fromKey(arn), "agent {}", "", 1) + "}"
	if err := build(t, account, text, stack.Options{Transport: server}).Graph.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := secretsmanager.NewFromConfig(account.Config(region)).DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{
		SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	s := build(t, account, text, stack.Options{Transport: server, Destroy: true})
	p, err := s.Graph.PlanDown(t.Context())
	if err != nil || p.Err() != nil {
		t.Fatal(err, p.Err())
	}
	said := fmt.Sprintf("%+v", poolAction(p))
	if !strings.Contains(said, "is left, because flowbed could not query Prefect") || !strings.Contains(said, "does not exist") {
		t.Errorf("the plan of the pool is %s", said)
	}
	if _, err := s.Graph.Down(t.Context()); err != nil {
		t.Errorf("down: %v", err)
	}
	if have := contents(t, account); strings.Contains(have, "flowbed:") {
		t.Errorf("down left in AWS: %s", have)
	}
}

// changesOf are the fields that a plan of up would change, by step.
func changesOf(t *testing.T, s *stack.Stack) (list []string) {
	t.Helper()
	p, err := s.Graph.Plan(t.Context())
	if err != nil || p.Err() != nil {
		t.Fatal(err, p.Err())
	}
	for _, a := range p.Actions {
		for _, c := range a.Changes {
			list = append(list, a.Step+": "+c.Field)
		}
		if a.Op == provision.Delete {
			list = append(list, a.Step+": deleted")
		}
	}
	return list
}
