package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// life is what the questions about the environment share.
type life struct {
	built     once                       // up without an agent
	creds     map[string]aws.Credentials // of the role that has only the command's policy
	unable    string                     // why there are no such roles
	refusals  []string                   // what these roles were refused
	granted   []string                   // the commands that they completed
	tolerated []string                   // what they were refused without harm
	agent     bool                       // there may be one
}

func lifeQuestions() []question {
	return []question{
		{
			Name: "doctor", Lane: laneLife, Ask: askDoctor,
			Asks:    "Does `flowbed doctor` find a new account in order?",
			Assumed: "it exits with 0: its calls are allowed, and it warns of nothing that is not so",
			Relies:  "provision/doctor",
			Change:  "the check that failed, in provision/doctor",
		},
		{
			Name: "second-plan", Lane: laneLife, Ask: askSecondPlan,
			Asks:    "Are two plans right after `flowbed up` empty?",
			Assumed: "yes: no kind sees a difference in what AWS adds, orders or rewrites",
			Relies:  "the Changes method of every kind in provision/resource",
			Change:  "the kind of the step that the plan shows; then the sandbox, so that it answers as AWS does",
		},
		{
			Name: "environment-events", Lane: laneLife, Prefect: true, Ask: askEnvironmentEvents,
			Asks:    "Does the event of a dead task reach the environment's queue flowbed-NAME-events?",
			Assumed: "yes, within a minute of the task's end",
			Relies:  "EventsPolicy and TaskEvents in templates/events.go; without the event a dead task stays a pending run",
			Change:  "the rule's pattern, or the queue's policy",
		},
		heartbeat("t3.micro"),
		{
			Name: "hello", Lane: laneLife, Prefect: true, Ask: askHello,
			Asks:    "Does hello, flowbed's first flow, complete?",
			Assumed: "yes: exit code 0, which it has only if the flow completed",
			Relies:  "the whole environment: the pool's template in provision/prefect, the roles in templates/rights.go, the network",
			Change:  "what hello names as the reason",
		},
		commandTags,
		deadRun,
		heartbeat("t2.micro"),
		{
			Name: "down", Lane: laneLife, Ask: askDown,
			Asks:    "Does `flowbed down` remove everything at the first try?",
			Assumed: "yes: it exits with 0, and its last reading finds 0 left",
			Relies:  "the Delete methods in provision/resource, and the patience of provision/execution.go",
			Change:  "the kind of the step that failed; the class of its error in awserr.Declare",
		},
		{
			Name: "caller-policy", Lane: laneLife, Ask: askCallerPolicy,
			Asks:    "Does the policy that `flowbed policy` prints suffice when it is all that the caller has?",
			Assumed: "yes, for plan, up (also if it removes the agent), down and hello",
			Relies:  "the Permissions methods in provision/resource; provision/permissions",
			Change:  "the Permissions of the kind that was refused; the access in provision/sandbox that let it pass",
		},
	}
}

func heartbeat(kind string) question {
	return question{
		Name: "heartbeat-" + strings.ReplaceAll(kind, ".", "-"), Lane: laneLife, Prefect: true,
		Ask:     func(ctx context.Context, r *run) (answer, error) { return askHeartbeat(ctx, r, kind) },
		Asks:    "How long is it from the launch of a " + kind + " to the worker's first heartbeat?",
		Assumed: "at most 10 minutes, after which `flowbed up` gives up",
		Relies:  "--timeout in cmd/flowbed/up.go; docs/guide.md says \"some minutes\"",
		Change:  "the default of --timeout, or what templates/setup.sh installs",
	}
}

