package main

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/doctor"
)

// decodeTimeout limits how long the user waits for the details of a refusal.
const decodeTimeout = 5 * time.Second

// decoder decodes encoded messages, each of them once.
type decoder struct {
	aws *aws.Config // nil until the configuration is known

	mu   sync.Mutex
	read map[string]awserr.Refusal
}

func (d *decoder) decode(r awserr.Refusal) awserr.Refusal {
	d.mu.Lock()
	defer d.mu.Unlock()
	if full, ok := d.read[r.Encoded]; ok || d.aws == nil {
		return cmp.Or(full, r)
	}
	ctx, stop := context.WithTimeout(context.Background(), decodeTimeout)
	defer stop()
	full := doctor.Decode(ctx, sts.NewFromConfig(*d.aws, func(o *sts.Options) { o.RetryMaxAttempts = 2 }), r)
	if d.read == nil {
		d.read = map[string]awserr.Refusal{}
	}
	d.read[r.Encoded] = full
	return full
}

// explained is the full text of a refusal. EC2 puts a part of it into an encoded
// message. explained decodes it if the caller may; otherwise it names the command that
// somebody else can use.
func (a *app) explained(r awserr.Refusal) string {
	if r.Encoded == "" {
		return r.String()
	}
	full := a.decoder.decode(r)
	if full.Resource == "" { // neither the message nor its decoded form names it
		return full.String() + "; for details: aws sts decode-authorization-message --query DecodedMessage --output text --encoded-message " + r.Encoded
	}
	return full.String()
}
