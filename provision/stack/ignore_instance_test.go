package stack_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox"
)

// agentFile is an environment whose agent has these settings.
func agentFile(settings string) string {
	return strings.Replace(onInstance, "agent {}", "agent {\n"+settings+"\n}", 1)
}

// agents are the instances that are not terminating.
func agents(t *testing.T, account *sandbox.Account) (list []ec2types.Instance) {
	t.Helper()
	out, err := ec2.NewFromConfig(account.Config(region)).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
		{Name: aws.String("instance-state-name"), Values: []string{"pending", "running", "stopped"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Reservations {
		list = append(list, r.Instances...)
	}
	return list
}

// TestReplacedWithIgnored: an instance is replaced for one reason, while fields are ignored that
// differ or that do not. Then there is one, and nothing is left to do.
func TestReplacedWithIgnored(t *testing.T) {
	const one = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICQkiy0CR+4w9HSc3ha9TTAHmOs+2k9PzOIk7aswvByJ"
	const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDLYFxgWeCd1emvAPX8NXK0a3H16/fUepu8fRb8XDW9c"
	ssh := func(key string) string {
		return "ignore_changes = [\"key pair\"]\nssh {\ncidr = \"203.0.113.0/24\"\npublic_key = \"" + key + "\"\n}\n"
	}
	for name, c := range map[string]struct {
		first, then string
	}{
		"the key pair is the same":            {ssh(one), ssh(one) + "volume_gib = 20"},
		"the key pair has another public key": {ssh(one), ssh(other)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				for _, settings := range []string{c.first, c.then} {
					if err := build(t, account, agentFile(settings), with(account)).Graph.Up(t.Context()); err != nil {
						t.Fatal(err)
					}
					unchanged(t, account, agentFile(settings))
				}
				if have := agents(t, account); len(have) != 1 {
					t.Errorf("the instances are %+v", have)
				}
			})
		})
	}
}
