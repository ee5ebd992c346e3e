package view

import (
	_ "embed"
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision"
)

//go:embed report.css
var reportCSS string

// Run is what an up did, for its report.
type Run struct {
	Began, Ended time.Time
	Build        Build
	Prefect      string            // the version; empty without Prefect
	Planned      provision.Plan    // empty if it could not be made
	Events       []provision.Event // in the order in which they happened
	Outcome      Outcome
}

// ReportHTML writes the report of a run as one page that needs nothing else: no script, no
// font, no network. Options give the verb, the header and the hints.
func ReportHTML(w io.Writer, r Run, o Options) error {
	o.Color, o.Width = false, 0
	p := &page{o: o}
	h := o.Header
	title := fmt.Sprintf("flowbed %s: %s", o.Verb, h.Environment)
	p.add(`<!doctype html>`, "\n", `<html lang="en">`, "\n<head>\n", `<meta charset="utf-8"/>`, "\n",
		`<meta name="viewport" content="width=device-width, initial-scale=1"/>`, "\n",
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>`, "\n")
	p.element("title", title)
	p.add("<style>\n", reportCSS, "</style>\n</head>\n<body>\n<main>\n")
	p.element("h1", title)
	p.result(r)
	p.facts(r)
	p.troubles(r)
	rows := timeline(r.Events)
	if len(rows) > 0 {
		p.chart(rows, r)
		p.steps(rows, r.Planned)
	}
	p.element("h2", "Plan")
	var plan strings.Builder
	if err := Plan(&plan, r.Planned, o); err != nil {
		return err
	}
	p.add(`<pre tabindex="0">`, html.EscapeString(plan.String()), "</pre>\n</main>\n</body>\n</html>\n")
	return write(w, p.String())
}

// page is a document of HTML. Its methods escape what they are given, except add.
type page struct {
	strings.Builder
	o Options
}

// add adds HTML as it is.
func (p *page) add(list ...string) {
	for _, s := range list {
		p.WriteString(s)
	}
}

// element adds an element with a text. Attributes follow the name: `td class="number"`.
func (p *page) element(tag, text string) {
	name, _, _ := strings.Cut(tag, " ")
	p.add("<", tag, ">", html.EscapeString(clean(text, true)), "</", name, ">\n")
}

// result is how the run ended, in one sentence.
func (p *page) result(r Run) {
	count := newLogger(nil, p.o)
	for _, e := range r.Events {
		count.counted(e)
	}
	class := "ok"
	if r.Outcome.Err != nil {
		class = "bad"
	}
	end := r.Outcome
	end.Elapsed, end.Warnings = r.Ended.Sub(r.Began), nil
	text := ending(p.o, count.count, end)
	if r.Outcome.Err != nil {
		text = "It failed. " + text
	}
	p.element(`p class="`+class+`"`, strings.TrimSpace(text))
}

// facts is where and when it was, and with what.
func (p *page) facts(r Run) {
	h := p.o.Header
	account := h.Account
	if h.Sandbox {
		account += " (the embedded sandbox)"
	}
	p.add("<table>\n<caption>The run</caption>\n")
	for _, f := range [][2]string{
		{"Account", account}, {"Caller", h.Caller}, {"Region", h.Region}, {"Endpoint", h.Endpoint},
		{"Began", stamp(r.Began)}, {"Ended", stamp(r.Ended)},
		{"flowbed", strings.TrimSpace(r.Build.Version + " " + r.Build.Platform)}, {"Prefect", r.Prefect},
	} {
		if f[1] == "" {
			continue
		}
		p.add("<tr>")
		p.element(`th scope="row"`, f[0])
		p.element("td", f[1])
		p.add("</tr>\n")
	}
	p.add("</table>\n")
}

// troubles are the errors with their hints, and what is still to fix.
func (p *page) troubles(r Run) {
	if errs := split(r.Outcome.Err); len(errs) > 0 {
		p.element("h2", "Errors")
		p.add("<ul>\n")
		for _, e := range errs {
			var b strings.Builder
			o := p.o
			o.error(&b, e, o.hint(e))
			text := strings.TrimPrefix(strings.TrimSpace(b.String()), "error: ")
			if hint := o.hint(e); hint != "" {
				text += "\n→ " + hint
			}
			p.element("li", text)
		}
		p.add("</ul>\n")
	}
	if len(r.Outcome.Warnings) > 0 {
		p.element("h2", "Still to fix")
		p.add("<ul>\n")
		for _, w := range r.Outcome.Warnings {
			p.element("li", w.Step+": "+w.Text)
		}
		p.add("</ul>\n")
	}
}

// steps is the chart as a table.
func (p *page) steps(rows []bar, plan provision.Plan) {
	objects := map[string]string{}
	for _, a := range plan.Actions {
		objects[a.Step] = a.Object
	}
	p.add("<table>\n<caption>Each step, in the order in which they began</caption>\n<thead><tr>")
	for _, h := range []string{"Step", "Object", "Result", "Began at", "Took", "Waited", "Retries"} {
		p.element(`th scope="col"`, h)
	}
	p.add("</tr></thead>\n<tbody>\n")
	for _, b := range rows {
		p.add("<tr>")
		p.element(`th scope="row"`, b.step)
		p.element("td", objects[b.step])
		p.element("td", b.result(p.o))
		if b.skipped() {
			p.element(`td colspan="4"`, "")
		} else {
			p.element(`td class="number"`, seconds(b.began.Sub(rows[0].began)))
			p.element(`td class="number"`, seconds(b.ended.Sub(b.began)))
			p.element(`td class="number"`, seconds(b.waited()))
			p.element(`td class="number"`, strconv.Itoa(b.retries()))
		}
		p.add("</tr>\n")
	}
	p.add("</tbody>\n</table>\n")
}
