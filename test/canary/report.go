package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/awserr"
)

// table lists the questions for docs/first-account.md.
func table(list []question) string {
	var b strings.Builder
	b.WriteString("| question | assumed answer | what relies on it | answered |\n|---|---|---|---|\n")
	for _, q := range list {
		name := "`" + q.Name + "`"
		if q.Prefect {
			name += " (with Prefect)"
		}
		fmt.Fprintf(&b, "| %s: %s | %s | %s | %s |\n", name, q.Asks, q.Assumed, q.Relies, cmp.Or(q.Answered, "open"))
	}
	return b.String()
}

// report is the text to paste into an issue. [redactor.text] has yet to see it.
func (r *run) report(results []result, l leftovers, begun time.Time, version string) string {
	var b strings.Builder
	count := map[verdict]int{}
	for _, one := range results {
		count[one.Verdict]++
	}
	api := "none"
	switch {
	case strings.Contains(r.Prefect.URL, "prefect.cloud"):
		api = "Prefect Cloud"
	case r.Prefect.URL != "":
		api = "a server of one's own"
	}
	fmt.Fprintf(&b, "## Canary %s\n\nflowbed %s, region %s, Prefect: %s, %s, took %s\n\n", r.Name, version, r.Region, api,
		begun.UTC().Format("2006-01-02"), time.Since(begun).Round(time.Second))
	fmt.Fprintf(&b, "%d differ, %d as assumed, %d could not be asked\n", count[differs], count[asAssumed], count[notAsked])
	for _, v := range []verdict{differs, asAssumed, notAsked} {
		if count[v] > 0 {
			fmt.Fprintf(&b, "\n### %s\n", strings.ToUpper(v.String()[:1])+v.String()[1:])
		}
		for _, one := range results {
			if one.Verdict == v {
				b.WriteString(one.section())
			}
		}
	}
	b.WriteString("\n### Error codes that came\n\n")
	all, n := r.codes.list()
	for _, k := range all {
		known := className(k.Class)
		switch {
		case k.unknown():
			known = "**unknown**"
		case k.Class == awserr.Unknown:
			known = "handled in " + handled[k.Code]
		}
		fmt.Fprintf(&b, "- %s ×%d: %s\n", k, n[k], known)
	}
	b.WriteString("\n### Cleaning\n\n" + l.String())
	return b.String()
}

// section is the part of the report about one question.
func (o result) section() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n**%s** (%s). %s\n", o.Name, rough(o.Took), o.Asks)
	if o.Verdict == notAsked {
		fmt.Fprintf(&b, "- why not: %s\n", indented(o.Text))
		return b.String()
	}
	fmt.Fprintf(&b, "- answer: %s\n", indented(o.Text))
	if o.Answered != "" {
		fmt.Fprintf(&b, "- answered before: %s\n", o.Answered)
	}
	if o.Verdict == differs {
		fmt.Fprintf(&b, "- assumed: %s\n- relies on it: %s\n- change: %s\n", o.Assumed, o.Relies, o.Change)
	}
	return b.String()
}

// indented keeps the further lines of a text in its item of a list.
func indented(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

// String says what is left.
func (l leftovers) String() string {
	text := fmt.Sprintf("%d left\n", len(l.Left))
	for _, list := range []struct {
		head  string
		items []string
	}{{"left", l.Left}, {"could not remove", l.Failed}, {"could not look for", l.Blind}} {
		for _, item := range list.items {
			text += fmt.Sprintf("- %s: %s\n", list.head, indented(item))
		}
	}
	return text
}
