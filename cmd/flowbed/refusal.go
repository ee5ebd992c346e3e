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

// decoding is how long a person waits for the explanation of a refusal.
const decoding = 5 * time.Second

// decoder reads encoded messages, each of them once.
type decoder struct {
	aws *aws.Config // nil as long as nobody can be asked

	mu   sync.Mutex
	read map[string]awserr.Refusal
}

func (d *decoder) decode(r awserr.Refusal) awserr.Refusal {
	d.mu.Lock()
	defer d.mu.Unlock()
	if full, ok := d.read[r.Encoded]; ok || d.aws == nil {
		return cmp.Or(full, r)
	}
	ctx, stop := context.WithTimeout(context.Background(), decoding)
	defer stop()
	full := doctor.Decode(ctx, sts.NewFromConfig(*d.aws, func(o *sts.Options) { o.RetryMaxAttempts = 2 }), r)
	if d.read == nil {
		d.read = map[string]awserr.Refusal{}
	}
	d.read[r.Encoded] = full
	return full
}

// explained is a refusal in full. EC2 hides part of it in an encoded message,
// which is read if that is allowed; otherwise the command is named with which
// somebody else can read it.
func (a *app) explained(r awserr.Refusal) string {
	if r.Encoded == "" {
		return r.String()
	}
	full := a.decoder.decode(r)
	if full.Resource == "" { // neither the message nor its decoded form has said it
		return full.String() + "; for more: aws sts decode-authorization-message --query DecodedMessage --output text --encoded-message " + r.Encoded
	}
	return full.String()
}
