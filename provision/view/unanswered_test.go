package view_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/view"
)

// A call that got no reply has a history of tries, which tells a person nothing.
func TestNoReplyIsOneSentence(t *testing.T) {
	refused := &url.Error{Op: "Post", URL: "http://127.0.0.1:1/?Action=x", Err: errors.New("connection refused")}
	for _, c := range []struct {
		name  string
		cause error
		want  string
	}{
		{"refused", fmt.Errorf("exceeded maximum number of attempts, 3, request send failed, %w", refused),
			"error: ask who is calling: no answer from 127.0.0.1:1: connection refused\n"},
		{"none", fmt.Errorf("get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found, %w", refused),
			"error: ask who is calling: no AWS credentials: none in the environment, the profile, or the instance metadata\n"},
		{"logged out", errors.New("get identity: get credentials: failed to refresh cached credentials, the SSO session has expired"),
			"error: ask who is calling: no AWS credentials: the SSO session has expired\n"},
		{"other", errors.New("serialization failed"),
			"error: ask who is calling: operation error STS: GetCallerIdentity, serialization failed\n"},
	} {
		err := fmt.Errorf("ask who is calling: %w",
			&smithy.OperationError{ServiceID: "STS", OperationName: "GetCallerIdentity", Err: c.cause})
		var b strings.Builder
		if e := view.Error(&b, err, view.Options{}); e != nil || b.String() != c.want {
			t.Errorf("%s: have %q, %v\nwant %q", c.name, b.String(), e, c.want)
		}
		b.Reset()
		if e := view.Error(&b, err, view.Options{Full: true}); e != nil || !strings.Contains(b.String(), "operation error STS") {
			t.Errorf("%s: all of it is not in %q, %v", c.name, b.String(), e)
		}
	}
}
