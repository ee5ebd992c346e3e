package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/cost"
)

// Environment is one environment of an account, as list and sweep show it.
type Environment struct {
	Name, Region string
	Created      time.Time // zero if unknown
	Expires      time.Time // zero if never
	Objects      []Object
	Protected    bool   // from deletion
	Why          string // why sweep removes it; only for sweep
	Cost         *cost.Estimate
}

// Object is one object of an environment.
type Object struct{ Kind, Name string }

// Environments writes a table of environments. The header names the account; its
// region is empty for all regions. Options.Verb is "list" or "sweep".
func Environments(w io.Writer, list []Environment, now time.Time, o Options) error {
	var b strings.Builder
	o.where(&b)
	if len(list) == 0 {
		b.WriteString(o.none() + "\n")
		return write(w, b.String())
	}
	rows := [][]string{{"ENVIRONMENT", "REGION", "AGE", "EXPIRES"}}
	for _, e := range list {
		rows = append(rows, []string{clean(e.Name, false), clean(e.Region, false), age(e, now), ends(e, now)})
	}
	for i, e := range list {
		if o.Verb == "sweep" {
			rows[i+1] = append(rows[i+1], clean(e.Why, false))
		} else {
			rows[i+1] = append(rows[i+1], share(e.Cost))
		}
	}
	rows[0] = append(rows[0], map[bool]string{true: "WHY", false: "A MONTH"}[o.Verb == "sweep"])
	rows[0] = append(rows[0], "RESOURCES") // last, because it may wrap
	for i, e := range list {
		rows[i+1] = append(rows[i+1], contents(e))
	}
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], cells(c))
		}
	}
	for n, r := range rows {
		line := ""
		for i, c := range r[:len(r)-1] {
			line += pad(c, widths[i]) + "  "
		}
		st := style("")
		if n == 0 {
			st = dim
		}
		o.row(&b, line, r[len(r)-1], st)
	}
	o.total(&b, list)
	return write(w, b.String())
}

// total writes what all environments cost a month; nothing for sweep.
func (o Options) total(b *strings.Builder, list []Environment) {
	if sum := sumOf(list); o.Verb == "list" && sum != nil && !sum.None() {
		b.WriteString("\n")
		o.fit(b, "", "Together about "+sum.Total.Round()+" a month"+pricesOf(*sum)+", all the time"+unpriced(*sum)+".", "")
		o.fit(b, "", notIncluded(), dim)
	}
}

