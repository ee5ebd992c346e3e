package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// watch looks at an instance until all that it waits for has happened.
func (r *run) watch(ctx context.Context, m *machine) {
	defer close(m.watched)
	defer func() {
		if p := recover(); p != nil {
			m.broken = fmt.Errorf("watching the instance panicked: %v", p)
		}
	}()
	_, err := until(ctx, 12*time.Minute, 10*time.Second, func() (bool, error) {
		r.look(ctx, m, time.Since(m.launched))
		return (m.latest > 0 || m.refusal != "") && m.ordinary > 0 && m.online > 0, nil
	})
	if err != nil && !tooLong(err) {
		m.broken = err
	}
}

// look looks for what has not been seen yet.
func (r *run) look(ctx context.Context, m *machine, since time.Duration) {
	if m.latest == 0 && m.refusal == "" {
		said, err := r.console(ctx, m.id, true)
		switch {
		case awserr.Retry(err): // not visible yet
		case err != nil && awserr.Code(err) != "":
			m.refusal = codeOf(err)
		case said:
			m.latest = since
		}
	}
	if m.ordinary == 0 {
		if said, _ := r.console(ctx, m.id, false); said {
			m.ordinary = since
		}
	}
	if m.online == 0 && r.answers(ctx, m.id) {
		m.online = since
	}
}

// console reports whether an instance's console says the marker. Nothing else could.
func (r *run) console(ctx context.Context, id string, latest bool) (bool, error) {
	in := &ec2.GetConsoleOutputInput{InstanceId: &id}
	if latest {
		in.Latest = &latest
	}
	out, err := r.ec2.GetConsoleOutput(ctx, in)
	if err != nil {
		return false, err
	}
	text, err := base64.StdEncoding.DecodeString(aws.ToString(out.Output))
	return strings.Contains(string(text), r.marker()), err
}

// answers reports whether a command runs on an instance.
func (r *run) answers(ctx context.Context, id string) bool {
	said, err := r.shell(ctx, id, "echo '"+r.marker()+"'", 20*time.Second)
	return err == nil && strings.Contains(said, r.marker())
}

// shell runs a script on an instance, and returns what it said.
func (r *run) shell(ctx context.Context, id, script string, limit time.Duration) (said string, err error) {
	sent, err := r.ssm.SendCommand(ctx, &ssm.SendCommandInput{DocumentName: aws.String("AWS-RunShellScript"),
		InstanceIds: []string{id}, Parameters: map[string][]string{"commands": {script}}})
	if err != nil {
		return "", err
	}
	if sent.Command == nil {
		return "", unasked("SendCommand returned no command")
	}
	_, err = until(ctx, limit, time.Second, func() (bool, error) {
		out, err := r.ssm.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{CommandId: sent.Command.CommandId, InstanceId: &id})
		if awserr.Code(err) == "InvocationDoesNotExist" {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		said = aws.ToString(out.StandardOutputContent)
		return out.Status != ssmtypes.CommandInvocationStatusPending && out.Status != ssmtypes.CommandInvocationStatusInProgress &&
			out.Status != ssmtypes.CommandInvocationStatusDelayed, nil
	})
	return said, err
}

func (r *run) askConsole(ctx context.Context, m *machine) (answer, error) {
	if err := r.seen(ctx, m); err != nil {
		return answer{}, err
	}
	if m.latest == 0 && m.ordinary == 0 {
		return couldNot("the console said nothing in 12 minutes, neither its latest output (%s) nor the ordinary one", m.refusal)
	}
	latest := "the latest output did not come"
	switch {
	case m.latest > 0:
		latest = "the latest output came after " + rough(m.latest)
	case m.refusal != "":
		latest = "the latest output is refused: " + m.refusal
	}
	ordinary := "the ordinary output did not come in 12 minutes"
	if m.ordinary > 0 {
		ordinary = "the ordinary output came after " + rough(m.ordinary)
	}
	expected := m.latest > 0 && m.latest <= 3*time.Minute
	if m.input.InstanceType == types.InstanceTypeT2Micro {
		expected = strings.HasPrefix(m.refusal, "UnsupportedOperation")
	}
	return judged(expected && m.ordinary > 0 && m.ordinary <= 10*time.Minute, "%s; %s", latest, ordinary)
}
