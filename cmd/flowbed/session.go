package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/conn"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

// session is an environment in an account, with everything that a command needs.
type session struct {
	*stack.Stack
	file   *spec.File
	env    *spec.Environment
	id     resource.Identity
	ssm    *ssm.Client  // for the lease
	fence  *lease.Fence // stops the writes of a run without its lease
	header view.Header
	config map[string]string // what the file says, by attribute; without secrets
	save   func() error      // saves the sandbox
}

// keep saves the sandbox at the end of a command.
func (s *session) keep(err *error) { *err = errors.Join(*err, s.save()) }

// cost is what the environment costs a month after up; nil for down. Call it after a plan.
func (s *session) cost(verb string) *cost.Estimate {
	if verb == "down" {
		return nil
	}
	return new(s.Cost())
}

// load reads the file. It does not call AWS.
func (a *app) load(destroy bool) (*spec.File, error) {
	o, err := a.fileOptions()
	if err != nil {
		return nil, err
	}
	o.Destroy = destroy
	f, err := spec.Load(a.config, o)
	if destroy && a.env != "" && a.noConfig() {
		a.say("%s does not exist: using only the name %s and the defaults.", a.config, a.env)
		f, err = spec.Bare(a.env, o)
	}
	if err != nil {
		return nil, err
	}
	a.secrets = f.Secrets()
	return f, nil
}

// fileOptions are the flags that tell how to read the file.
func (a *app) fileOptions() (spec.Options, error) {
	o := spec.Options{Env: a.env, Vars: map[string]string{}, VarFiles: a.varFile, Region: a.region, Check: stack.Check,
		Reading: func(path string) { a.reads = append(a.reads, path) }}
	for _, v := range a.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return o, usage(a.badVar(v))
		}
		o.Vars[name] = value
		a.secrets = append(a.secrets, value) // until the file tells which are not secret
	}
	return o, nil
}

// noConfig reports whether the file does not exist and --config was not set. To remove
// an environment, its name is enough then.
func (a *app) noConfig() bool {
	_, err := os.Stat(a.config)
	return a.config == defaultConfig && errors.Is(err, fs.ErrNotExist)
}

// badVar is the error of a --var without a =. It shows the text only if the text is the
// name of a variable: otherwise it may be a secret.
func (a *app) badVar(text string) error {
	name := ""
	if spec.DeclaresVariable(a.config, text) {
		name = " " + text
	}
	return &hinted{fmt.Errorf("--var%s: want name=value", name), "for example: --var subnet=subnet-0a1b2c3d"}
}

// warn prints the warnings about the file.
func (a *app) warn(f *spec.File) error {
	if len(f.Warnings) == 0 {
		return nil
	}
	if onGitHub() {
		a.annotateFile(f.Problems())
	}
	return f.WriteWarnings(a.err, width(os.Stderr), a.colour(os.Stderr))
}

// open reads the file, finds the account, and builds the graph of resources.
func (a *app) open(ctx context.Context, o stack.Options) (*session, error) {
	f, err := a.load(o.Destroy)
	if err != nil {
		return nil, err
	}
	return a.openFile(ctx, f, o)
}

// openFile is open for a file that is already loaded.
func (a *app) openFile(ctx context.Context, f *spec.File, o stack.Options) (*session, error) {
	cfg, save, err := a.configuration(ctx, f)
	if err != nil {
		return nil, err
	}
	id, caller, err := a.callerAndRole(ctx, f, cfg, &o)
	if err != nil {
		return nil, err
	}
	env, err := f.Environment(spec.Place{Account: id.Account, Region: id.Region})
	if err != nil {
		return nil, err
	}
	id.Extra = env.Tags
	a.secrets = f.Secrets()
	if err := a.warn(f); err != nil {
		return nil, err
	}
	if a.sandbox {
		o.Address, o.Transport = sandboxAddress, sandbox.Prefect(a.account)
	} else if o.Transport, err = conn.New(a.network); err != nil {
		return nil, usage(err)
	} else {
		o.Lookup = o.Transport
	}
	o.Learned, o.Flags, o.Settle = a.learned.add, a.selection(), a.settle()
	if o.Fence != nil {
		cfg = o.Fence.Guard(cfg)
		a.fence.Store(o.Fence)
	}
	clients, config := stack.NewClients(cfg), env.Resolved()
	if o.NoPrefect && o.Destroy && a.noConfig() {
		if env.Logs.Name, err = a.findLogGroup(ctx, clients, id); err != nil {
			return nil, err
		}
	}
	if o.Destroy { // which needs no secrets: whether there is one makes no difference
		maps.DeleteFunc(config, func(_, value string) bool { return value == spec.Hidden })
	}
	built, err := stack.Build(env, id, clients, o)
	if err != nil {
		return nil, usage(err)
	}
	s := &session{Stack: built, file: f, env: env, id: id, ssm: clients.SSM, fence: o.Fence, save: save, config: config}
	s.header = view.Header{
		Environment: env.Name, Account: id.Account, Caller: caller, Region: id.Region, Sandbox: a.sandbox,
	}
	a.setEndpoints(&s.header, cfg)
	a.reading(s.header)
	s.Graph.Reading = func(done, total int) { a.counted(done, total, "resources") }
	return s, nil
}

