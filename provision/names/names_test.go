package names_test

import (
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/names"
)

// A name that changes is an object that is not found again.
func TestNames(t *testing.T) {
	n := names.Names{Env: "dev", Account: "123456789012", Region: "us-east-1"}
	for want, have := range map[string]string{
		"/flowbed/dev":                          n.LogGroup(),
		"/flowbed/dev/lease":                    n.Lease(),
		"/flowbed/dev/prefect-api-key":          n.APIKey(),
		"flowbed-dev-123456789012-us-east-1-an": n.Bucket(),
		"flowbed-dev-34376dc25c58":              n.GlobalBucket(),
		"flowbed-dev-task":                      n.TaskRole(),
		"flowbed-dev-execution":                 n.ExecutionRole(),
		"flowbed-dev-agent":                     n.Agent(),
		"flowbed-dev-tasks":                     n.TaskGroup(),
		"flowbed-dev-us-east-1":                 n.SharedPolicy(),
		"flowbed-dev-events":                    n.Events(),
		"flowbed-dev-events-dlq":                n.DeadEvents(),
		"flowbed-dev":                           n.Plain(),
		"dev-i-0a1b":                            n.Worker("i-0a1b"),
	} {
		if have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
}

// TestOfSharedPolicy reads back each environment and region, also if the one looks like a
// part of the other.
func TestOfSharedPolicy(t *testing.T) {
	for _, want := range []names.Names{
		{Env: "dev", Region: "us-east-1"}, {Env: "dev-eu", Region: "eu-central-1"}, {Env: "us-gov", Region: "us-gov-west-1"},
		{Env: "pr-17", Region: "ap-southeast-99"}, {Env: "a", Region: "us-iso-east-1"}, {Env: "us-east-1", Region: "us-east-1"},
	} {
		if have, ok := names.OfSharedPolicy(want.SharedPolicy()); !ok || have != want {
			t.Errorf("%s: have %+v, %v", want.SharedPolicy(), have, ok)
		}
	}
	for _, other := range []string{"flowbed", "flowbed-dev", "dev-us-east-1", "flowbed-us-east-1"} {
		if have, ok := names.OfSharedPolicy(other); ok {
			t.Errorf("%s: have %+v", other, have)
		}
	}
}

// TestLongest: the longest name of an environment in the longest of AWS's regions
// stays within what AWS takes.
func TestLongest(t *testing.T) {
	n := names.Names{Env: strings.Repeat("e", 32), Account: "123456789012", Region: "ap-southeast-99"}
	for _, c := range []struct {
		what, name string
		most       int
	}{
		{"bucket", n.Bucket(), 63}, {"global bucket", n.GlobalBucket(), 63},
		{"task role", n.TaskRole(), 64}, {"execution role", n.ExecutionRole(), 64}, {"agent role", n.Agent(), 64},
		{"shared policy", n.SharedPolicy(), 128}, {"task security group", n.TaskGroup(), 255},
		{"event rule", n.Events(), 64}, {"dead-letter queue", n.DeadEvents(), 80},
		{"log group", n.LogGroup(), 512}, {"task family", n.Plain(), 255},
		{"parameter", "arn:aws-us-gov:ssm:" + n.Region + ":" + n.Account + ":parameter" + n.APIKey(), 1011},
	} {
		if len(c.name) > c.most {
			t.Errorf("%s %s has %d characters, and AWS takes %d", c.what, c.name, len(c.name), c.most)
		}
	}
}

// TestShortened: a bucket whose name is shortened is that of one environment only, and
// says so.
func TestShortened(t *testing.T) {
	seen := map[string]string{}
	for _, env := range []string{
		strings.Repeat("e", 23), strings.Repeat("e", 24), strings.Repeat("e", 25), strings.Repeat("e", 32),
		strings.Repeat("e", 31) + "f", "feature-a-rather-long-name-1", "feature-a-rather-long-name-2", "feature-a-----------------------",
	} {
		n := names.Names{Env: env, Account: "123456789012", Region: "ap-southeast-1"}
		have := n.Bucket()
		if other, taken := seen[have]; taken || len(have) > 63 || strings.Contains(have, "--") {
			t.Errorf("%s has the bucket %q; so has %q", env, have, other)
		}
		seen[have] = env
		if whole := strings.HasPrefix(have, "flowbed-"+env+"-123456789012-"); whole == n.BucketShortened() || !strings.HasSuffix(have, "-"+n.BucketSuffix()) {
			t.Errorf("%s has the bucket %q, shortened %t", env, have, n.BucketShortened())
		}
	}
}

func TestIsLease(t *testing.T) {
	for name, want := range map[string]bool{
		"/flowbed/dev/lease": true, "/flowbed/lease": false, "/flowbed//lease": false,
		"/flowbed/dev/prefect-api-key": false, "/other/dev/lease": false, "/lease": false, "": false,
	} {
		if have := names.IsLease(name); have != want {
			t.Errorf("%q: %t, want %t", name, have, want)
		}
	}
}
