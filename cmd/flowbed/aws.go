package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/awserr"
)

const (
	attempts     = 8                // for a call that AWS throttles or does not answer
	connections  = 64               // to keep open to one host, for parallel reads
	dialTimeout  = 5 * time.Second  // so that a missing network shows soon
	replyTimeout = 60 * time.Second // CreateCluster and RunInstances may be slow
)

// awsConfig is the SDK's default configuration with flowbed's timeouts and retries. While
// mayLeave returns an error, nothing leaves on a connection to AWS.
func awsConfig(ctx context.Context, profile, region string, trace []func(*middleware.Stack) error, mayLeave func() error) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout })
	client = client.WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = connections
		t.ResponseHeaderTimeout = replyTimeout
		t.DialContext = gated(t.DialContext, mayLeave)
	})
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithSharedConfigProfile(profile), config.WithRegion(region),
		config.WithHTTPClient(client), config.WithAPIOptions(trace),
		config.WithLogger(logging.Nop{}), // the errors contain what matters of its warnings
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = attempts })
		}))
	if _, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return cfg, coded{exitDenied, &hinted{fmt.Errorf("AWS profile %q does not exist", firstOf(profile, os.Getenv("AWS_PROFILE"), "default")),
			"list profiles with `aws configure list-profiles`, or create one with `aws configure sso`"}}
	}
	if err != nil {
		return cfg, coded{exitDenied, fmt.Errorf("read the AWS configuration: %w", err)}
	}
	if cfg.Region == "" {
		return cfg, errNoRegion()
	}
	return cfg, nil
}

// trace prints every call to AWS, with -v: the operation, the outcome and the time. It
// never prints what a call sends or receives.
func (a *app) trace() []func(*middleware.Stack) error {
	if !a.verbose {
		return a.apiOptions
	}
	return []func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("flowbed:trace",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
				middleware.InitializeOutput, middleware.Metadata, error) {
				begun := time.Now()
				out, meta, err := next.HandleInitialize(ctx, in)
				outcome := "ok"
				if err != nil {
					outcome = firstOf(awserr.Code(err), "failed")
				}
				fmt.Fprintf(a.err, "  call %s %s: %s (%s)\n", middleware.GetServiceID(ctx),
					middleware.GetOperationName(ctx), outcome, time.Since(begun).Round(time.Millisecond))
				return out, meta, err
			}), middleware.Before)
	}}
}
