package faultmatrix_test

import (
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/flowbed/flowbed/test/faultmatrix"
)

// once injects one fault at one call of a process. happened says whether the process
// made that call.
type once struct {
	key   string
	fault faultmatrix.Fault

	mu       sync.Mutex
	happened bool
}

func (o *once) alter(p *process, c call, do func() error) error {
	o.mu.Lock()
	if o.happened || !c.write || c.key != o.key {
		o.mu.Unlock()
		return do()
	}
	if o.fault.Sleeps() {
		o.happened = true
		o.mu.Unlock() // the process's other calls wait for its end, not for this lock
		err := do()
		p.sleep(o.fault == faultmatrix.Suspended)
		return err
	}
	defer o.mu.Unlock()
	if o.fault == faultmatrix.KilledAfter || o.fault == faultmatrix.ReplyLost || o.fault == faultmatrix.NoReply {
		if err := do(); err != nil {
			return err // not executed, so this is not the call
		}
	}
	o.happened = true
	switch o.fault {
	case faultmatrix.KilledBefore, faultmatrix.KilledAfter:
		p.kill()
		return errKilled
	case faultmatrix.ReplyLost:
		return do()
	case faultmatrix.Throttled:
		return throttling(c)
	case faultmatrix.Broken:
		return internal(c)
	case faultmatrix.Reset, faultmatrix.NoReply:
		return reset
	}
	panic("unknown fault")
}

// reset is the SDK's error for a broken connection.
var reset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// throttling returns a service's error for too many calls. Each service has its own
// code.
func throttling(c call) error {
	code := map[string]string{
		"ec2": "RequestLimitExceeded", "s3": "SlowDown", "iam": "Throttling",
	}[c.service]
	switch {
	case c.prefect:
		return statusError(429)
	case code == "":
		code = "ThrottlingException"
	}
	return &smithy.GenericAPIError{Code: code, Message: "Rate exceeded", Fault: smithy.FaultClient}
}

// internal returns a service's internal error.
func internal(c call) error {
	code := map[string]string{
		"ec2": "InternalError", "s3": "InternalError", "iam": "ServiceFailure", "ecs": "ServerException",
		"ssm": "InternalServerError", "cloudwatchlogs": "ServiceUnavailableException",
		"sqs": "InternalError", "eventbridge": "InternalException",
	}[c.service]
	if c.prefect {
		return statusError(503)
	}
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusInternalServerError}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "We encountered an internal error.", Fault: smithy.FaultServer},
	}
}

// expired returns a service's error for expired credentials.
func expired(c call) error {
	code := map[string]string{"ec2": "RequestExpired", "s3": "ExpiredToken", "iam": "ExpiredToken"}[c.service]
	if code == "" {
		code = "ExpiredTokenException"
	}
	return &smithy.GenericAPIError{Code: code, Message: "The security token included in the request is expired", Fault: smithy.FaultClient}
}
