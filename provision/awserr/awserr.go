// Package awserr tells what an error from AWS means: whether to retry, what is wrong,
// and what the user can do. The meaning of a code depends on the operation:
// LimitExceeded is a quota for CreateRole, but means "already has a role" for
// AddRoleToInstanceProfile.
//
// The package knows the errors that all services share: throttling, credentials,
// missing permissions, failures of AWS and of the network. Each kind of object declares
// its own errors beside its calls (see [Declare]). An error that nobody has declared is
// Unknown and ends a step.
package awserr

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// Class is what an error means for the run.
type Class int

const (
	// Unknown errors are not retried.
	Unknown Class = iota
	// Absent means that the object, or an object it needs, does not exist or is not visible yet.
	Absent
	// Conflict means that the object is not in the expected state: read it again.
	Conflict
	// Transient means that the same call may succeed later.
	Transient
	// Denied means that a permission is missing.
	Denied
	// Credentials means that the credentials are missing, expired or wrong.
	Credentials
	// Quota means that the account is at a quota.
	Quota
	// Capacity means that AWS has no capacity in this zone right now.
	Capacity
	// Invalid means that the request can never succeed.
	Invalid
)

// Classify returns what err means.
func Classify(err error) Class {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unknown
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return classifyOther(err)
	}
	if r, ok := known.rule(err, api); ok {
		return r.Class
	}
	return known.codes[api.ErrorCode()]
}

// classifyOther classifies errors that are not a reply from AWS.
func classifyOther(err error) Class {
	text := err.Error()
	if strings.Contains(text, "no EC2 IMDS role found") { // the last place where the SDK looks
		return Credentials
	}
	if ofNetwork(err) { // also if the call that fails would have fetched credentials
		if unknownHost(err) {
			return Unknown
		}
		return Transient
	}
	if strings.Contains(text, "get credentials") || strings.Contains(text, "failed to refresh cached credentials") {
		return Credentials
	}
	return Unknown
}

// Retry reports whether to read the object again, because its state may change.
func Retry(err error) bool {
	switch Classify(err) {
	case Absent, Conflict, Transient:
		return true
	}
	return false
}

// Fatal reports whether every other call will fail, too.
func Fatal(err error) bool { return Classify(err) == Credentials }

// Gone turns "does not exist" into success, for deletions.
func Gone(err error) error {
	if Classify(err) == Absent {
		return nil
	}
	return err
}

// Code is the error code from AWS, or empty.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// Operation is the name of the call that failed, or empty.
func Operation(err error) string { return failed(err).OperationName }

// Service is the service of the call that failed, or empty.
func Service(err error) string { return failed(err).ServiceID }

// failed is the innermost call: what a call needs first, such as credentials from STS, is a
// call, too.
func failed(err error) (op smithy.OperationError) {
	for {
		inner, ok := errors.AsType[*smithy.OperationError](err)
		if !ok {
			return op
		}
		op, err = *inner, inner.Err
	}
}
