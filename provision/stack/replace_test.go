package stack_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// TestReplaceOfKept: what keeps AWS from deleting an object stops the plan that replaces it, and
// up changes nothing: a role would have lost its policies, and an environment would have two agents.
func TestReplaceOfKept(t *testing.T) {
	const repository = "environment \"dev\" {\nrepository {}\n}"
	agent := onPath("")
	for name, c := range map[string]struct {
		from, to string
		hold     func(context.Context, *sandbox.Account, string) error
		want     string
	}{
		"task role":  {onPath("/data/"), onPath("/flows/"), intoProfile("flowbed-dev-task"), "flowbed-dev-task cannot be deleted while it is in the instance profile by-hand → remove it from there"},
		"agent role": {onPath("/data/"), onPath(""), intoProfile("flowbed-dev-agent"), "flowbed-dev-agent cannot be deleted while it is in the instance profile by-hand → "},
		"instance": {agent, strings.Replace(agent, "agent {}", "agent { volume_gib = 30 }", 1), func(ctx context.Context, a *sandbox.Account, id string) error {
			_, err := ec2.NewFromConfig(a.Config(region)).ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{
				InstanceId: &id, DisableApiTermination: &ec2types.AttributeBooleanValue{Value: aws.Bool(true)}})
			return err
		}, " is protected by its attribute disableApiTermination → turn it off"},
		"repository": {repository, encryptedWith(repository, customerKey), func(ctx context.Context, a *sandbox.Account, _ string) error {
			_, err := ecr.NewFromConfig(a.Config(region)).PutImage(ctx, &ecr.PutImageInput{
				RepositoryName: aws.String("flowbed-dev"), ImageTag: aws.String("latest"), ImageManifest: aws.String("{}")})
			return err
		}, "the repository flowbed-dev is not empty: 1 image → "},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				o := stack.Options{Transport: sandbox.Prefect(account)}
				if err := build(t, account, c.from, o).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				id := ""
				if c.from != repository {
					id = instanceOf(t, account)
				}
				if err := c.hold(t.Context(), account, id); err != nil {
					t.Fatal(err)
				}
				p, err := build(t, account, c.to, o).Graph.Plan(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				before := len(account.Writes())
				for verb, err := range map[string]error{"plan": p.Err(), "up": build(t, account, c.to, o).Graph.Up(t.Context())} {
					if err == nil || strings.Count(err.Error(), c.want) != 1 {
						t.Errorf("%s says %v, want %q", verb, err, c.want)
					}
				}
				if have := account.Writes()[before:]; len(have) > 0 {
					t.Errorf("up has made %d calls, the first is %+v", len(have), have[0])
				}
			})
		})
	}
}

// intoProfile puts a role into an instance profile of somebody else.
func intoProfile(role string) func(context.Context, *sandbox.Account, string) error {
	return func(ctx context.Context, a *sandbox.Account, _ string) error {
		api, name := iam.NewFromConfig(a.Config(region)), aws.String("by-hand")
		_, made := api.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name})
		_, added := api.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: &role})
		return errors.Join(made, added)
	}
}
