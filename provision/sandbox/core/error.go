package core

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"
)

// Fail is an error of AWS for which the SDK has no type, as all of EC2's are.
func Fail(code, format string, args ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}

// CodeOf is AWS's code of an error, empty if there is none.
func CodeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}
