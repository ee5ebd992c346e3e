package awserr

import (
	"errors"

	"github.com/aws/smithy-go"
)

// Hint is what the user can do about an error: a phrase without a final period. It is
// empty if nothing is known.
func Hint(err error) string {
	if own, ok := errors.AsType[adviser](err); ok && own.Hint() != "" {
		return own.Hint()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if r, ok := known.rule(err, api); ok && r.Hint != "" {
			return r.Hint
		}
	}
	code := Code(err)
	if h, ok := known.hints[code]; ok {
		return h
	}
	switch Classify(err) {
	case Denied:
		r, _ := RefusalOf(err)
		return r.String()
	case Credentials:
		return "provide AWS credentials: a profile (--profile, AWS_PROFILE), `aws login`, `aws sso login`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case Quota:
		return "the account is at a quota: request an increase (Service Quotas), or delete unused resources"
	case Capacity:
		return "AWS has no capacity for this right now: run the same command later, or set another agent.instance_type"
	case Transient:
		if code == "" {
			return "check the network connection and run the same command to continue"
		}
		return "run the same command again to continue"
	}
	if unknownHost(err) {
		return "check the network connection, and the name of the region or the endpoint"
	}
	return ""
}

// adviser is an error that knows what to do.
type adviser interface {
	error
	Hint() string
}