// sumOf adds up the estimates; nil if there are none.
func sumOf(list []Environment) *cost.Estimate {
	var all []cost.Estimate
	for _, e := range list {
		if e.Cost != nil {
			all = append(all, *e.Cost)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return new(cost.Sum(all))
}

// row writes one row of the table. It wraps the last cell.
func (o Options) row(b *strings.Builder, line, last string, st style) {
	if o.Width > 0 && o.Width < cells(line)+16 { // too narrow for columns
		o.fit(b, "", strings.TrimRight(line+last, " "), st)
		return
	}
	var cell strings.Builder
	o.fit(&cell, line, last)
	for l := range strings.Lines(cell.String()) {
		b.WriteString(o.paint(strings.TrimRight(l, " \n"), st) + "\n")
	}
}

// where writes one line with the account and the region.
func (o Options) where(b *strings.Builder) {
	h := o.Header
	for _, l := range h.Banners() {
		b.WriteString(o.paint(l, banner) + "\n")
	}
	b.WriteString(o.paint(fmt.Sprintf("Account %s, %s", clean(h.Account, false), h.regions()), dim) + "\n\n")
}

func (h Header) regions() string {
	if h.Region == "" {
		return "all regions"
	}
	return "region " + clean(h.Region, false)
}

func (o Options) none() string {
	what := "environments"
	if o.Verb == "sweep" {
		what += " to remove"
	}
	if o.Incomplete {
		return "Found no " + what + ", but not everything could be read."
	}
	return "No " + what + "."
}

func age(e Environment, now time.Time) string {
	if e.Created.IsZero() {
		return "?"
	}
	return long(now.Sub(e.Created))
}

func ends(e Environment, now time.Time) string {
	switch left := e.Expires.Sub(now); {
	case e.Protected:
		return "protected"
	case e.Expires.IsZero():
		return "never"
	case left > 0:
		return "in " + long(left)
	default:
		return long(-left) + " ago"
	}
}

// long is a duration in its largest unit.
func long(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	}
	return fmt.Sprintf("%.0fd", d.Hours()/24)
}

// contents counts the objects by kind.
func contents(e Environment) string {
	n := map[string]int{}
	var kinds []string
	for _, o := range e.Objects {
		if n[o.Kind]++; n[o.Kind] == 1 {
			kinds = append(kinds, o.Kind)
		}
	}
	slices.SortFunc(kinds, cmp.Compare[string])
	for i, k := range kinds {
		kinds[i] = clean(k, false)
		if n[k] > 1 {
			kinds[i] = fmt.Sprintf("%d %ss", n[k], kinds[i])
		}
	}
	return strings.Join(kinds, ", ")
}

type (
	jsonEnvironments struct {
		FormatVersion string            `json:"format_version" schema:"2"`
		Type          string            `json:"type" schema:"list|sweep"`
		Account       string            `json:"account"`
		Caller        string            `json:"caller"`
		Region        string            `json:"region,omitempty"` // none with --all-regions
		Endpoint      string            `json:"endpoint,omitempty"`
		Sandbox       bool              `json:"sandbox,omitempty"`
		Endpoints     map[string]string `json:"service_endpoints,omitempty"`
		Environments  []jsonEnvironment `json:"environments"`
		Errors        []jsonError       `json:"errors"`         // the regions and services that could not be read
		Cost          *jsonCost         `json:"cost,omitempty"` // of all environments; none with sweep
	}
	jsonEnvironment struct {
		Environment string      `json:"environment"`
		Region      string      `json:"region"`
		Created     *string     `json:"created" schema:"date-time"` // null if its age is unknown
		Expires     *string     `json:"expires" schema:"date-time"` // null without a ttl
		Expired     bool        `json:"expired"`
		Protected   bool        `json:"deletion_protection"`
		Objects     []jsonThing `json:"objects"`
		Why         string      `json:"why,omitempty" schema:"expired|named"` // why sweep would remove it
		Cost        *jsonCost   `json:"cost,omitempty"`                       // none with sweep
	}
	jsonThing struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}
)

// EnvironmentsJSON writes environments as one JSON document. With line, the document is
// one line, because others follow. failed becomes the errors of the document.
func EnvironmentsJSON(w io.Writer, list []Environment, now time.Time, failed error, line bool, o Options) error {
	d := jsonEnvironments{
		FormatVersion: FormatVersion, Type: map[bool]string{true: "sweep", false: "list"}[o.Verb == "sweep"],
		Account: o.Header.Account, Caller: o.Header.Caller, Region: o.Header.Region, Endpoint: o.Header.Endpoint, Sandbox: o.Header.Sandbox, Endpoints: o.Header.Endpoints,
		Environments: []jsonEnvironment{}, Errors: errorsJSON(failed, o),
	}
	moment := func(t time.Time) *string {
		if t.IsZero() {
			return nil
		}
		return new(stamp(t))
	}
	for _, e := range list {
		j := jsonEnvironment{
			Environment: e.Name, Region: e.Region, Created: moment(e.Created), Expires: moment(e.Expires),
			Expired: !e.Expires.IsZero() && !e.Expires.After(now), Protected: e.Protected, Objects: []jsonThing{}, Why: e.Why,
		}
		if o.Verb == "list" {
			j.Cost = costJSON(e.Cost)
		}
		for _, x := range e.Objects {
			j.Objects = append(j.Objects, jsonThing(x))
		}
		d.Environments = append(d.Environments, j)
	}
	if o.Verb == "list" {
		d.Cost = costJSON(sumOf(list))
	}
	if !line {
		return document(w, d)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(d)
}
