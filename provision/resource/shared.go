package resource

import (
	"context"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision"
)

// The value of the tag with an environment's claim on a shared object. An environment that
// is leaving replaces it by a mark with the end of the mark. So a mark needs no tag more
// than the claim, and versions of flowbed that know no marks take it for a claim.
const (
	claimValue = "in use"
	markValue  = "leaving until " // + RFC 3339
)

// leavingTags are the claim's tag as a mark.
func (i Identity) leavingTags(until time.Time) Tags {
	return Tags{i.claim(): markValue + until.UTC().Format(time.RFC3339)}
}

// markOf returns the mark in the value of a claim's tag. Any other value is a claim.
func markOf(env, value string) (provision.Leaving, bool) {
	text, ok := strings.CutPrefix(value, markValue)
	if !ok {
		return provision.Leaving{}, false
	}
	until, err := time.Parse(time.RFC3339, text)
	return provision.Leaving{Env: env, Until: until}, err == nil
}

// dated tells the engine the time of a reading by AWS's clock, which the reply has.
func dated(ctx context.Context, reply middleware.Metadata) {
	at, ok := awsmiddleware.GetServerTime(reply)
	if !ok {
		at = time.Now()
	}
	provision.Date(ctx, at)
}
