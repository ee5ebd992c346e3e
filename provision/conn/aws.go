package conn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// linkAttempts is how often a call is tried whose endpoint does not answer. AWS's
	// endpoints answer, so most often the way to them is closed.
	linkAttempts = 4
	linkPause    = 2 * time.Second // at most
)

// Shared prepares options for use by several clients and transports: of what they have to
// say of one endpoint, each thing is said once.
func (o Options) Shared() Options {
	o.told = &told{}
	return o
}

// Middleware gives an AWS client what [Transport] has: clear errors, limits, and a line about
// an endpoint that is silent.
func (o Options) Middleware(s *middleware.Stack) error {
	return s.Deserialize.Add(middleware.DeserializeMiddlewareFunc("flowbed:conn",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
			middleware.DeserializeOutput, middleware.Metadata, error) {
			r, ok := in.Request.(*smithyhttp.Request)
			if !ok || awsmiddleware.GetServiceID(ctx) == "ec2imds" { // nobody expects an instance's metadata elsewhere
				return next.HandleDeserialize(ctx, in)
			}
			stop := o.watch(r.URL)
			out, meta, err := next.HandleDeserialize(ctx, in)
			stop()
			if err != nil {
				if ctx.Err() == nil {
					err = Explain(r.URL, err)
				}
				return out, meta, err
			}
			o.answers(r.URL)
			if res, ok := out.RawResponse.(*smithyhttp.Response); ok {
				err = inspect(r.URL, res.Response)
			}
			return out, meta, err
		}), middleware.After)
}

// inspect returns an error if a reply is not from AWS, and limits its size.
func inspect(u *url.URL, res *http.Response) error {
	switch res.StatusCode {
	case http.StatusProxyAuthRequired:
		return refused(res)
	case http.StatusFound, http.StatusSeeOther: // AWS uses other codes
		return elsewhere(u, res)
	}
	if res.Body == nil || res.Body == http.NoBody {
		return nil
	}
	if res.Request == nil {
		res.Request = &http.Request{URL: u}
	}
	limit(res)
	body := bufio.NewReaderSize(res.Body, peeked)
	start, _ := body.Peek(1)
	if len(start) == 1 && (start[0] == '<' || start[0] <= ' ' || start[0] == 0xef) {
		start, _ = body.Peek(peeked) // to the end, if the reply is shorter
	}
	res.Body = peekedBody{body, res.Body}
	if !IsPage(start) {
		return nil
	}
	return &Error{at: Place(u), Status: res.StatusCode, Again: res.StatusCode >= 500, Advice: ToSignIn,
		What: fmt.Sprintf("%s answers %d with %s, not as AWS does", Place(u), res.StatusCode, Page(start))}
}

type peekedBody struct {
	io.Reader
	io.Closer
}

// elsewhere is the error of a redirect.
func elsewhere(u *url.URL, res *http.Response) error {
	to := "elsewhere"
	if l, err := u.Parse(res.Header.Get("Location")); err == nil && l.Host != "" {
		to = "to " + Place(l)
	}
	return &Error{at: Place(u), Status: res.StatusCode, Advice: ToSignIn,
		What: fmt.Sprintf("%s redirects %s (%d), as AWS never does", Place(u), to, res.StatusCode)}
}

// Retryer returns r with fewer and shorter retries for endpoints that do not answer, each of
// which it announces.
func (o Options) Retryer(r aws.RetryerV2) aws.RetryerV2 { return retryer{r, o} }

type retryer struct {
	aws.RetryerV2
	o Options
}

func (r retryer) RetryDelay(attempts int, err error) (time.Duration, error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return r.RetryerV2.RetryDelay(attempts, err)
	}
	most := min(r.MaxAttempts(), linkAttempts)
	if attempts >= most {
		return 0, err
	}
	r.o.retrying(err, attempt{attempts, most})
	pause, failed := r.RetryerV2.RetryDelay(attempts, err)
	if e.link != "" {
		pause = min(pause, linkPause)
	}
	return pause, failed
}
