// Package machine is what runs on the sandbox's instances: flowbed's user data, which
// installs an agent, and the agent itself.
//
// It reads the same user data that EC2 would get, and does what a machine would do with
// it: it reads the API's secret as the instance's role, calls Prefect's API, and writes
// to the console. It asks ec2 for the instances and their network, iam for their role,
// and prefectapi as an agent would. Other user data it ignores.
package machine

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

// part holds the computers of a region by the ids of their instances. They are not
// objects of the account, so the inventory omits them.
var part = core.Regional("machines",
	func(string) *map[string]*computer { return new(map[string]*computer) },
	func(*core.Request, *map[string]*computer) any { return nil })

// computer is the state of an instance's software.
type computer struct {
	Booted    time.Time `json:"booted,omitzero"` // when the current boot began; zero if it is off
	Phase     phase     `json:"phase"`
	Due       time.Time `json:"due,omitzero"`      // when its next step is due
	Installed bool      `json:"installed"`         // the setup has ended
	Started   time.Time `json:"started,omitzero"`  // when the agent started
	Online    bool      `json:"online"`            // the agent has reported to Prefect since then
	Deadline  time.Time `json:"deadline,omitzero"` // when the instance shuts itself down; zero for never
	Tries     int       `json:"tries"`             // how often the current phase has failed
	Journal   []entry   `json:"journal,omitempty"`
	Setup     []string  `json:"setup,omitempty"` // the lines of the setup's log
}

// phase is what a computer does.
type phase string

const (
	off        phase = "off"
	installing phase = "installing"
	starting   phase = "starting" // systemd starts the agent when it is due
	running    phase = "running"  // the agent runs, and calls Prefect when it is due
)

func init() { core.AsTimePasses(catchUp) }

// catchUp lets all computers do what is due.
func catchUp(r *core.Request) {
	for _, m := range ec2.Machines(r) {
		s, err := understood(r, m.UserData)
		if s == nil && err == nil {
			continue
		}
		h := host{Request: r.In(m.Region), machine: m, script: s}
		h.computer = h.find()
		switch {
		case m.State == "terminated":
			delete(*part.In(h.Request), m.ID)
		case m.State == "pending":
		case m.State != "running":
			h.Phase, h.Booted, h.Due = off, time.Time{}, time.Time{}
		case err != nil:
			h.puzzled(err)
		default:
			h.run()
		}
	}
}

// scripts holds the scripts that were parsed, by their text.
var scripts = new(core.Memory[map[string]parsed])

type parsed struct {
	*script
	err error
}

func understood(r *core.Request, text string) (*script, error) {
	known := scripts.Of(r)
	if *known == nil {
		*known = map[string]parsed{}
	}
	p, ok := (*known)[text]
	if !ok {
		p.script, p.err = parse(text)
		(*known)[text] = p
	}
	return p.script, p.err
}

// host is a running instance with its software, or a container.
type host struct {
	*core.Request
	machine ec2.Machine
	*computer
	*script

	container *Container // that runs the agent in place of an instance; nil for an instance
}

// reaches reports whether a program of the host reaches a port of a host: through the proxy,
// if there is one, unless the host is an exception. A proxy reaches everything.
func (h host) reaches(name string, port int) bool {
	if h.script == nil || h.Proxy == "" || h.isDirect(name) {
		return h.connects(name, port)
	}
	u, err := url.Parse(h.Proxy)
	return err == nil && h.connects(u.Hostname(), portOf(u))
}

// reachesURL reports the same for a URL.
func (h host) reachesURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && h.reaches(u.Hostname(), portOf(u))
}

func portOf(u *url.URL) int {
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return port
	}
	return map[string]int{"http": 80, "https": 443}[u.Scheme]
}

func (h host) isDirect(name string) bool {
	return slices.ContainsFunc(h.Direct, func(e string) bool {
		return e == name || e == "*" || strings.HasSuffix(name, "."+strings.TrimPrefix(e, "."))
	})
}

// find returns the computer of the instance, which is new at its first boot.
func (h host) find() *computer {
	all := part.In(h.Request)
	if *all == nil {
		*all = map[string]*computer{}
	}
	if (*all)[h.id()] == nil {
		(*all)[h.id()] = &computer{Phase: off}
	}
	return (*all)[h.id()]
}

// name is the agent's name in Prefect.
func (h host) name() string { return h.Env + "-" + h.id() }

func (h host) id() string {
	if h.container != nil {
		return h.container.Task
	}
	return h.machine.ID
}

// session is the identity with which the agent calls AWS.
func (h host) session() (core.Identity, bool) {
	if h.container != nil {
		return iam.TaskSession(h.Request, h.container.Role, h.container.Task)
	}
	return iam.Session(h.Request, h.machine.Profile, h.machine.ID)
}

// connects reports whether the instance or the container can connect to a port of a host.
func (h host) connects(host string, port int) bool {
	if h.container != nil {
		return h.container.Reaches(host, port)
	}
	return ec2.Reaches(h.Request, h.machine.ID, host, port)
}

// say writes a marked line to the console.
func (h host) say(at time.Time, format string, args ...any) {
	ec2.Print(h.Request, h.machine.ID, at, "FLOWBED: "+fmt.Sprintf(format, args...)+"\n")
}

// past limits how far back a computer repeats what it does again and again, such as a
// heartbeat.
const past = 10 * time.Minute

// run does everything that is due.
func (h host) run() {
	if !h.Booted.Equal(h.machine.Since) {
		h.boot()
	}
	until := h.Now
	expired := !h.Deadline.IsZero() && !h.Deadline.After(h.Now)
	if expired {
		until = h.Deadline
	}
	repeats := h.Phase == running || h.Tries > 0
	if late := until.Sub(h.Due) - past; repeats && late > 0 {
		h.Due = h.Due.Add(late.Truncate(time.Minute)) // a whole number of all intervals
	}
	for !h.Due.After(until) {
		h.step(h.Due)
	}
	if h.Phase == running && h.Online && h.worker() && !expired {
		h.takeRuns()
	}
	if expired {
		r := *h.Request
		r.Now = until
		ec2.PowerOff(&r, h.machine.ID)
		h.Phase, h.Booted = off, time.Time{}
	}
}

// puzzled says once that the sandbox does not understand the user data.
func (h host) puzzled(err error) {
	if h.Tries == 0 {
		h.Tries++
		h.say(h.machine.Since, "FAILED: the sandbox: %v", err)
	}
}

func (h host) boot() {
	if h.TTL > 0 && h.Deadline.IsZero() {
		h.Deadline = h.machine.Since.Add(h.TTL)
	}
	h.Booted, h.Tries = h.machine.Since, 0
	if h.Installed {
		h.Phase, h.Due = starting, h.machine.Since
		return
	}
	h.begin(h.machine.Since)
}

// step does what is due at a time, and sets when the next step is due.
func (h host) step(at time.Time) {
	switch h.Phase {
	case installing:
		h.install(at)
	case starting:
		h.start(at)
	default:
		h.report(at)
	}
}
