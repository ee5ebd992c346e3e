package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/awserr"
	_ "github.com/flowbed/flowbed/provision/resource" // declares what the errors mean
)

// clients are the services that the questions call.
type clients struct {
	iam    *iam.Client
	ec2    *ec2.Client
	ecs    *ecs.Client
	s3     *s3.Client
	ssm    *ssm.Client
	sqs    *sqs.Client
	events *eventbridge.Client
	logs   *cloudwatchlogs.Client
	sts    *sts.Client
}

func newClients(cfg aws.Config) clients {
	return clients{
		iam.NewFromConfig(cfg), ec2.NewFromConfig(cfg), ecs.NewFromConfig(cfg),
		s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil || o.BaseEndpoint != nil }),
		ssm.NewFromConfig(cfg), sqs.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg),
		sts.NewFromConfig(cfg),
	}
}

// codes are the errors that AWS answered with, and what flowbed takes them for.
type codes struct {
	mu   sync.Mutex
	seen map[code]int
}

type code struct {
	Service, Operation, Code string
	Class                    awserr.Class
	Message                  string // of the first one, if flowbed does not know the code
}

// watch records the errors of all clients that are made of a configuration.
func (c *codes) watch(cfg aws.Config) aws.Config {
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("canary:codes",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
				middleware.InitializeOutput, middleware.Metadata, error) {
				out, meta, err := next.HandleInitialize(ctx, in)
				if api, ok := errors.AsType[smithy.APIError](err); ok {
					c.add(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), api.ErrorCode(), api.ErrorMessage())
				}
				return out, meta, err
			}), middleware.Before)
	})
	return cfg
}

func (c *codes) add(service, operation, name, message string) {
	k := code{Service: service, Operation: operation, Code: name, Class: classOf(service, operation, name, message)}
	if k.Class == awserr.Unknown {
		k.Message = message
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[code]int{}
	}
	for other := range c.seen {
		if other.Service == k.Service && other.Operation == k.Operation && other.Code == k.Code && other.Class == k.Class {
			k = other
		}
	}
	c.seen[k]++
}

func classOf(service, operation, name, message string) awserr.Class {
	return awserr.Classify(&smithy.OperationError{ServiceID: service, OperationName: operation,
		Err: &smithy.GenericAPIError{Code: name, Message: message}})
}

// call is a line about a call in the output of flowbed -v that failed with a code.
var call = regexp.MustCompile(`(?m)^  call (.+) (\w+): (\S+) \(`)

// read records the errors in the output of flowbed -v, which has the codes without the
// messages.
func (c *codes) read(progress string) {
	for _, m := range call.FindAllStringSubmatch(progress, -1) {
		if m[3] != "ok" && m[3] != "failed" {
			c.add(m[1], m[2], m[3], "")
		}
	}
}

// list returns the errors in a fixed order, with how often each came.
func (c *codes) list() (all []code, count map[code]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count = maps.Clone(c.seen)
	all = slices.SortedFunc(maps.Keys(count), func(a, b code) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), strings.Compare(a.Service+a.Operation+a.Code, b.Service+b.Operation+b.Code))
	})
	return all, count
}

func (k code) String() string {
	return fmt.Sprintf("%s %s: %s", k.Service, k.Operation, k.Code)
}

// className is a class in the words of provision/awserr.
func className(c awserr.Class) string {
	return [...]string{"unknown", "absent", "conflict", "transient", "denied", "credentials", "quota", "capacity", "invalid"}[c]
}

// codeOf is the code and the text of an error, for a report.
func codeOf(err error) string {
	if err == nil {
		return "success"
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Sprintf("%s %q (%s)", api.ErrorCode(), api.ErrorMessage(), className(awserr.Classify(err)))
	}
	return err.Error()
}
