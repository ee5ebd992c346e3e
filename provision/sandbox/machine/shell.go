package machine

import (
	"regexp"
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
	_, running := ec2.Running(r, id)
	return running && ec2.Reaches(r, id, "ssm."+r.Region+".amazonaws.com", 443)
}

// Shell runs a script on an instance in the call's region. It understands the scripts
// that restart the agent and that show its journal.
func Shell(r *core.Request, id, script string) (output string, code int) {
	h, ok := hostOf(r, id)
	restarts, reads := strings.Contains(script, "systemctl restart "+agentUnit), strings.Contains(script, "journalctl --unit "+agentUnit)
	n := 10
	if m := lines.FindStringSubmatch(script); m != nil {
		n, _ = strconv.Atoi(m[1]) // the pattern allows only digits
	}
	switch {
	case !restarts && !reads:
		return "the sandbox cannot run this script", 127
	case !ok && restarts:
		return "Failed to restart " + agentUnit + ": Unit " + agentUnit + " not found.", 1
	case !ok:
		return "-- No entries --", 0
	case restarts:
		return h.restart(script, n)
	}
	return h.shown(n), 0
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
