package view

import (
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision/cost"
)

// someCost is that of an agent on an instance.
var someCost = new(cost.Of("eu-central-1", []cost.Usage{cost.Instance("t2.micro"), cost.Volume(16), cost.Addresses(1)}))

func TestCost(t *testing.T) {
	for name, c := range map[string]struct {
		region string
		usages []cost.Usage
		want   string
	}{
		"nothing":            {"eu-central-1", nil, ""},
		"a known region":     {"us-east-1", []cost.Usage{cost.NATGateways(1), cost.Addresses(1)}, "Costs about $37 a month, all the time: NAT gateway $32.85, public IPv4 address $3.65."},
		"an unknown region":  {"eu-south-2", []cost.Usage{cost.NATGateways(2)}, "Costs about $66 a month in us-east-1, all the time: 2 NAT gateways $65.70."},
		"an unknown type":    {"us-east-1", []cost.Usage{cost.Instance("x9\x1b.big"), cost.Addresses(1)}, "Costs about $4 a month, all the time: public IPv4 address $3.65; without a known price: x9\\x1b.big."},
		"only unknown types": {"us-east-1", []cost.Usage{cost.Instance("x9.big")}, "Costs something all the time; without a known price: x9.big."},
	} {
		e := cost.Of(c.region, c.usages)
		var b strings.Builder
		Options{}.cost(&b, &e)
		have, rest, _ := strings.Cut(b.String(), "\n")
		if have != c.want {
			t.Errorf("%s:\nhave %s\nwant %s", name, have, c.want)
		}
		if c.want != "" && rest != "Not included: "+cost.NotIncluded+". Prices of "+cost.Prices().Date+".\n" {
			t.Errorf("%s: %q", name, rest)
		}
		b.Reset()
		Options{Verb: "down"}.cost(&b, &e)
		have, _, _ = strings.Cut(b.String(), "\n")
		if want := strings.Replace(c.want, "Costs", "Ends what costs", 1); have != want {
			t.Errorf("%s, of down:\nhave %s\nwant %s", name, have, want)
		}
	}
}
