package resource_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

const sentinel = "pnu_5e11a1n3-do-not-show"

// token is the secret in a sandbox.
type token struct {
	account *sandbox.Account
	api     *ssm.Client
	want    resource.Parameter
	seen    strings.Builder // all that the run said
}

func newToken() *token {
	k := &token{account: sandbox.New()}
	k.api = ssm.NewFromConfig(k.account.Config("us-east-1"))
	k.want = resource.Parameter{
		API: k.api, Name: "/flowbed/dev/prefect-api-key", Value: sentinel,
		ID: resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "1.0.0"},
	}
	return k
}

func (k *token) graph() *provision.Graph {
	g := &provision.Graph{Owner: k.want.ID.Owner(), Retry: awserr.Retry, Notify: func(e provision.Event) {
		fmt.Fprintf(&k.seen, "%+v %v\n", e, e.Err)
	}}
	provision.Add(g, "api key parameter", provision.Own, k.want)
	return g
}

func (k *token) plan(t *testing.T) provision.Plan {
	t.Helper()
	p, err := k.graph().Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range p.Actions {
		fmt.Fprintf(&k.seen, "%+v %#v\n", a, a)
	}
	return p
}

func (k *token) up(t *testing.T) *token {
	t.Helper()
	err := k.graph().Up(t.Context())
	fmt.Fprintf(&k.seen, "%v %+v %#v\n", err, err, err)
	if err != nil {
		t.Fatalf("up: %v", err)
	}
	return k
}

func (k *token) parameter(t *testing.T) *types.Parameter {
	t.Helper()
	out, err := k.api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &k.want.Name, WithDecryption: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Parameter
}

func (k *token) wantSecret(t *testing.T) {
	t.Helper()
	if strings.Contains(k.seen.String(), sentinel) {
		t.Errorf("the secret was shown:\n%s", k.seen.String())
	}
}

func TestSecretIsWrittenOnlyWhenItDiffers(t *testing.T) {
	k := newToken()
	k.plan(t)
	k.up(t).up(t)
	if n := len(k.account.Writes()); n != 1 || *k.parameter(t).Value != sentinel {
		t.Errorf("%d writing calls, and the value %q", n, *k.parameter(t).Value)
	}
	k.want.Value = sentinel + "-rotated"
	c := k.plan(t).Actions[0].Changes
	if len(c) != 1 || c[0].Field != "value" || !c[0].From.IsSecret() || !c[0].To.IsSecret() {
		t.Errorf("the plan of a rotation has the changes %v, want that of the value", c)
	}
	k.up(t)
	if p := k.parameter(t); *p.Value != k.want.Value || p.Version != 2 || p.Type != types.ParameterTypeSecureString {
		t.Errorf("have version %d with %q", p.Version, *p.Value)
	}
	if p := k.plan(t); !p.Empty() { // the tags stayed
		t.Errorf("after the rotation the plan is %+v", p)
	}
	have, err := k.want.Read(t.Context())
	fmt.Fprintf(&k.seen, "%v %+v %#v", have, have, err)
	k.wantSecret(t)
}

func TestPlainTextIsReplaced(t *testing.T) {
	k := newToken().up(t)
	if err := k.want.Delete(t.Context(), resource.ParameterState{}); err != nil {
		t.Fatal(err)
	}
	var tags []types.Tag
	for key, v := range k.want.ID.Tags(k.want.Name) {
		tags = append(tags, types.Tag{Key: &key, Value: &v})
	}
	if _, err := k.api.PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: &k.want.Name, Value: aws.String("in the clear"), Type: types.ParameterTypeString, Tags: tags,
	}); err != nil {
		t.Fatal(err)
	}
	p := k.plan(t).Actions[0]
	if p.Op != provision.Replace || len(p.Changes) != 1 || p.Changes[0].Field != "type" {
		t.Errorf("have the plan %v with %v, want a replacement for the type", p.Op, p.Changes)
	}
	if have := k.up(t).parameter(t); have.Type != types.ParameterTypeSecureString || *have.Value != sentinel {
		t.Errorf("have a %s with %q", have.Type, *have.Value)
	}
}

// A removal knows no secret, and has no permission to decrypt.
func TestRemovalNeedsNoSecret(t *testing.T) {
	k := newToken().up(t)
	cfg := k.account.Config("us-east-1")
	cfg.APIOptions = append([]func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("no decryption", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
			if get, ok := in.Parameters.(*ssm.GetParameterInput); ok && aws.ToBool(get.WithDecryption) {
				return out, md, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "kms:Decrypt"}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}}, cfg.APIOptions...)
	k.want.API = ssm.NewFromConfig(cfg)
	if _, err := k.want.Read(t.Context()); awserr.Classify(err) != awserr.Denied {
		t.Errorf("with a secret: have the error %v, want a denial", err)
	}
	k.want.Value = ""
	if have, err := k.want.Read(t.Context()); err != nil || len(k.want.Changes(have)) > 0 {
		t.Errorf("without a secret: have %+v, %v and changes", have, err)
	}
	if left, err := k.graph().Down(t.Context()); err != nil || !left.Empty() {
		t.Errorf("down: %v, %v", left, err)
	}
}

func TestErrorsDoNotRepeatTheSecret(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault error
		class awserr.Class
	}{
		{"invalid", &smithy.GenericAPIError{Code: "ValidationException", Message: "Value '" + sentinel + "' at 'value' is not valid"}, awserr.Invalid},
		{"denied", &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to put " + sentinel}, awserr.Denied},
		{"no reply of AWS", errors.New("cannot send " + sentinel), awserr.Unknown},
		{"throttled", &smithy.GenericAPIError{Code: "ThrottlingException", Message: "slow down with " + sentinel}, awserr.Transient},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newToken()
				k.account.Fault = func(call sandbox.Call) sandbox.Fault {
					if call.Write {
						return sandbox.Fault{Refuse: c.fault}
					}
					return sandbox.Fault{}
				}
				err := k.graph().Up(t.Context())
				if err == nil || awserr.Classify(err) != c.class {
					t.Errorf("have the error %v of the class %d, want the class %d", err, awserr.Classify(err), c.class)
				}
				for e := err; e != nil; e = errors.Unwrap(e) {
					fmt.Fprintf(&k.seen, "%v %+v %#v\n", e, e, e)
				}
				if api, ok := errors.AsType[smithy.APIError](err); ok {
					fmt.Fprintln(&k.seen, api.ErrorMessage())
				}
				k.wantSecret(t)
			})
		})
	}
}
