package cost

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of docs/costs.md")

const page = "../../docs/costs.md"

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tables are the prices and their sources, for people.
func tables(t *Table) string {
	var b strings.Builder
	regions := slices.Sorted(maps.Keys(t.Regions))
	fmt.Fprintf(&b, "| | %s |\n|---|%s\n", strings.Join(regions, " | "), strings.Repeat("---|", len(regions)))
	base := t.Regions[t.Base]
	row := func(item, unit string, get func(*Rates) map[string]float64) {
		fmt.Fprintf(&b, "| %s, %s |", item, unit)
		for _, r := range regions {
			price, ok := get(t.Regions[r])[item]
			if !ok {
				price, ok = get(&t.Everywhere)[item]
			}
			if !ok {
				b.WriteString(" |")
				continue
			}
			b.WriteString(" " + number(price) + " |")
		}
		b.WriteString("\n")
	}
	hour, month := func(r *Rates) map[string]float64 { return r.Hour }, func(r *Rates) map[string]float64 { return r.Month }
	for _, item := range slices.Sorted(maps.Keys(merge(base.Hour, t.Everywhere.Hour))) {
		if strings.Contains(item, ".") && !known(t, item) {
			continue // all instance types of the base would be too long
		}
		row(item, "an hour", hour)
	}
	for _, item := range slices.Sorted(maps.Keys(merge(base.Month, t.Everywhere.Month))) {
		row(item, "a month", month)
	}
	fmt.Fprintf(&b, "\nIn %s, the table has %d types of instances. %s\n\n| source | of |\n|---|---|\n", t.Base, types(base), t.Note)
	for _, s := range t.Sources {
		fmt.Fprintf(&b, "| [%s](%s) | %s |\n", s.About, s.Page, s.Date)
	}
	return b.String()
}

func merge(a, b map[string]float64) map[string]float64 {
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

// known reports whether another region than the base has a price of an item.
func known(t *Table, item string) bool {
	for name, r := range t.Regions {
		if _, ok := r.Hour[item]; ok && name != t.Base {
			return true
		}
	}
	return false
}

func types(r *Rates) (n int) {
	for item := range r.Hour {
		if strings.Contains(item, ".") {
			n++
		}
	}
	return n
}

// TestPage: docs/costs.md has the prices of the table.
func TestPage(t *testing.T) {
	const from, to = "from provision/cost/prices.json -->\n", "<!-- /prices -->"
	have := read(t, page)
	before, rest, ok := strings.Cut(have, from)
	_, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the prices", page)
	}
	want := before + from + tables(Prices()) + to + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("%s: run go test ./provision/cost -update (-want +have)\n%s", page, d)
	}
}

// TestSentences: what the pages say of costs is what an estimate says.
func TestSentences(t *testing.T) {
	of := func(usages ...Usage) Estimate { return Of("us-east-1", usages) }
	instance, service := of(Instance("t2.micro"), Volume(16), Addresses(1)), of(Tasks(1, 256, 1024, false), Addresses(1))
	spot, nat, gateway := of(Tasks(1, 256, 1024, true), Addresses(1)), of(NATGateways(1), Addresses(1)), of(NATGateways(1))
	task, address := of(Tasks(1, 256, 1024, false)), of(Addresses(1))
	for _, c := range []struct{ page, want string }{
		{"costs.md", "Costs about " + instance.Total.Round() + " a month, all the time: " + instance.Items() + "."},
		{"choose.md", fmt.Sprintf("| costs a month | about %s: %s | about %s a worker: 0.25 vCPU and 1 GiB %s, a public IPv4 address %s; on Spot about %s |",
			instance.Total.Round(), instance.Items(), service.Total.Round(), task.Total, address.Total, spot.Total.Round())},
		{"choose.md", "gateway: about " + gateway.Total.Round() + ", and its address"},
		{"guide.md", "It costs about " + nat.Total.Round() + " a month in us-east-1"},
	} {
		if text := read(t, "../../docs/"+c.page); !strings.Contains(text, c.want) {
			t.Errorf("docs/%s does not say: %s", c.page, c.want)
		}
	}
}
