package sandbox_test

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
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

func TestUnknownOperation(t *testing.T) {
	_, err := ec2.NewFromConfig(sandbox.New().Config("us-east-1")).CreateCustomerGateway(t.Context(), &ec2.CreateCustomerGatewayInput{Type: "ipsec.1"})
	try.WantCode(t, err, "NotImplemented")
	op, ok := errors.AsType[*smithy.OperationError](err)
	if !ok || op.OperationName != "CreateCustomerGateway" {
		t.Errorf("have error %v, want one that names the operation CreateCustomerGateway", err)
	}
}

func TestCallsAreCounted(t *testing.T) {
	h := try.New("us-east-1")
	h.HasRole("a")
	try.OK(h.Role("a"))
	try.OK(h.Role("b"))
	calls, writes := h.Calls(), h.Writes()
	if len(calls) != 3 || len(writes) != 2 {
		t.Fatalf("have %d calls and %d writes, want 3 and 2", len(calls), len(writes))
	}
	want := sandbox.Call{Service: "iam", Operation: "CreateRole", Write: true, Number: 3, WriteNo: 2}
	if calls[2] != want || calls[0].WriteNo != 0 {
		t.Errorf("have %+v, want %+v", calls[2], want)
	}
}

func TestLagHidesWritesFromReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := try.New("us-east-1")
		h.Lag = 10 * time.Second
		try.OK(h.Role("a"))
		time.Sleep(4 * time.Second)
		try.OK(h.Role("b"))
		try.WantCode(t, h.Role("a"), "EntityAlreadyExists") // a write sees the current state
		for _, step := range []struct {
			after time.Duration
			a, b  bool
		}{{0, false, false}, {6 * time.Second, true, false}, {4 * time.Second, true, true}} {
			time.Sleep(step.after)
			if a, b := h.HasRole("a"), h.HasRole("b"); a != step.a || b != step.b {
				t.Errorf("after %s more: a visible %v, b visible %v, want %v, %v", step.after, a, b, step.a, step.b)
			}
		}
		try.Must(h.IAM.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("a")}))
		if !h.HasRole("a") {
			t.Error("a deletion is visible before the lag has passed")
		}
		time.Sleep(10 * time.Second)
		if h.HasRole("a") {
			t.Error("a deletion is not visible after the lag has passed")
		}
	})
}

func TestFaults(t *testing.T) {
	refused := &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}
	var ran []string
	for _, c := range []struct {
		name   string
		fault  sandbox.Fault
		code   string
		exists bool
	}{
		{"none", sandbox.Fault{}, "", true},
		{"refused", sandbox.Fault{Refuse: refused}, "Throttling", false},
		{"reply lost", sandbox.Fault{Lose: true}, "EntityAlreadyExists", true},
		{"then", sandbox.Fault{Then: func() { ran = append(ran, "then") }}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := try.New("us-east-1")
			h.Fault = func(call sandbox.Call) sandbox.Fault {
				if call.WriteNo == 1 {
					return c.fault
				}
				return sandbox.Fault{}
			}
			try.WantCode(t, h.Role("a"), c.code)
			if h.HasRole("a") != c.exists {
				t.Errorf("the role exists: %v, want %v", !c.exists, c.exists)
			}
		})
	}
	if len(ran) != 1 {
		t.Errorf("Then ran %d times, want once", len(ran))
	}
}

func TestThenMayCallTheAccount(t *testing.T) {
	h := try.New("us-east-1")
	h.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.WriteNo != 1 {
			return sandbox.Fault{}
		}
		return sandbox.Fault{Then: func() { _ = h.Role("not a name") }} // IAM rejects the name; the point is that the call returns
	}
	try.WantCode(t, h.Role("a"), "")
	if n := len(h.Writes()); n != 2 {
		t.Errorf("have %d writes, want 2", n)
	}
}

func TestCanceledContext(t *testing.T) {
	h := try.New("us-east-1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.IAM.ListRoles(ctx, &iam.ListRolesInput{})
	if !errors.Is(err, context.Canceled) || len(h.Calls()) != 0 {
		t.Errorf("have error %v and %d calls, want context.Canceled and 0 calls", err, len(h.Calls()))
	}
}

func TestOneOfManyCreatesWins(t *testing.T) {
	h := try.New("us-east-1")
	var wg sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		wg.Go(func() { errs[i] = h.Role("a") })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of 12 calls created the role, want 1", won)
	}
}
