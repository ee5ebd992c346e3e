// Package cost estimates what an environment costs a month while no flow runs: what AWS bills by
// the hour or by the month, such as an instance or a NAT gateway. Each kind of resource says what
// it uses (Usage), and the table in prices.json has the prices.
//
// The table has a date. It is in the program, so no call is made, and it knows some regions and
// some instance types only: an estimate says which region's prices it has used, and what has none.
// It leaves out all that depends on use; see [NotIncluded].
package cost

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// NotIncluded is what an estimate leaves out.
const NotIncluded = "runs of flows, data transfer, requests, stored data and logs, taxes, and the free tier"

// HoursPerMonth is AWS's own average: https://aws.amazon.com/calculator
const HoursPerMonth = 730

// Usage is something that an environment uses all the time.
type Usage struct {
	One, Many string // what it is, as people read it: "NAT gateway", "NAT gateways"
	Count     int
	each      []part // what AWS bills for each
}

// part is an amount of an item of the table.
type part struct {
	item   string
	amount float64
}

// The items of the table, but for instance types, which have their own names.
const (
	itemGP3        = "GiB of gp3"
	itemAddress    = "public IPv4 address"
	itemCPU        = "Fargate vCPU"
	itemMemory     = "Fargate GB"
	itemSpotCPU    = "Fargate Spot vCPU"
	itemSpotMemory = "Fargate Spot GB"
	itemNAT        = "NAT gateway"
	itemEndpoint   = "interface endpoint in a zone"
	itemSecret     = "secret"
	itemKey        = "KMS key"
)

// Instance is an EC2 instance that runs Linux.
func Instance(instanceType string) Usage {
	return Usage{One: instanceType, Many: instanceType, Count: 1, each: []part{{instanceType, 1}}}
}

// Volume is an EBS volume of the type gp3.
func Volume(gib int) Usage {
	size := fmt.Sprintf(" of %d GiB", gib)
	return Usage{One: "gp3 volume" + size, Many: "gp3 volumes" + size, Count: 1, each: []part{{itemGP3, float64(gib)}}}
}

// Addresses are public IPv4 addresses, Elastic IP addresses included.
func Addresses(n int) Usage { return countable("public IPv4 address", "es", n, itemAddress) }

// Tasks are tasks on Fargate. CPU is in units of 1/1024 vCPU, and memory in MiB.
func Tasks(n, cpu, memory int, spot bool) Usage {
	name, item, itemOfMemory := "Fargate", itemCPU, itemMemory
	if spot {
		name, item, itemOfMemory = "Fargate Spot", itemSpotCPU, itemSpotMemory
	}
	cpus, gib := float64(cpu)/1024, float64(memory)/1024
	size := fmt.Sprintf(" of %s vCPU and %s GiB", number(cpus), number(gib))
	return Usage{One: name + " task" + size, Many: name + " tasks" + size, Count: n, each: []part{{item, cpus}, {itemOfMemory, gib}}}
}

// NATGateways are NAT gateways, without their addresses.
func NATGateways(n int) Usage { return countable("NAT gateway", "s", n, itemNAT) }

// InterfaceEndpoints are VPC endpoints with network interfaces. AWS bills each interface: n is the
// number of endpoints times that of their zones.
func InterfaceEndpoints(n int) Usage {
	return Usage{One: itemEndpoint, Many: "interface endpoints, each zone counted", Count: n, each: []part{{itemEndpoint, 1}}}
}

// Secrets are secrets of Secrets Manager.
func Secrets(n int) Usage { return countable("secret", "s", n, itemSecret) }

// Keys are KMS keys that a customer manages.
func Keys(n int) Usage { return countable("KMS key", "s", n, itemKey) }

// Unpriced is something that costs money all the time, but whose amount is not known.
func Unpriced(name string) Usage {
	return Usage{One: name, Many: name, Count: 1, each: []part{{"", 1}}}
}

