package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/doctor"
	"github.com/flowbed/flowbed/provision/inventory"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

// inProcess stands in for the flowbed binary, which could not run in virtual time. It
// does what the commands do, with the same packages.
type inProcess struct {
	world  *world
	config string
	id     resource.Identity

	// Before, if set, is called before each command. It may change the world.
	Before func(verb string)

	// Drop, if set, is an action that `flowbed policy` forgets.
	Drop string
}

func (p *inProcess) run(ctx context.Context, as *aws.Credentials, args ...string) (output, error) {
	if p.Before != nil {
		p.Before(args[0])
	}
	cfg := p.world.config(nil)
	if as != nil {
		cfg = p.world.as(*as)
	}
	p.id = resource.Identity{Env: p.id.Env, Account: core.DefaultAccount, Region: region, Partition: "aws", Version: "1.0.0"}
	text, err := p.command(ctx, cfg, args)
	out := output{Results: text}
	switch {
	case ctx.Err() != nil:
		return out, context.Cause(ctx)
	case err != nil:
		out.Code, out.Progress = 1, err.Error()
		if coded, ok := errors.AsType[exit](err); ok {
			out.Code = int(coded)
		}
	}
	return out, nil
}

// exit is an error that is only an exit code.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func (p *inProcess) command(ctx context.Context, cfg aws.Config, args []string) (string, error) {
	switch verb := args[0]; verb {
	case "hello":
		switch {
		case p.world.HelloMissing:
			return "", errors.Join(exit(exitUsage), errors.New(`unknown command "hello"`))
		case p.world.HelloFails:
			return "", errors.New("the task stopped: CannotPullContainerError")
		}
		return "", nil
	case "list":
		return p.list(ctx, cfg)
	case "policy":
		return p.policy(args)
	case "doctor":
		return p.doctor(ctx, cfg)
	default:
		return p.change(ctx, cfg, verb, args)
	}
}

func (p *inProcess) environment(destroy bool) (*spec.Environment, error) {
	f, err := os.CreateTemp("", "canary-*.hcl")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.WriteString(p.config); err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	o := spec.Options{Destroy: destroy, Vars: map[string]string{}, Check: stack.Check}
	if strings.Contains(p.config, "prefect_secret") {
		o.Vars["prefect_secret"] = "pnu_0123456789"
	}
	file, err := spec.Load(f.Name(), o)
	if err != nil {
		return nil, err
	}
	return file.Environment(spec.Place{Account: p.id.Account, Region: region})
}

func (p *inProcess) change(ctx context.Context, cfg aws.Config, verb string, args []string) (string, error) {
	down := verb == "down"
	env, err := p.environment(down)
	if err != nil {
		return "", err
	}
	id := p.id
	id.Extra = env.Tags
	o := stack.Options{
		Destroy: down, ForceDestroy: down, Wait: 15 * time.Minute, Transport: sandbox.Prefect(p.world.Account),
		Address: netip.MustParsePrefix("203.0.113.7/32"),
	}
	if !down {
		o.Account = stack.ReadAccountRole(ctx, iam.NewFromConfig(cfg), id)
	}
	s, err := stack.Build(env, id, stack.NewClients(cfg), o)
	if err != nil {
		return "", err
	}
	switch verb {
	case "plan":
		text, err := planned(s.Graph.Plan(ctx))
		if !slices.Contains(args, "--detailed-exitcode") && errors.Is(err, exit(exitChanges)) {
			err = nil
		}
		return text, err
	case "up":
		return "", s.Graph.Up(ctx)
	}
	left, err := s.Graph.Down(ctx)
	if err == nil && !left.Empty() {
		err = fmt.Errorf("left: %v", left.Actions)
	}
	return "0 left", err
}

// planned is the outcome of plan --detailed-exitcode.
func planned(plan provision.Plan, err error) (string, error) {
	if err := errors.Join(err, plan.Err()); err != nil {
		return "", err
	}
	if plan.Empty() {
		return "Nothing to do.", nil
	}
	var b strings.Builder
	for _, a := range plan.Actions {
		if a.Op != provision.None {
			fmt.Fprintf(&b, "%s %s\n", a.Op, a.Step)
		}
	}
	return b.String(), exit(exitChanges)
}

func (p *inProcess) policy(args []string) (string, error) {
	verb := permissions.Verb(args[2])
	if verb == "hello" { // which calls only Prefect here
		if p.world.HelloMissing {
			return "", exit(exitUsage)
		}
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`, nil
	}
	env, err := p.environment(verb == permissions.Down)
	if err != nil {
		return "", err
	}
	needs, err := stack.Permissions(verb, env, p.id, stack.Options{ForceDestroy: verb == permissions.Down})
	if err != nil {
		return "", err
	}
	text := permissions.NewPolicy(needs).String()
	if p.Drop != "" {
		text = strings.ReplaceAll(text, `"`+p.Drop+`"`, `"sts:GetCallerIdentity"`)
	}
	return text, nil
}

func (p *inProcess) doctor(ctx context.Context, cfg aws.Config) (string, error) {
	env, err := p.environment(false)
	if err != nil {
		return "", err
	}
	d := &doctor.Doctor{Config: cfg, ID: p.id, Caller: "arn:aws:iam::" + p.id.Account + ":user/ada", Env: env, Transport: sandbox.Prefect(p.world.Account)}
	var b strings.Builder
	found := d.Look(ctx)
	for _, f := range found {
		fmt.Fprintf(&b, "%s %s: %s\n", f.Status, f.Check, f.Text)
	}
	if doctor.Worst(found) == doctor.Fail {
		return b.String(), exit(1)
	}
	return b.String(), nil
}

func (p *inProcess) list(ctx context.Context, cfg aws.Config) (string, error) {
	kinds, err := stack.Discoverers(stack.NewClients(cfg), p.id)
	if err != nil {
		return "", err
	}
	found, err := inventory.Region(ctx, region, kinds)
	if err != nil {
		return "", err
	}
	list := []map[string]string{}
	for _, e := range found {
		list = append(list, map[string]string{"environment": e.Name})
	}
	b, err := json.Marshal(map[string]any{"environments": list})
	return string(b), err
}

// untag removes a tag of flowbed from a log group.
func untag(w *world, group string) {
	api := cloudwatchlogs.NewFromConfig(w.Config(region))
	_, err := api.UntagResource(context.Background(), &cloudwatchlogs.UntagResourceInput{
		ResourceArn: aws.String("arn:aws:logs:" + region + ":" + core.DefaultAccount + ":log-group:" + group), TagKeys: []string{tag}})
	if err != nil && awserr.Classify(err) != awserr.Absent {
		panic(err)
	}
}
