package stack_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// TestShell finds the agent and runs scripts on it.
func TestShell(t *testing.T) {
	text := "environment \"dev\" {\n" + fmt.Sprintf(agent3, "https://prefect.example.com") + "\n}"
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.Lag, account.CommandTime = 3*time.Second, 20*time.Second
		open := func() *stack.Stack {
			return build(t, account, text, stack.Options{Destroy: true, NoPrefect: true})
		}
		if _, err := open().Agent(t.Context()); err == nil || !strings.Contains(err.Error(), "no agent") {
			t.Errorf("before up: %v", err)
		}
		if err := build(t, account, text, stack.Options{NoPrefect: true}).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := open()
		agent, err := s.Agent(t.Context())
		if err != nil || agent.ID == "" {
			t.Fatalf("have %v, %v", agent.ID, err)
		}
		manage := func(change func(*iam.Client, *string, *string) error) {
			t.Helper()
			role, policy := "flowbed-dev-agent", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
			if err := change(iam.NewFromConfig(account.Config(region)), &role, &policy); err != nil {
				t.Fatal(err)
			}
			time.Sleep(account.Lag)
		}
		manage(func(api *iam.Client, role, policy *string) error {
			_, err := api.DetachRolePolicy(t.Context(), &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: policy})
			return err
		})
		if _, err := s.Shell(agent).Run(t.Context(), "true"); !errors.Is(err, resource.ErrUnmanaged) {
			t.Errorf("without the permissions of Systems Manager: %v", err)
		}
		manage(func(api *iam.Client, role, policy *string) error {
			_, err := api.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: policy})
			return err
		})
		account.Shell = func(instance, script string) (string, int) {
			if instance != agent.ID {
				t.Errorf("have %s, want %s", instance, agent.ID)
			}
			return "ran " + script, strings.Count(script, "exit")
		}
		runs(t, account, s.Shell(agent))
	})
}

// runs has a shell run what succeeds, fails, is stopped and does not end.
func runs(t *testing.T, account *sandbox.Account, shell resource.Shell) {
	t.Helper()
	begun := time.Now()
	if out, err := shell.Run(t.Context(), "one\ntwo"); err != nil || out != "ran one\ntwo" {
		t.Errorf("have %q, %v", out, err)
	}
	if took := time.Since(begun); took < account.CommandTime || took > account.CommandTime+5*time.Second {
		t.Errorf("it took %s", took)
	}
	if _, err := shell.Run(t.Context(), "exit 1"); err == nil || !strings.Contains(err.Error(), "failed, exit code 1:\nran exit 1") {
		t.Errorf("have %v", err)
	}
	if _, err := (resource.Shell{API: shell.API, Instance: "i-00000000"}).Run(t.Context(), "x"); !errors.Is(err, resource.ErrUnmanaged) {
		t.Errorf("of another instance: %v", err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errors.New("stopped"))
	defer cancel()
	if _, err := shell.Run(ctx, "x"); err == nil || err.Error() != "stopped" {
		t.Errorf("have %v", err)
	}
	account.CommandTime = time.Hour
	if _, err := shell.Run(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "no result after 5m0s") {
		t.Errorf("have %v", err)
	}
}
