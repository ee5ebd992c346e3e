package cost

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// everything is one of each usage.
func everything() []Usage {
	return []Usage{
		Instance("t2.micro"), Volume(16), Addresses(1), Tasks(1, 256, 1024, false), Tasks(1, 256, 1024, true), NATGateways(1),
		InterfaceEndpoints(1), Secrets(1), Keys(1),
	}
}

// TestTable: the base has a price for everything, and each region for what is not Spot. No item is
// there that nothing uses, as after a slip in its name.
func TestTable(t *testing.T) {
	table := Prices()
	if table.Regions[table.Base] == nil {
		t.Fatalf("no prices of %s", table.Base)
	}
	items := map[string]bool{}
	for _, u := range everything() {
		for _, p := range u.each {
			items[p.item] = true
			for region := range table.Regions {
				if _, ok := table.monthly(region, p.item); !ok && (region == table.Base || p.item != itemSpotCPU && p.item != itemSpotMemory) {
					t.Errorf("%s has no price of %s", region, p.item)
				}
			}
		}
	}
	all := append([]*Rates{&table.Everywhere}, table.Regions["us-east-1"], table.Regions["us-west-2"], table.Regions["eu-west-1"], table.Regions["eu-central-1"])
	if len(all) != len(table.Regions)+1 {
		t.Errorf("%d regions", len(table.Regions))
	}
	for _, r := range all {
		for _, prices := range []map[string]float64{r.Hour, r.Month} {
			for item, price := range prices {
				isType := slices.Contains([]byte(item), '.')
				if !items[item] && !isType {
					t.Errorf("nothing uses %s", item)
				}
				if _, base := table.monthly(table.Base, item); !base || price <= 0 || price > 3 {
					t.Errorf("%s costs %v", item, price)
				}
			}
		}
	}
}

// TestSources: each source is a page of AWS with a date, and the table has the date of the newest.
func TestSources(t *testing.T) {
	table, newest := Prices(), ""
	for _, s := range table.Sources {
		page, err := url.Parse(s.Page)
		if err != nil || page.Host != "aws.amazon.com" || s.About == "" {
			t.Errorf("%+v: %v", s, err)
		}
		if _, err := time.Parse(Day, s.Date); err != nil {
			t.Error(err)
		}
		newest = max(newest, s.Date)
	}
	if newest != table.Date || table.Note == "" {
		t.Errorf("the table is of %s, its newest source of %s", table.Date, newest)
	}
}

func TestOf(t *testing.T) {
	none := []string(nil)
	for _, c := range []struct {
		name, region string
		usages       []Usage
		of           string // region of the prices
		total        string
		items        string
		unpriced     []string
	}{
		{"nothing", "us-east-1", nil, "us-east-1", "$0.00", "", none},
		{"an agent", "us-east-1", []Usage{Instance("t2.micro"), Volume(16), Addresses(1)}, "us-east-1", "$13.40",
			"t2.micro $8.47, public IPv4 address $3.65, gp3 volume of 16 GiB $1.28", none},
		{"in another region", "eu-central-1", []Usage{Instance("t2.micro"), Volume(16), Addresses(1)}, "eu-central-1", "$14.96",
			"t2.micro $9.78, public IPv4 address $3.65, gp3 volume of 16 GiB $1.52", none},
		{"a type that the region lacks", "eu-central-1", []Usage{Instance("t3.micro")}, "us-east-1", "$7.59", "t3.micro $7.59", none},
		{"a region that the table lacks", "eu-south-2", []Usage{Secrets(2)}, "us-east-1", "$0.80", "2 secrets $0.80", none},
		{"a type that the table lacks", "eu-west-1", []Usage{Instance("x9.big"), NATGateways(1)}, "eu-west-1", "$35.04", "NAT gateway $35.04", []string{"x9.big"}},
		{"Fargate", "us-east-1", []Usage{Tasks(2, 256, 1024, false), Addresses(2)}, "us-east-1", "$28.56",
			"2 Fargate tasks of 0.25 vCPU and 1 GiB $21.26, 2 public IPv4 addresses $7.30", none},
		{"Spot", "us-east-1", []Usage{Tasks(1, 512, 2048, true)}, "us-east-1", "$6.77", "Fargate Spot task of 0.5 vCPU and 2 GiB $6.77", none},
		{"Spot where it is not known", "us-west-2", []Usage{Tasks(1, 512, 2048, true)}, "us-east-1", "$6.77", "Fargate Spot task of 0.5 vCPU and 2 GiB $6.77", none},
		{"no tasks", "us-east-1", []Usage{Tasks(0, 512, 2048, false)}, "us-east-1", "$0.00", "", none},
		{"the same twice", "us-east-1", []Usage{Addresses(1), NATGateways(2), Addresses(2), InterfaceEndpoints(4), Keys(1)}, "us-east-1", "$106.85",
			"2 NAT gateways $65.70, 4 interface endpoints, each zone counted $29.20, 3 public IPv4 addresses $10.95, KMS key $1.00", none},
		{"without an amount", "us-east-1", []Usage{Unpriced("volume vol-1")}, "us-east-1", "$0.00", "", []string{"volume vol-1"}},
	} {
		e := Of(c.region, c.usages)
		if e.Region != c.of || e.Total.String() != c.total || e.Items() != c.items {
			t.Errorf("%s: have %s, %s: %s", c.name, e.Region, e.Total, e.Items())
		}
		if d := cmp.Diff(c.unpriced, e.Unpriced); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if e.None() != (c.items == "" && c.unpriced == nil) {
			t.Errorf("%s: none is %t", c.name, e.None())
		}
	}
}

func TestSum(t *testing.T) {
	here, there := Of("eu-west-1", []Usage{NATGateways(1)}), Of("eu-central-1", []Usage{Instance("x9.big")})
	if s := Sum([]Estimate{here, here}); s.Region != "eu-west-1" || s.Total != 2*here.Total || s.None() {
		t.Errorf("have %+v", s)
	}
	if s := Sum([]Estimate{here, there}); s.Region != "" || s.Total != here.Total || len(s.Unpriced) != 1 {
		t.Errorf("have %+v", s)
	}
}

func TestRound(t *testing.T) {
	for f, want := range map[float64]string{0: "$0", 0.01: "less than $1", 0.49: "less than $1", 0.5: "$1", 1.49: "$1", 12.5: "$13", 36.5: "$37", 1499.5: "$1500"} {
		if have := dollars(f).Round(); have != want {
			t.Errorf("%v: have %s, want %s", f, have, want)
		}
	}
}

func TestAge(t *testing.T) {
	for date, want := range map[string]int{"2026-11-26": 0, "2026-11-25": 1, "2025-11-26": 365, "2026-12-01": 0, "never": 0} {
		if have := (&Table{Date: date}).Age(time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)); have != want {
			t.Errorf("%s: have %d, want %d", date, have, want)
		}
	}
}