// findLogGroup finds the log group of an environment without its file. Who may only read the logs
// reads the group with the default name.
func (a *app) findLogGroup(ctx context.Context, c stack.Clients, id resource.Identity) (string, error) {
	a.busy("Looking for the log group of environment %s", id.Env)
	name, err := resource.FindLogGroup(ctx, c.Logs, c.Tagging, id)
	if awserr.Classify(err) == awserr.Denied {
		return id.Names().LogGroup(), nil
	}
	return name, err
}

// callerAndRole asks AWS for the caller, and at the same time reads the account's execution
// role if the environment may use it. If the file pins the account, it reads nothing before
// the account is known.
func (a *app) callerAndRole(ctx context.Context, f *spec.File, cfg aws.Config, o *stack.Options) (id resource.Identity, caller string, err error) {
	read := func() {
		if f.ChoosesRole() && !o.Destroy && !o.AsIs {
			o.Account = stack.ReadAccountRole(ctx, iam.NewFromConfig(cfg), resource.Identity{Env: f.EnvName(), Region: cfg.Region})
		}
	}
	if f.Account() != "" {
		if id, caller, err = a.identity(ctx, f, cfg); err == nil {
			read()
		}
		return id, caller, err
	}
	var reading crash.Group
	reading.Go(read)
	id, caller, err = a.identity(ctx, f, cfg)
	reading.Wait()
	return id, caller, err
}

// sandboxAddress replaces the caller's public address in the sandbox. It is from the
// range that RFC 5737 reserves for documentation.
var sandboxAddress = netip.MustParsePrefix("203.0.113.7/32")

// sandboxRegion is the sandbox's region if nobody sets one.
const sandboxRegion = "us-east-1"

// sandboxFile is the file with the sandbox's account.
var sandboxFile = filepath.Join(".flowbed", "sandbox.json")

// sandboxSetup is how long an instance of the sandbox takes to install its agent. Real ones
// take minutes. Tests do not wait.
var sandboxSetup = 2 * time.Second

// configuration is the configuration of AWS or of the sandbox. The function saves the
// sandbox.
func (a *app) configuration(ctx context.Context, f *spec.File) (aws.Config, func() error, error) {
	region := f.Region()
	if !a.sandbox {
		cfg, err := a.awsConfig(ctx, region)
		a.decoder.aws = &cfg
		return cfg, func() error { return nil }, err
	}
	region = firstOf(region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), sandboxRegion)
	account, err := sandbox.Load(sandboxFile)
	if err != nil {
		return aws.Config{}, nil, err
	}
	account.Secrets, account.Keep, account.SetupTime = f.Secrets(), sandboxFile, sandboxSetup
	account.PollTime, account.TaskTime = sandboxSetup/4, sandboxSetup/4
	a.account = account
	cfg := account.Config(region)
	cfg.APIOptions = append(cfg.APIOptions, a.trace()...)
	a.decoder.aws = &cfg
	return cfg, func() error { return account.Save(sandboxFile) }, nil
}

func errNoRegion() error {
	return usage(&hinted{errors.New("no AWS region is set"),
		"set region in the environment block, AWS_REGION, or the region of the AWS profile"})
}

// identity asks AWS for the caller. It fails if the file pins another account.
func (a *app) identity(ctx context.Context, f *spec.File, cfg aws.Config) (resource.Identity, string, error) {
	a.busy("Checking AWS credentials")
	id := resource.Identity{Env: f.EnvName(), Region: cfg.Region, Version: version}
	who, err := sts.NewFromConfig(cfg, func(o *sts.Options) { o.RetryMaxAttempts = 3 }).
		GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if ctx.Err() != nil {
		return id, "", context.Cause(ctx)
	}
	if err != nil {
		return id, "", fmt.Errorf("find out which AWS identity you are using: %w", err)
	}
	id.Account = aws.ToString(who.Account)
	caller, err := arn.Parse(aws.ToString(who.Arn))
	if err != nil {
		return id, "", fmt.Errorf("find out which AWS identity you are using: %w", err)
	}
	id.Partition = caller.Partition
	if pin := f.Account(); pin != "" && pin != id.Account {
		return id, "", coded{exitDenied, &hinted{
			fmt.Errorf("the credentials belong to account %s, but environment %s is pinned to %s", id.Account, id.Env, pin),
			"use another profile (--profile, AWS_PROFILE), or correct `account` in " + a.config}}
	}
	return id, caller.String(), nil
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
