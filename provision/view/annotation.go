package view

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Annotation is a message that a CI system shows beside the code.
type Annotation struct {
	Severity     string // "error" or "warning"
	Title        string
	Text         string
	File         string // relative to the root of the repository; may be empty
	Line, Column int    // from 1; 0 if they are not known
}

// Annotations are the messages that [Error] writes, one for each of the joined errors.
func Annotations(err error, o Options) (list []Annotation) {
	for _, e := range split(err) {
		hint := o.hint(e)
		text := withoutHint(o.message(e), hint)
		if hint != "" {
			text += "\n→ " + hint
		}
		list = append(list, Annotation{Severity: "error", Text: text})
	}
	return list
}

// Annotate writes annotations as the commands that GitHub's runner takes from the output of a
// step. https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
//
// What is escaped here is out of reach for whoever looks for secrets in the output.
func Annotate(w io.Writer, list []Annotation) error {
	var b strings.Builder
	for _, a := range list {
		var at []string
		add := func(name, value string) {
			if value != "" && value != "0" {
				at = append(at, name+"="+property.Replace(clean(value, false)))
			}
		}
		add("file", a.File)
		add("line", fmt.Sprint(a.Line))
		add("col", fmt.Sprint(a.Column))
		add("title", a.Title)
		where := strings.Join(at, ",")
		if where != "" {
			where = " " + where
		}
		fmt.Fprintf(&b, "::%s%s::%s\n", a.Severity, where, data.Replace(clean(a.Text, true)))
	}
	return write(w, b.String())
}

// What GitHub's toolkit escapes: https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
var (
	data     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// WithoutCommands is a text of which GitHub's runner takes no line for one of its commands, which it finds
// at the beginning of a line, or anywhere in the older form.
// https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
func WithoutCommands(text string) string {
	return runnerCommand.ReplaceAllStringFunc(text, escapeCommand)
}

var runnerCommand = regexp.MustCompile(`(?m)^\s*::|##\[`)

// escapeCommand writes the first sign of a command as clean writes a control character.
func escapeCommand(found string) string {
	if old, ok := strings.CutPrefix(found, "#"); ok {
		return `\x23` + old
	}
	blank, _ := strings.CutSuffix(found, "::")
	return blank + `\x3a:`
}

// NewTally shows nothing of a run but its summary.
func NewTally(w io.Writer, o Options) Progress { return counter{newLogger(w, o)} }

type counter struct{ *logger }

// Notify implements Progress.
func (c counter) Notify(e provision.Event) { c.counted(e) }
