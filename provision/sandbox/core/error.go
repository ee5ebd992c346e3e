package core

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"
)

// Fail returns an AWS error for which the SDK has no type. None of EC2's errors
// has one.
func Fail(code, format string, args ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}

// CodeOf returns the AWS code of an error, or "" if it has none.
func CodeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}
