package resource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Shell runs scripts as root on an instance, through Systems Manager.
type Shell struct {
	API      *ssm.Client
	Instance string
}

// ErrUnmanaged means that Systems Manager cannot reach the instance.
var ErrUnmanaged = errors.New("not managed by Systems Manager")

const (
	shellDocument = "AWS-RunShellScript"

	pollInterval   = time.Second     // between two calls for the result of a command
	commandTimeout = 5 * time.Minute // for the delivery and the run of a script
	commandLag     = time.Minute     // how long AWS may not know a new command
)

// Run runs a script, waits until it ends, and returns its output: the first 24,000
// characters of stdout and stderr, without what may be secret. If the script fails, Run
// returns an error with the output. The error wraps ErrUnmanaged if Systems Manager cannot
// reach the instance.
func (s Shell) Run(ctx context.Context, script string) (string, error) {
	if err := s.managed(ctx); err != nil {
		return "", err
	}
	sent, err := s.API.SendCommand(ctx, &ssm.SendCommandInput{
		DocumentName: new(shellDocument), InstanceIds: []string{s.Instance},
		Parameters:     map[string][]string{"commands": {script}},
		TimeoutSeconds: new(int32(60)), // for the delivery
		Comment:        new("flowbed"),
	})
	if err != nil {
		return "", fmt.Errorf("send command to %s: %w", s.Instance, err)
	}
	if sent.Command == nil {
		return "", fmt.Errorf("send command to %s: %w", s.Instance, incomplete("command"))
	}
	begun := time.Now()
	for {
		out, err := s.API.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{
			CommandId: deref(sent.Command).CommandId, InstanceId: &s.Instance,
		})
		unknown := errors.As(err, new(*types.InvocationDoesNotExist))
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case unknown && time.Since(begun) < commandLag: // not visible yet
		case err != nil:
			return "", fmt.Errorf("read command on %s: %w", s.Instance, err)
		default:
			if text, ended, err := s.outcome(out); ended {
				return text, err
			}
		}
		if time.Since(begun) > commandTimeout {
			return "", fmt.Errorf("run command on %s: no result after %s", s.Instance, commandTimeout)
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}

// Reachable returns an error if Systems Manager cannot reach the instance; see ErrUnmanaged.
func (s Shell) Reachable(ctx context.Context) error { return s.managed(ctx) }

// outcome reports whether a command has ended, and returns its result.
func (s Shell) outcome(out *ssm.GetCommandInvocationOutput) (text string, ended bool, err error) {
	text = redact(strings.TrimSpace(deref(out.StandardOutputContent) + "\n" + deref(out.StandardErrorContent)))
	switch out.Status {
	case types.CommandInvocationStatusPending, types.CommandInvocationStatusInProgress,
		types.CommandInvocationStatusDelayed, types.CommandInvocationStatusCancelling:
		return "", false, nil
	case types.CommandInvocationStatusSuccess:
		return text, true, nil
	}
	err = fmt.Errorf("run command on %s: %s, exit code %d", s.Instance, strings.ToLower(string(out.Status)), out.ResponseCode)
	if text != "" {
		err = fmt.Errorf("%w:\n%s", err, text)
	}
	return text, true, err
}

// managed checks whether the SSM agent of the instance is online. Otherwise a command would
// wait for it until a timeout.
func (s Shell) managed(ctx context.Context) error {
	out, err := s.API.DescribeInstanceInformation(ctx, &ssm.DescribeInstanceInformationInput{
		Filters: []types.InstanceInformationStringFilter{{Key: new("InstanceIds"), Values: []string{s.Instance}}},
	})
	switch {
	case err != nil:
		return fmt.Errorf("read Systems Manager status of %s: %w", s.Instance, err)
	case len(out.InstanceInformationList) == 0:
		return fmt.Errorf("%s is %w → wait some minutes after a launch; otherwise check its network: it needs access to AWS's endpoints",
			s.Instance, ErrUnmanaged)
	case out.InstanceInformationList[0].PingStatus != types.PingStatusOnline:
		seen := deref(out.InstanceInformationList[0].LastPingDateTime).UTC().Format(time.DateTime)
		return fmt.Errorf("%s is %w: its last ping was at %s UTC", s.Instance, ErrUnmanaged, seen)
	}
	return nil
}

// Console returns what the agent's setup wrote to the console of an instance: the lines
// that the setup marked, or else the last lines.
func Console(ctx context.Context, api *ec2.Client, instance string) string {
	return explainConsole(ctx, api, instance)
}
