package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox"
)

// TestRefusalsAreExplained: what EC2 hides is read, if that is allowed, and once.
func TestRefusalsAreExplained(t *testing.T) {
	const nothing = `{"Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}`
	account := sandbox.New()
	account.Policy = nothing
	cfg := account.Config("eu-central-1")
	_, failed := ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	api, ok := errors.AsType[smithy.APIError](failed)
	if !ok {
		t.Fatal(failed)
	}
	// The older form of the message says nothing but what is encoded.
	_, encoded, _ := strings.Cut(api.ErrorMessage(), "Encoded authorization failure message: ")
	old := fmt.Errorf("read VPC: %w", &smithy.OperationError{ServiceID: "EC2", OperationName: "DescribeVpcs", Err: &smithy.GenericAPIError{
		Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation. Encoded authorization failure message: " + encoded}})

	for _, c := range []struct {
		name   string
		err    error
		policy string
		want   string
		never  string
	}{
		{"the new form", failed, nothing, "you need the permission ec2:DescribeVpcs; denied by the identity's policies:", "user/sandbox"},
		{"the old form", old, nothing, "you need the permission ec2:DescribeVpcs; denied by the identity's policies, or by a policy that AWS does not name", ""},
		{"may not be read", old, `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`,
			"aws sts decode-authorization-message --query DecodedMessage --output text --encoded-message " + encoded, ""},
	} {
		a := &app{}
		a.decoder.aws, account.Policy = &cfg, c.policy
		before := len(account.Calls())
		for range 2 {
			if have := a.hint(c.err); !strings.Contains(have, c.want) || c.never != "" && strings.Contains(have, c.never) {
				t.Errorf("%s: %q, want %q", c.name, have, c.want)
			}
		}
		if n := len(account.Calls()) - before; n > 1 {
			t.Errorf("%s: %d calls to read one message", c.name, n)
		}
	}
	if have := new(app).hint(old); !strings.Contains(have, "decode-authorization-message") {
		t.Errorf("without anybody to ask: %q", have)
	}
}
