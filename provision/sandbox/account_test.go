package sandbox

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// hand is another hand in an account: clients, and names that are quick to write.
type hand struct {
	*Account
	iam *iam.Client
	s3  *s3.Client
}

func newHand(region string) hand { return handOf(New(), region) }

func handOf(a *Account, region string) hand {
	c := a.Config(region)
	return hand{a, iam.NewFromConfig(c), s3.NewFromConfig(c)}
}

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func (h hand) role(name string) error {
	_, err := h.iam.CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trust)})
	return err
}

func (h hand) hasRole(name string) bool {
	_, err := h.iam.GetRole(context.Background(), &iam.GetRoleInput{RoleName: &name})
	return err == nil
}

// ok is for what a test builds on.
func ok(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// wantCode compares AWS's code of an error; empty is none.
func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if have := codeOf(err); have != want || want == "" && err != nil {
		t.Errorf("error: have %v, want code %q", err, want)
	}
}

func TestIdentity(t *testing.T) {
	for region, want := range map[string]string{
		"eu-north-1": "arn:aws:iam::123456789012:user/sandbox",
		"cn-north-1": "arn:aws-cn:iam::123456789012:user/sandbox",
	} {
		out := must(sts.NewFromConfig(New().Config(region)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))
		if *out.Arn != want || *out.Account != DefaultAccount {
			t.Errorf("%s: have %s in %s, want %s", region, *out.Arn, *out.Account, want)
		}
	}
}

func TestUnknownOperation(t *testing.T) {
	_, err := ec2.NewFromConfig(New().Config("us-east-1")).CreateVpnGateway(t.Context(), &ec2.CreateVpnGatewayInput{Type: "ipsec.1"})
	wantCode(t, err, "NotImplemented")
	op, ok := errors.AsType[*smithy.OperationError](err)
	if !ok || op.OperationName != "CreateVpnGateway" {
		t.Errorf("the error %v does not say which call failed", err)
	}
}

func TestCallsAreCounted(t *testing.T) {
	h := newHand("us-east-1")
	h.hasRole("a")
	ok(h.role("a"))
	ok(h.role("b"))
	calls, writes := h.Calls(), h.Writes()
	if len(calls) != 3 || len(writes) != 2 {
		t.Fatalf("have %d calls and %d writes, want 3 and 2", len(calls), len(writes))
	}
	want := Call{Service: "iam", Operation: "CreateRole", Write: true, Number: 3, WriteNo: 2}
	if calls[2] != want || calls[0].WriteNo != 0 {
		t.Errorf("have %+v, want %+v", calls[2], want)
	}
}

func TestLagHidesWritesFromReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHand("us-east-1")
		h.Lag = 10 * time.Second
		ok(h.role("a"))
		time.Sleep(4 * time.Second)
		ok(h.role("b"))
		wantCode(t, h.role("a"), "EntityAlreadyExists") // writes see what is
		for _, step := range []struct {
			after time.Duration
			a, b  bool
		}{{0, false, false}, {6 * time.Second, true, false}, {4 * time.Second, true, true}} {
			time.Sleep(step.after)
			if a, b := h.hasRole("a"), h.hasRole("b"); a != step.a || b != step.b {
				t.Errorf("after %s more: a visible %v, b visible %v, want %v, %v", step.after, a, b, step.a, step.b)
			}
		}
		must(h.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("a")}))
		if !h.hasRole("a") {
			t.Error("a deletion is visible at once")
		}
		time.Sleep(10 * time.Second)
		if h.hasRole("a") {
			t.Error("a deletion is never visible")
		}
		ok(h.role("c"))
		if len(h.past) != 1 {
			t.Errorf("%d views of the past are kept, want 1", len(h.past))
		}
	})
}

func TestFaults(t *testing.T) {
	refused := &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}
	var ran []string
	for _, c := range []struct {
		name   string
		fault  Fault
		code   string
		exists bool
	}{
		{"none", Fault{}, "", true},
		{"refused", Fault{Refuse: refused}, "Throttling", false},
		{"reply lost", Fault{Lose: true}, "EntityAlreadyExists", true},
		{"then", Fault{Then: func() { ran = append(ran, "then") }}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHand("us-east-1")
			h.Fault = func(call Call) Fault {
				if call.WriteNo == 1 {
					return c.fault
				}
				return Fault{}
			}
			wantCode(t, h.role("a"), c.code)
			if h.hasRole("a") != c.exists {
				t.Errorf("the role exists: %v, want %v", !c.exists, c.exists)
			}
		})
	}
	if len(ran) != 1 {
		t.Errorf("Then ran %d times, want once", len(ran))
	}
}

func TestThenMayCall(t *testing.T) {
	h := newHand("us-east-1")
	h.Fault = func(c Call) Fault {
		if c.WriteNo != 1 {
			return Fault{}
		}
		return Fault{Then: func() { _ = h.role("by another hand") }} // refused for its name, but not for a deadlock
	}
	wantCode(t, h.role("a"), "")
	if n := len(h.Writes()); n != 2 {
		t.Errorf("have %d writes, want 2", n)
	}
}

func TestEndedContext(t *testing.T) {
	h := newHand("us-east-1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.iam.ListRoles(ctx, &iam.ListRolesInput{})
	if !errors.Is(err, context.Canceled) || len(h.Calls()) != 0 {
		t.Errorf("have %v and %d calls, want the context's error and none", err, len(h.Calls()))
	}
}

func TestOneWinner(t *testing.T) {
	h := newHand("us-east-1")
	var wg sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		wg.Go(func() { errs[i] = h.role("a") })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of 12 made the role, want 1", won)
	}
}
