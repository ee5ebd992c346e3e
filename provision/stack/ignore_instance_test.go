package stack_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/sandbox"
)

// agentFile is an environment whose agent has these settings.
func agentFile(settings string) string {
	return strings.Replace(onInstance, "agent {}", "agent {\n"+settings+"\n}", 1)
}

const ignoresType = "ignore_changes = [\"instance type\"]\n"

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
		want        ec2types.InstanceType
	}{
		"the key pair is the same":            {ssh(one), ssh(one) + "volume_gib = 20", ""},
		"the key pair has another public key": {ssh(one), ssh(other), ""},
		"the type has another architecture":   {"instance_type = \"t4g.small\"", ignoresType + "instance_type = \"t3.small\"\nvolume_gib = 20", "t4g.small"},
		"an image of that architecture":       {"instance_type = \"t4g.small\"", ignoresType + "instance_type = \"t3.small\"\nimage = \"AMI\"", "t4g.small"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				for _, settings := range []string{c.first, c.then} {
					if list := agents(t, account); len(list) == 1 {
						settings = strings.Replace(settings, "AMI", *list[0].ImageId, 1)
					}
					if err := build(t, account, agentFile(settings), with(account)).Graph.Up(t.Context()); err != nil {
						t.Fatal(err)
					}
					unchanged(t, account, agentFile(settings))
				}
				if have := agents(t, account); len(have) != 1 || c.want != "" && have[0].InstanceType != c.want {
					t.Errorf("the instances are %+v", have)
				}
			})
		})
	}
}

// TestIgnoredTypeNeedsImage: the image that the file wants by name is that for the type in the file,
// not for the ignored one. Up says so before it changes anything.
func TestIgnoredTypeNeedsImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		if err := build(t, account, agentFile("instance_type = \"t4g.small\"\nimage = \"al2\""), with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		text, before := agentFile(ignoresType+"instance_type = \"t3.small\""), len(account.Writes())
		err := build(t, account, text, with(account)).Graph.Up(t.Context())
		const want = "the image al2023 is for x86_64, and the ignored instance type, t4g.small, is arm64 → set agent.instance_type to a type of arm64"
		if err == nil || !strings.Contains(err.Error(), want) || len(account.Writes()) > before {
			t.Errorf("up: %v, with %d writes, want %q", err, len(account.Writes())-before, want)
		}
	})
}

// TestVolumeKeyWithIgnored: the account's key for volumes is checked before a launch, also if the
// new instance keeps an ignored type.
func TestVolumeKeyWithIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		if err := build(t, account, agentFile("instance_type = \"t3.small\""), with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		key := newKey(t, account, kms.CreateKeyInput{})
		if _, err := ec2.NewFromConfig(account.Config(region)).ModifyEbsDefaultKmsKeyId(t.Context(), &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &key}); err != nil {
			t.Fatal(err)
		}
		if _, err := kms.NewFromConfig(account.Config(region)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"t3.small", "t3.micro"} {
			before := len(account.Writes())
			err := build(t, account, agentFile(ignoresType+"volume_gib = 20\ninstance_type = \""+kind+"\""), with(account)).Graph.Up(t.Context())
			if err == nil || !strings.Contains(err.Error(), "the key is disabled") {
				t.Errorf("the file has %s: up: %v", kind, err)
			}
			for _, w := range account.Writes()[before:] {
				if w.Operation == "RunInstances" {
					t.Errorf("the file has %s: up launched an instance", kind)
				}
			}
		}
	})
}

// TestIgnoredWhileEnding: the last instance is shutting down. Up launches a new one at once, which
// gets all fields: there is nothing whose fields could stay.
func TestIgnoredWhileEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		text := agentFile("ignore_changes = [\"instance type\", \"image\", \"user data\"]")
		if err := build(t, account, text, with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		account.BootTime = 2 * time.Minute
		first := agents(t, account)[0].InstanceId
		if _, err := ec2.NewFromConfig(account.Config(region)).TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{*first}}); err != nil {
			t.Fatal(err)
		}
		p, err := build(t, account, text, with(account)).Graph.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == "agent instance" })
		for _, n := range p.Actions[at].Notes {
			if strings.HasPrefix(n.Text, "ignores") {
				t.Errorf("the plan says %q", n.Text)
			}
		}
		begun, launched := time.Now(), time.Duration(0)
		account.Fault = func(c sandbox.Call) sandbox.Fault {
			if c.Operation == "RunInstances" && launched == 0 {
				launched = time.Since(begun) + time.Millisecond
			}
			return sandbox.Fault{}
		}
		if err := build(t, account, text, with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if launched == 0 || launched > time.Minute {
			t.Errorf("up launched the new instance after %s", launched)
		}
		unchanged(t, account, text)
	})
}
