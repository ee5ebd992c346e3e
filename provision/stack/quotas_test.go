package stack_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// The plan of a new VPC warns if the region has its default quota of VPCs or addresses, and an up that
// AWS then refuses names the quota.
func TestNetworkQuotas(t *testing.T) {
	for _, c := range []struct {
		name            string
		vpcs, addresses int // that others have, besides the default VPC
		network         string
		warns, refuses  string
	}{
		{"room", 3, 4, `nat = "single"`, "", ""},
		{"no VPC left", 4, 0, "", "the region has 5 VPCs, up would create 1, and the quota is 5 unless", "--quota-code L-F678F1CE"},
		{"no address left", 0, 5, `nat = "single"`, "the region has 5 Elastic IP addresses, up would create 1", "--quota-code L-0263D0A3"},
		{"too few addresses", 0, 4, `nat = "per-zone"`, "the region has 4 Elastic IP addresses, up would create 2", "--quota-code L-0263D0A3"},
		{"no address needed", 0, 5, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				api := ec2.NewFromConfig(account.Config(region))
				for i := range c.vpcs {
					if _, err := api.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String(fmt.Sprintf("10.%d.0.0/16", i))}); err != nil {
						t.Fatal(err)
					}
				}
				for range c.addresses {
					if _, err := api.AllocateAddress(t.Context(), &ec2.AllocateAddressInput{}); err != nil {
						t.Fatal(err)
					}
				}
				text := "environment \"dev\" {\nnetwork {\nvpc = \"new\"\n" + c.network + "\n}\n}"
				p, err := build(t, account, text, stack.Options{}).Graph.Plan(t.Context())
				if err != nil || p.Err() != nil {
					t.Fatal(err, p.Err())
				}
				var warnings []string
				for _, a := range p.Actions {
					for _, n := range a.Notes {
						if n.Severity == provision.Warn && strings.Contains(n.Text, "the quota is") {
							warnings = append(warnings, n.Text)
						}
					}
				}
				have := strings.Join(warnings, "\n")
				if !strings.Contains(have, c.warns) || c.warns == "" && have != "" || len(warnings) > 1 || !strings.Contains(have, c.refuses) {
					t.Errorf("the plan warns %q, want %q", have, c.warns)
				}
				err = build(t, account, text, stack.Options{}).Graph.Up(t.Context())
				if hint := awserr.Hint(err); (c.refuses == "") != (err == nil) || !strings.Contains(hint, c.refuses) {
					t.Errorf("up: %v → %s, want %q", err, hint, c.refuses)
				}
			})
		})
	}
}
