package machine

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
)

const agentUnit = "flowbed-agent.service"

var lines = regexp.MustCompile(`--lines (\d+)`)

// Runs reports whether an instance in the call's region runs, and reaches Systems
// Manager's endpoint.
func Runs(r *core.Request, id string) bool {
	if _, running := ec2.Running(r, id); !running {
		return false
	}
	h, _ := hostOf(r, id)
	h.Request, h.machine.ID = r, id // also of an instance with other user data
	return h.reaches("ssm."+r.Region+".amazonaws.com", 443)
}

// Shell runs a script on an instance in the call's region. It understands the scripts
// that restart the agent, and that show its journal or the setup's log.
func Shell(r *core.Request, id, script string) (output string, code int) {
	h, ok := hostOf(r, id)
	restarts, reads := strings.Contains(script, "systemctl restart "+agentUnit), strings.Contains(script, "journalctl --unit "+agentUnit)
	n := 10
	if m := lines.FindStringSubmatch(script); m != nil {
		n, _ = strconv.Atoi(m[1]) // the pattern allows only digits
	}
	setup := setupTail.FindStringSubmatch(script)
	switch {
	case setup != nil:
		return h.setupLog(setup[1], reads && ok, n), 0
	case !restarts && !reads:
		return "the sandbox cannot run this script", 127
	case !ok && restarts:
		return "Failed to restart " + agentUnit + ": Unit " + agentUnit + " not found.", 1
	case !ok:
		return "-- No entries --", 0
	case restarts:
		return h.restart(script, n)
	}
	if m := afterCursor.FindStringSubmatch(script); m != nil {
		n = h.since(m[1])
	}
	text := h.shown(n)
	if strings.Contains(script, "--show-cursor") && len(h.Journal) > 0 {
		text += "-- cursor: t=" + strconv.FormatInt(h.Journal[len(h.Journal)-1].At.UnixNano(), 16) + "\n"
	}
	return text, 0
}

// afterCursor is the cursor after which a script shows the journal. Those of journald have more
// in them.
var afterCursor = regexp.MustCompile(`--after-cursor 't=([0-9a-f]+)'`)

// since counts the lines of the journal that are newer than a cursor.
func (h host) since(cursor string) (n int) {
	at, _ := strconv.ParseInt(cursor, 16, 64) // the pattern allows only digits
	for _, e := range h.Journal {
		if e.At.UnixNano() > at {
			n++
		}
	}
	return n
}

var setupTail = regexp.MustCompile(`tail -n (\d+) /var/log/flowbed-setup\.log`)

// setupLog shows the end of the setup's log and, if the script asks for it, the end of the
// journal in marked lines.
func (h host) setupLog(count string, journal bool, n int) string {
	if h.computer == nil || len(h.Setup) == 0 {
		return "tail: cannot open '/var/log/flowbed-setup.log' for reading: No such file or directory"
	}
	most, _ := strconv.Atoi(count) // the pattern allows only digits
	list := slices.Clone(h.Setup[max(0, len(h.Setup)-most):])
	if journal {
		for _, e := range h.last(n) {
			list = append(list, "FLOWBED: agent: "+strings.TrimPrefix(e.Text, "FLOWBED: "))
		}
	}
	return strings.Join(list, "\n") + "\n"
}

// hostOf returns an instance on which the agent is installed.
func hostOf(r *core.Request, id string) (h host, ok bool) {
	for _, m := range ec2.Machines(r) {
		if m.ID != id || m.Region != r.Region {
			continue
		}
		s, err := understood(r, m.UserData)
		if s == nil || err != nil {
			return h, false
		}
		h = host{Request: r, machine: m, script: s}
		h.computer = h.find()
		return h, h.Installed
	}
	return h, false
}

var echo = regexp.MustCompile(`(?m)^\s*echo '(.*)'$`)

// restart restarts the agent. If it ends again, the script says so with its own words,
// and shows the end of the journal.
func (h host) restart(script string, n int) (string, int) {
	h.log(h.Now, "systemd[1]", "Stopping "+agentUnit+"...")
	h.Tries = 0
	h.start(h.Now)
	if h.Phase == running {
		return "", 0
	}
	var b strings.Builder
	if m := echo.FindStringSubmatch(script); m != nil {
		b.WriteString(m[1] + "\n")
	}
	for _, e := range h.last(n) {
		b.WriteString(e.Text + "\n")
	}
	return b.String(), 1
}
