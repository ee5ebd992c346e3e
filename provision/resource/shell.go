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

// ErrUnmanaged means that Systems Manager does not reach the instance.
var ErrUnmanaged = errors.New("not managed by Systems Manager")

const (
	commandLook  = time.Second     // between two looks at a command
	commandTime  = 5 * time.Minute // for a script, and for its delivery
	commandFresh = time.Minute     // for which a command may be unknown
)

// Run runs a script, waits for its end, and returns what it has printed. Of a
// long output that is the first 24,000 characters. A script that ends with an
// error is an error, which holds the output.
func (s Shell) Run(ctx context.Context, script string) (string, error) {
	if err := s.managed(ctx); err != nil {
		return "", err
	}
	sent, err := s.API.SendCommand(ctx, &ssm.SendCommandInput{
		DocumentName: new("AWS-RunShellScript"), InstanceIds: []string{s.Instance},
		Parameters:     map[string][]string{"commands": {script}},
		TimeoutSeconds: new(int32(60)), // for its delivery
		Comment:        new("flowbed"),
	})
	if err != nil {
		return "", fmt.Errorf("send command to %s: %w", s.Instance, err)
	}
	begun := time.Now()
	for {
		out, err := s.API.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{
			CommandId: sent.Command.CommandId, InstanceId: &s.Instance,
		})
		unknown := errors.As(err, new(*types.InvocationDoesNotExist))
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case unknown && time.Since(begun) < commandFresh: // not visible yet
		case err != nil:
			return "", fmt.Errorf("read command on %s: %w", s.Instance, err)
		default:
			if text, ended, err := s.outcome(out); ended {
				return text, err
			}
		}
		if time.Since(begun) > commandTime {
			return "", fmt.Errorf("run command on %s: no end within %s", s.Instance, commandTime)
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(commandLook):
		}
	}
}

// outcome says whether a command has ended, and how.
func (s Shell) outcome(out *ssm.GetCommandInvocationOutput) (text string, ended bool, err error) {
	text = strings.TrimSpace(deref(out.StandardOutputContent) + "\n" + deref(out.StandardErrorContent))
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

// managed asks whether the instance's agent is there, so that a command for an
// instance without one is not sent in vain.
func (s Shell) managed(ctx context.Context) error {
	out, err := s.API.DescribeInstanceInformation(ctx, &ssm.DescribeInstanceInformationInput{
		Filters: []types.InstanceInformationStringFilter{{Key: new("InstanceIds"), Values: []string{s.Instance}}},
	})
	switch {
	case err != nil:
		return fmt.Errorf("ask Systems Manager about %s: %w", s.Instance, err)
	case len(out.InstanceInformationList) == 0:
		return fmt.Errorf("%s has not registered: it does so some minutes after its start, and needs a way to AWS's endpoints: %w",
			s.Instance, ErrUnmanaged)
	case out.InstanceInformationList[0].PingStatus != types.PingStatusOnline:
		seen := deref(out.InstanceInformationList[0].LastPingDateTime).UTC().Format(time.DateTime)
		return fmt.Errorf("%s was last heard of at %s UTC: %w", s.Instance, seen, ErrUnmanaged)
	}
	return nil
}

// Console is what an instance has said on its console about its setup: the lines
// that are marked for that, or else the last ones.
func Console(ctx context.Context, api *ec2.Client, instance string) string {
	return explainConsole(ctx, api, instance)
}
