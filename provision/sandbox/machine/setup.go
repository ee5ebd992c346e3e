package machine

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/prefect"
)

// setupPause is how long after a failure the setup runs again.
const setupPause = 2 * time.Minute

// begin begins the setup.
func (h host) begin(at time.Time) {
	h.Phase, h.Due = installing, at.Add(h.Account.SetupTime)
	if h.TTL > 0 {
		h.tell(at, "step: deadline")
		h.tell(at, "ends itself at %s", h.Deadline.UTC().Format(time.RFC3339))
	}
	if h.Proxy != "" {
		h.tell(at, "step: proxy")
	}
	if h.Own == "" {
		h.tell(at, "step: swap")
	}
}

// tell writes a marked line to the console and to the setup's log.
func (h host) tell(at time.Time, format string, args ...any) {
	h.say(at, format, args...)
	h.logged("FLOWBED: " + fmt.Sprintf(format, args...))
}

// logged adds a line to the setup's log.
func (h host) logged(line string) {
	h.Setup = append(h.Setup, line)
	h.Setup = h.Setup[max(0, len(h.Setup)-maxJournal):]
}

// failure is why a step of the setup fails.
type failure struct {
	reason string
	lines  []string // that the step writes before
	log    []string // the end of the setup's log
}

// install ends the setup.
func (h host) install(at time.Time) {
	if h.Own != "" {
		h.tell(at, "step: setup")
		if f := h.wrong("setup"); f != nil {
			h.failed(at, "setup", *f)
			return
		}
		h.tell(at, "step: swap")
	}
	for _, step := range []string{"name", "python", "prefect"} {
		h.tell(at, "step: %s", step)
		if f := h.wrong(step); f != nil {
			h.failed(at, step, *f)
			return
		}
	}
	h.tell(at, "step: files")
	h.tell(at, "step: start")
	h.tell(at, "done: %s starts", h.name())
	h.Installed, h.Tries, h.Phase, h.Due = true, 0, starting, at
}

func (h host) failed(at time.Time, step string, f failure) {
	for _, line := range f.lines {
		h.tell(at, "%s", line)
	}
	for _, line := range f.log {
		h.logged(line)
	}
	h.tell(at, "FAILED: %s: %s", step, f.reason)
	for _, line := range f.log {
		h.tell(at, "| %s", line)
	}
	kind := setupFatal.of(f.reason, f.log)
	if step == "setup" { // the script may still end well, if it has failed only once
		if kind = ""; h.Tries > 0 {
			kind = "setup: " + f.reason
		}
	}
	if kind != "" {
		h.tell(at, forGood, kind, at.UTC().Format(time.RFC3339))
	}
	h.tell(at, "again in 2 minutes")
	h.Tries++
	h.Due = at.Add(setupPause + h.Account.SetupTime)
}

// forGood marks what no retry helps against.
const forGood = "FATAL: %s: no retry will help (%s)"

// patterns are words by which a script knows that something fails for good; see fatal in
// setup.sh, and report.sh.
type patterns []struct{ word, kind string }

var (
	setupFatal = patterns{
		{"No space left on device", "disk"},
		{"requirement prefect", "version"}, {"(from versions: 0", "packages"}, {"ResolutionImpossible", "packages"},
		{"Unable to find a match", "python"}, {"no Python", "python"},
	}
	agentFatal = patterns{{"401 Unauthorized", "key"}, {"403 Forbidden", "key"}, {"AuthorizationError", "key"}}
)

// of returns the kind of failure for good; empty if it is none.
func (p patterns) of(reason string, lines []string) string {
	text := strings.Join(append(lines, reason), "\n")
	for _, c := range p {
		if strings.Contains(text, c.word) {
			return c.kind
		}
	}
	return ""
}

// repository is the host of Amazon Linux's packages: a bucket in the region.
// https://docs.aws.amazon.com/linux/al2023/ug/managing-repos-os-updates.html
func (h host) repository() string {
	return "al2023-repos-" + h.Region + "-de612dc2.s3.dualstack." + h.Region + ".amazonaws.com"
}

// wrong returns why a step fails, or nil.
func (h host) wrong(step string) *failure {
	switch {
	case step == "setup":
		return h.runOwn()
	case h.Account.SetupFails == step && h.Account.SetupSays != "":
		return &failure{reason: "python failed 5 times", lines: tried(step, "python"), log: []string{h.Account.SetupSays}}
	case h.Account.SetupFails == step:
		return &failure{reason: "exit status 1"}
	case step == "name" && !h.machine.Metadata:
		return &failure{reason: "exit status 22", log: []string{"curl: (22) The requested URL returned error: 403"}}
	case step == "python" && !h.reaches(h.repository(), 443):
		return &failure{
			reason: "dnf failed 5 times", lines: tried(step, "dnf"),
			log: []string{"Error: Failed to download metadata for repo 'amazonlinux': Cannot download repomd.xml: Curl error (28): Timeout was reached"},
		}
	case step == "prefect" && !h.reachesURL(cmp.Or(h.Index, "https://pypi.org/simple")):
		lines := append([]string{"again: prefect: with the newest packages"}, tried("prefect", "python")...)
		return &failure{reason: "python failed 5 times", lines: lines, log: []string{
			"WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'ConnectTimeoutError'",
			"ERROR: No matching distribution found for prefect[aws]==" + h.Prefect + " (from versions: none)",
		}}
	case step == "prefect":
		return h.unreleased()
	}
	return nil
}

// runOwn runs the user's script, and returns why it fails, or nil. The sandbox understands
// lines with echo and a text, and with exit; it ignores other lines.
func (h host) runOwn() *failure {
	var log []string
	for line := range strings.Lines(h.Own) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "echo "); ok {
			log = append(log, strings.Trim(text, `'"`))
		}
		code, ok := strings.CutPrefix(line, "exit ")
		if ok && code == "0" {
			break
		}
		if ok {
			return &failure{reason: "exit status " + code, log: log}
		}
	}
	for _, line := range log {
		h.logged(line)
	}
	return nil
}

// unreleased returns why pip cannot install the version of Prefect, or nil. The sandbox
// knows only the releases that flowbed knows.
func (h host) unreleased() *failure {
	v, err := prefect.ParseVersion(h.Prefect)
	if err == nil && v.Released() {
		return nil
	}
	return &failure{
		reason: "python failed 5 times", lines: append([]string{"again: prefect: with the newest packages"}, tried("prefect", "python")...),
		log: []string{
			"ERROR: Could not find a version that satisfies the requirement prefect[aws]==" + h.Prefect + " (from versions: 0.2.0, …, " + prefect.Latest() + ")",
			"ERROR: No matching distribution found for prefect[aws]==" + h.Prefect,
		},
	}
}

// tried returns the lines of a program that the setup runs up to five times.
func tried(step, program string) (lines []string) {
	for _, n := range strings.Fields("1 2 3 4") {
		lines = append(lines, "again: "+step+": "+program+" failed "+n+" of 5 times")
	}
	return lines
}