// config is the config file of the environment. It has a ttl, so that it shares nothing
// with other environments and expires if everything else fails.
func (r *run) config(agent string) string {
	quote := func(s string) string { return strings.ReplaceAll(strconv.Quote(s), "${", "$${") }
	var b strings.Builder
	if r.Prefect.Key != "" || r.Prefect.Auth != "" {
		b.WriteString("variable \"prefect_secret\" { sensitive = true }\n\n")
	}
	fmt.Fprintf(&b, "environment %q {\n  region  = %q\n  account = %q\n  ttl     = \"2h\"\n  tags    = { %s = %q }\n", r.Name, r.Region, r.Account, tag, r.Name)
	if r.Prefect.URL != "" {
		fmt.Fprintf(&b, "  prefect {\n    api_url = %s\n", quote(r.Prefect.URL))
		switch {
		case r.Prefect.Key != "":
			b.WriteString("    api_key = var.prefect_secret\n")
		case r.Prefect.Auth != "":
			b.WriteString("    auth_string = var.prefect_secret\n")
		}
		b.WriteString("  }\n")
		if agent != "" {
			fmt.Fprintf(&b, "  agent { instance_type = %q }\n", agent)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// flowbed runs a command as the role that has only its policy. If the role is refused
// something, that is remembered, and the caller runs the command again, so that the
// other questions can still be asked.
func (r *run) flowbed(ctx context.Context, verb string, args ...string) (output, error) {
	args = append([]string{verb, "-v"}, args...)
	creds, limited := r.life.creds[verb]
	for try := 0; limited && try < 2; try++ {
		out, err := r.program.run(ctx, &creds, args...)
		r.codes.read(out.Progress)
		if err != nil {
			return out, err
		}
		denied := deniedCalls(out.Progress)
		if out.Code == 0 || len(denied) == 0 && !strings.Contains(out.Progress, notAuthorized) {
			r.life.granted = append(r.life.granted, verb)
			r.life.tolerated = append(r.life.tolerated, denied...)
			return out, nil
		}
		if try > 0 {
			r.life.refusals = append(r.life.refusals, "flowbed "+verb+" said:\n"+strings.Join(denied, "\n")+"\n"+out.last())
			break
		}
		if err := pause(ctx, 30*time.Second); err != nil { // the policy may not be known everywhere
			return out, err
		}
	}
	out, err := r.program.run(ctx, nil, args...)
	r.codes.read(out.Progress)
	return out, err
}

const notAuthorized = "is not authorized to perform"

// deniedCalls are the calls in the output of flowbed -v that AWS denied.
func deniedCalls(progress string) (list []string) {
	for _, m := range call.FindAllStringSubmatch(progress, -1) {
		if classOf(m[1], m[2], m[3], "") == awserr.Denied {
			list = append(list, fmt.Sprintf("%s %s: %s", m[1], m[2], m[3]))
		}
	}
	return list
}

// failed is the error of a command that had to succeed.
func failed(verb string, out output) error {
	return fmt.Errorf("flowbed %s: exit code %d:\n%s", verb, out.Code, out.last())
}

func askDoctor(ctx context.Context, r *run) (answer, error) {
	if err := r.write(r.config("t3.micro")); err != nil {
		return answer{}, err
	}
	out, err := r.program.run(ctx, nil, "doctor")
	if err != nil {
		return answer{}, err
	}
	return judged(out.Code == 0, "exit code %d:\n%s", out.Code, strings.TrimSpace(out.Results))
}

// build builds the environment without an agent: then no worker reads the queue.
func (r *run) build(ctx context.Context) error {
	return r.life.built.do(func() error {
		if err := r.limit(ctx); err != nil {
			r.life.unable = err.Error()
		}
		if err := r.write(r.config("")); err != nil {
			return err
		}
		for _, verb := range []string{"plan", "up"} {
			args := map[string][]string{"up": {"--yes"}}[verb]
			out, err := r.flowbed(ctx, verb, args...)
			if err != nil {
				return err
			}
			if out.Code != 0 {
				return failed(verb, out)
			}
		}
		return nil
	})
}

func askSecondPlan(ctx context.Context, r *run) (answer, error) {
	if err := r.build(ctx); err != nil {
		return answer{}, err
	}
	for n := range 2 {
		out, err := r.flowbed(ctx, "plan", "--detailed-exitcode")
		switch {
		case err != nil:
			return answer{}, err
		case out.Code == exitChanges:
			return no("plan %d shows:\n%s", n+1, strings.TrimSpace(out.Results))
		case out.Code != 0:
			return answer{}, failed("plan", out)
		}
	}
	return yes("both are empty")
}

func askHeartbeat(ctx context.Context, r *run, kind string) (answer, error) {
	if err := r.build(ctx); err != nil {
		return answer{}, err
	}
	if err := r.withoutAgent(ctx); err != nil {
		return answer{}, err
	}
	if err := r.write(r.config(kind)); err != nil {
		return answer{}, err
	}
	r.life.agent = true
	begun := time.Now()
	out, err := r.flowbed(ctx, "up", "--yes", "--timeout", "15m")
	if err != nil {
		return answer{}, err
	}
	ended := time.Now()
	launched, err := r.launched(ctx, kind)
	if err != nil || launched.Before(begun.Add(-time.Minute)) {
		return couldNot("`flowbed up` launched no %s: exit code %d: %s", kind, out.Code, out.last())
	}
	took := rough(ended.Sub(launched))
	if out.Code != 0 {
		return no("no heartbeat in %s: exit code %d:\n%s", took, out.Code, out.last())
	}
	plan, err := r.flowbed(ctx, "plan", "--detailed-exitcode")
	if err != nil {
		return answer{}, err
	}
	if plan.Code != 0 {
		return no("at most %s, but the plan after it is not empty: exit code %d:\n%s", took, plan.Code, strings.TrimSpace(plan.Results))
	}
	return judged(ended.Sub(launched) <= 10*time.Minute, "at most %s; the plan after it is empty", took)
}

// withoutAgent removes the agent of an earlier question. If up replaced it, up would end
// only after the termination of the old one. The role's policy is for the file with an
// agent, and allows this, too.
func (r *run) withoutAgent(ctx context.Context) error {
	if !r.life.agent {
		return nil
	}
	if err := r.write(r.config("")); err != nil {
		return err
	}
	out, err := r.flowbed(ctx, "up", "--yes")
	if err == nil && out.Code != 0 {
		err = failed("up", out)
	}
	return err
}

// launched is when the environment's newest instance of a type was launched.
func (r *run) launched(ctx context.Context, kind string) (at time.Time, err error) {
	out, err := r.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
		{Name: aws.String("tag:Name"), Values: []string{"flowbed-" + r.Name + "-agent"}},
		{Name: aws.String("instance-type"), Values: []string{kind}},
	}})
	if err != nil {
		return at, fmt.Errorf("find the agent: %w", err)
	}
	for _, res := range out.Reservations {
		for _, i := range res.Instances {
			if i.LaunchTime != nil && i.LaunchTime.After(at) {
				at = *i.LaunchTime
			}
		}
	}
	if at.IsZero() {
		return at, unasked("there is no instance of the agent")
	}
	return at, nil
}

func askHello(ctx context.Context, r *run) (answer, error) {
	if err := r.build(ctx); err != nil {
		return answer{}, err
	}
	out, err := r.flowbed(ctx, "hello", "--timeout", (10 * time.Minute / hurry).String())
	switch {
	case err != nil:
		return answer{}, err
	case out.Code == exitUsage && strings.Contains(out.Progress, "unknown"): // command, or flag
		return couldNot("this flowbed has no command hello")
	}
	return judged(out.Code == 0, "exit code %d:\n%s", out.Code, out.last())
}

func askDown(ctx context.Context, r *run) (answer, error) {
	if err := r.build(ctx); err != nil {
		return answer{}, err
	}
	begun := time.Now()
	out, err := r.flowbed(ctx, "down", "--yes", "--force-destroy")
	if err != nil {
		return answer{}, err
	}
	if out.Code != 0 {
		return no("exit code %d:\n%s", out.Code, out.last())
	}
	return yes("in %s: %s", rough(time.Since(begun)), out.last())
}
