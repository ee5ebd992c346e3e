package view

import (
	"io"
	"strings"

	"github.com/flowbed/flowbed/provision/cost"
)

// Check is one finding of the doctor.
type Check struct {
	Check  string `json:"check"`
	Status string `json:"status" schema:"ok|warn|fail"`
	Text   string `json:"text"`
	Todo   string `json:"todo,omitempty"` // what the user can do
}

var statuses = map[string]style{"ok": green, "warn": yellow, "fail": red}

type jsonCheckup struct {
	FormatVersion string     `json:"format_version" schema:"2"`
	Type          string     `json:"type" schema:"doctor"`
	Header        jsonHeader `json:"header"`
	Checks        []Check    `json:"checks"`
	Summary       checkTally `json:"summary"`
	Cost          *jsonCost  `json:"cost,omitempty"` // after up; none if that is not known
}

type checkTally struct {
	OK   int `json:"ok"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
}

func tallyChecks(list []Check) (t checkTally) {
	for _, c := range list {
		switch c.Status {
		case "ok":
			t.OK++
		case "warn":
			t.Warn++
		default:
			t.Fail++
		}
	}
	return t
}

// Checkup writes the findings, one below the other, and their count.
func Checkup(w io.Writer, list []Check, o Options) error {
	var b strings.Builder
	o.header(&b)
	width := 0
	for _, c := range list {
		width = max(width, cells(c.Check))
	}
	for _, c := range list {
		text := clean(c.Text, false)
		if c.Todo != "" {
			text += " → " + clean(c.Todo, false)
		}
		first := pad(c.Status, 4) + "  " + pad(c.Check, width) + "  "
		var line strings.Builder
		o.fit(&line, first, text)
		b.WriteString(o.paint(c.Status, statuses[c.Status], bold) + strings.TrimPrefix(line.String(), c.Status))
	}
	t := tallyChecks(list)
	b.WriteString("\n" + plural(t.Fail, "failure", "failures") + ", " + plural(t.Warn, "warning", "warnings") + ", " + plural(t.OK, "check", "checks") + " ok.\n")
	o.cost(&b, o.Cost)
	return write(w, b.String())
}

// CheckupJSON writes the findings as one JSON document. The estimate may be nil.
func CheckupJSON(w io.Writer, h Header, list []Check, e *cost.Estimate) error {
	if list == nil {
		list = []Check{}
	}
	return document(w, jsonCheckup{FormatVersion, "doctor", jsonHeader(h), list, tallyChecks(list), costJSON(e)})
}