func countable(one, plural string, n int, item string) Usage {
	return Usage{One: one, Many: one + plural, Count: n, each: []part{{item, 1}}}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Name is the name with the count, if there are several.
func (u Usage) Name() string {
	if u.Count == 1 {
		return u.One
	}
	return fmt.Sprintf("%d %s", u.Count, u.Many)
}

// Money is in millionths of a US dollar.
type Money int64

func dollars(f float64) Money { return Money(math.Round(f * 1e6)) }

// Cents is the amount in US dollars, rounded to cents.
func (m Money) Cents() float64 { return math.Round(float64(m)/1e4) / 100 }

// String has cents: "$8.47".
func (m Money) String() string { return "$" + strconv.FormatFloat(m.Cents(), 'f', 2, 64) }

// Round is for people who want the size of it: "$13".
func (m Money) Round() string {
	if m > 0 && m < dollars(0.5) {
		return "less than $1"
	}
	return "$" + strconv.FormatInt(int64(m+dollars(0.5))/int64(dollars(1)), 10)
}

// Line is one item of an estimate.
type Line struct {
	Name    string // with the count
	Monthly Money
}

// Estimate is what usages cost a month.
type Estimate struct {
	Asked    string // the region of the environment
	Region   string // whose prices these are: another one if the table does not have all prices of the region
	Lines    []Line // the dearest first
	Total    Money
	Unpriced []string // what has no price in the table
}

// None reports whether nothing costs money all the time.
func (e Estimate) None() bool { return len(e.Lines)+len(e.Unpriced) == 0 }

// Of estimates the cost of usages in a region.
func Of(region string, usages []Usage) Estimate { return prices().of(region, usages) }

func (t *Table) of(region string, usages []Usage) Estimate {
	usages = merged(usages)
	e := Estimate{Asked: region, Region: region}
	if !t.hasAll(region, usages) {
		e.Region = t.Base
	}
	for _, u := range usages {
		price, ok := t.price(e.Region, u)
		if !ok {
			e.Unpriced = append(e.Unpriced, u.Name())
			continue
		}
		e.Lines = append(e.Lines, Line{u.Name(), price})
		e.Total += price
	}
	slices.SortStableFunc(e.Lines, func(a, b Line) int { return int(b.Monthly - a.Monthly) })
	return e
}

// hasAll reports whether a region has the prices that the base has. What neither has makes no
// difference.
func (t *Table) hasAll(region string, usages []Usage) bool {
	if t.Regions[region] == nil {
		return false
	}
	return !slices.ContainsFunc(usages, func(u Usage) bool {
		_, here := t.price(region, u)
		_, base := t.price(t.Base, u)
		return base && !here
	})
}

// price is the price of a usage for a month.
func (t *Table) price(region string, u Usage) (sum Money, ok bool) {
	for _, p := range u.each {
		monthly, ok := t.monthly(region, p.item)
		if !ok {
			return 0, false
		}
		sum += dollars(monthly * p.amount * float64(u.Count))
	}
	return sum, true
}

// merged adds up the counts of what has the same name, and leaves out what there is none of.
func merged(usages []Usage) (list []Usage) {
	for _, u := range usages {
		i := slices.IndexFunc(list, func(o Usage) bool { return o.One == u.One })
		switch {
		case u.Count == 0:
		case i < 0:
			list = append(list, u)
		default:
			list[i].Count += u.Count
		}
	}
	return list
}

// Sum adds up estimates. Its region is empty if they have the prices of several.
func Sum(list []Estimate) (sum Estimate) {
	for i, e := range list {
		switch {
		case i == 0:
			sum.Asked, sum.Region = e.Asked, e.Region
		case e.Region != sum.Region:
			sum.Region = ""
		}
		sum.Lines = append(sum.Lines, e.Lines...)
		sum.Unpriced = append(sum.Unpriced, e.Unpriced...)
		sum.Total += e.Total
	}
	return sum
}

// Items is the list of what an estimate consists of, with prices.
func (e Estimate) Items() string {
	var list []string
	for _, l := range e.Lines {
		list = append(list, l.Name+" "+l.Monthly.String())
	}
	return strings.Join(list, ", ")
}
