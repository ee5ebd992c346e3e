package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/view"
)

// In GitHub Actions, the program itself marks errors, writes the summary of plan, up and down, and
// sets the step's outputs, so that it makes no difference whether the action or a line of a script
// runs it. The action adds only what the program cannot know: the exit code and its version.

// onGitHub reports whether GitHub's runner, or one that plays it, runs the program.
func onGitHub() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

// job is what a command tells the runner when it has ended. A nil job tells nothing.
type job struct {
	a       *app
	command string
	header  view.Header
	plan    bytes.Buffer // as text
	changes *bool        // of plan
	ending  bytes.Buffer // of up and down
	count   view.Progress
	outputs []view.Output // of up
}

// newJob returns the job of a command; nil if the command has none.
func (a *app) newJob(command string) *job {
	if !onGitHub() || !slices.Contains([]string{"plan", "up", "down"}, command) {
		return nil
	}
	return &job{a: a, command: command}
}

// planned is called with each plan that is shown. The last one counts.
func (j *job) planned(s *session, verb string, p provision.Plan) {
	if j == nil {
		return
	}
	j.plan.Reset()
	j.header = s.header
	_ = view.Plan(&j.plan, p, view.Options{Verb: verb, Header: s.header, Full: j.a.verbose}) // a buffer takes everything
	if j.command == "plan" {
		j.changes = new(!p.Empty())
	}
}

// watch counts the steps of a run beside the view that shows them.
func (j *job) watch(verb string, notify func(provision.Event)) func(provision.Event) {
	if j == nil {
		return notify
	}
	j.count = view.NewTally(&j.ending, view.Options{Verb: verb})
	return func(e provision.Event) {
		j.count.Notify(e)
		notify(e)
	}
}

// ended is called at the end of a run. ran means that it made changes.
func (j *job) ended(s *session, verb string, ran bool, o view.Outcome) {
	if j == nil {
		return
	}
	if ran {
		_ = j.count.Done(o)
	}
	if verb == "up" && o.Err == nil {
		j.outputs = s.outputs()
	}
}

// finish writes the summary and the outputs. If that fails, the command has not failed.
func (j *job) finish(err error) {
	if j == nil {
		return
	}
	if path := os.Getenv("GITHUB_STEP_SUMMARY"); path != "" {
		j.write(path, j.summary(err))
	}
	if path := os.Getenv("GITHUB_OUTPUT"); path != "" {
		j.write(path, j.setOutputs(err))
	}
}

func (j *job) write(path, text string) {
	if text == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = io.WriteString(j.a.guarded(f), text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		j.a.say("Cannot write to the file for GitHub: %v.", err)
	}
}

// summary is the text for the summary of the job, in Markdown.
func (j *job) summary(err error) string {
	title := "### flowbed " + j.command
	if name := firstOf(j.header.Environment, j.a.env); name != "" {
		title += ": " + name
	}
	text := title + "\n\n" + inFence(j.plan.String()) + inFence(j.ending.String())
	if failed := j.a.errorText(err); failed != "" {
		text += "**Failed:**\n\n" + inFence(failed)
	}
	return text
}

// mostSummary is the longest text in a fence. GitHub takes 1 MiB of a step.
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
const mostSummary = 300_000

// inFence puts a text into a fence that is longer than any in the text; no text stays empty.
func inFence(text string) string {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return ""
	}
	more := ""
	if len(text) > mostSummary {
		cut := mostSummary
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text, more = text[:cut], "The rest is in the log of the job.\n\n"
	}
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "text\n" + text + "\n" + fence + "\n\n" + more
}

// setOutputs are the outputs of the step: changes after plan, and outputs after up.
func (j *job) setOutputs(err error) string {
	text := ""
	set := func(name, value string) {
		end := "end-" + rand.Text() // no value has it
		text += fmt.Sprintf("%s<<%s\n%s\n%s\n", name, end, strings.TrimRight(value, "\n"), end)
	}
	if code := exitCode(err); j.changes != nil && (code == exitOK || code == exitChanges) {
		set("changes", fmt.Sprint(*j.changes))
	}
	if j.outputs != nil && err == nil {
		var b bytes.Buffer
		_ = view.OutputsJSON(&b, j.header, j.outputs)
		set("outputs", b.String())
	}
	return text
}

// errorText is what report prints, without color and without line breaks.
func (a *app) errorText(err error) string {
	var b bytes.Buffer
	if c, ok := errors.AsType[coded](err); err == nil || ok && c.err == nil {
		return ""
	}
	if e, ok := errors.AsType[*spec.Error](err); ok {
		_ = e.WriteTo(&b, 0, false)
	} else {
		_ = view.Error(&b, onceInterrupted(err), view.Options{Hint: a.hint})
	}
	return b.String()
}

// annotate marks the errors of a command on GitHub.
func (a *app) annotate(err error) {
	if !onGitHub() {
		return
	}
	if e, ok := errors.AsType[*spec.Error](err); ok {
		a.annotateFile(e.Problems())
		return
	}
	a.mark(view.Annotations(onceInterrupted(err), view.Options{Hint: a.hint}))
}

// annotateFile marks the lines of the config file that have mistakes.
func (a *app) annotateFile(list []spec.Problem) {
	var marks []view.Annotation
	for _, p := range list {
		m := view.Annotation{Severity: p.Severity, Title: p.Summary, Text: p.Detail, File: inRepository(p.File), Line: p.Line, Column: p.Column}
		if p.Hint != "" {
			m.Text += "\n→ " + p.Hint
		}
		marks = append(marks, m)
	}
	a.mark(marks)
}

// mark writes annotations. The guard looks at the texts before they are escaped: afterwards, it
// would not know a secret with a percent sign.
func (a *app) mark(list []view.Annotation) {
	for i := range list {
		list[i].Title, list[i].Text = a.scrubbed(firstOf(list[i].Title, "flowbed")), a.scrubbed(list[i].Text)
	}
	_ = view.Annotate(a.err.commands(), list)
}

// disarmed is a stream on GitHub: what others have written, such as the log of an agent's setup, gives
// the runner no commands.
type disarmed struct{ io.Writer }

func (d disarmed) Write(p []byte) (int, error) {
	if _, err := io.WriteString(d.Writer, view.WithoutCommands(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// disarm returns a writer for texts that may come from others.
func disarm(w io.Writer) io.Writer {
	if onGitHub() {
		return disarmed{w}
	}
	return w
}

// scrubbed is a text without secrets.
func (a *app) scrubbed(text string) string {
	var b bytes.Buffer
	_, _ = io.WriteString(a.guarded(&b), text) // a buffer takes everything
	return b.String()
}

// inRepository is the path of a file from the root of the repository, which is what GitHub
// knows; the path as it is if the file is elsewhere.
func inRepository(path string) string {
	root := os.Getenv("GITHUB_WORKSPACE")
	if path == "" || root == "" {
		return path
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if inside, err := filepath.Rel(root, whole); err == nil && filepath.IsLocal(inside) {
		return filepath.ToSlash(inside)
	}
	return path
}
