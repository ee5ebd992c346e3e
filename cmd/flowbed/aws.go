package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/conn"
)

const attempts = 8 // for a call that AWS throttles

// awsConfig is the SDK's default configuration with flowbed's transport and retries. While
// mayLeave returns an error, nothing leaves on a connection to AWS.
func (a *app) awsConfig(ctx context.Context, region string) (aws.Config, error) {
	if err := expandPaths(); err != nil {
		return aws.Config{}, coded{exitDenied, err}
	}
	code := &mfa{app: a, profile: a.profileName(), stopped: ctx.Done(), cause: func() error { return context.Cause(ctx) }}
	cfg, err := loadAWS(ctx, a.awsOptions(region, code))
	if err != nil {
		return cfg, a.badProfile(err)
	}
	if err := a.checkRegion(region, cfg.Region); err != nil {
		return cfg, err
	}
	a.source = innermost(cfg)
	cfg.Credentials = &explained{CredentialsProvider: cfg.Credentials, profile: a.source, asks: code}
	if a.network.CA, err = extraCA(cfg); err != nil {
		return cfg, a.badProfile(err)
	}
	return cfg, nil
}

// awsOptions are the options of the configuration, and of the clients that get credentials.
func (a *app) awsOptions(region string, code *mfa) []func(*config.LoadOptions) error {
	client := awshttp.NewBuildableClient().WithTransportOptions(conn.Configure, func(t *http.Transport) {
		t.DialContext = gated(t.DialContext, a.mayLeave)
	})
	return []func(*config.LoadOptions) error{
		config.WithSharedConfigProfile(a.profile), config.WithRegion(region), config.WithHTTPClient(client),
		config.WithAPIOptions(append(slices.Clone(a.trace()), a.network.Middleware)),
		config.WithLogger(logging.Nop{}), // the errors contain what matters of its warnings
		config.WithRetryer(func() aws.Retryer {
			return a.network.Retryer(retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = attempts }))
		}),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) { o.TokenProvider = code.ask }),
	}
}

// loadAWS reads the configuration as the AWS command line does, which in some points differs
// from the SDK.
func loadAWS(ctx context.Context, options []func(*config.LoadOptions) error) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if with, remove, ok := loginAsSource(ctx, err); ok {
		defer remove()
		options = append(options, with)
		cfg, err = config.LoadDefaultConfig(ctx, options...)
	}
	if err != nil {
		return cfg, err
	}
	if path := os.Getenv("REQUESTS_CA_BUNDLE"); path != "" && caBundle(cfg) == "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return cfg, err
		}
		options = append(options, config.WithCustomCABundle(bytes.NewReader(pem)))
		if cfg, err = config.LoadDefaultConfig(ctx, options...); err != nil || cfg.BaseEndpoint == nil {
			return cfg, err
		}
		options[len(options)-1] = config.WithCustomCABundle(bytes.NewReader(pem)) // the first is read
	}
	if lent := lendEndpoint(ctx, cfg); len(lent) > 0 {
		defer unset(lent)
		return config.LoadDefaultConfig(ctx, options...)
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
