package machine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// entry is one line of the agent's journal.
type entry struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"` // program and process
	Text string    `json:"text"`
}

// maxJournal is how many lines the sandbox keeps.
const maxJournal = 200

func (h host) log(at time.Time, by, text string) {
	h.Journal = append(h.Journal, entry{at.UTC(), by, text})
	if n := len(h.Journal) - maxJournal; n > 0 {
		h.Journal = h.Journal[n:]
	}
}

// prints adds a line that the agent itself prints.
func (h host) prints(at time.Time, text string) {
	if h.container != nil {
		h.container.Print(at, text)
		return
	}
	h.log(at, "prefect["+h.pid()+"]", text)
}

// pid is the process of the agent, which is another one after each start.
func (h host) pid() string { return strconv.Itoa(2000 + int(h.Started.Unix()%30000)) }

// last returns the last lines of the journal.
func (c *computer) last(n int) []entry { return c.Journal[max(0, len(c.Journal)-n):] }

// shown returns the last lines as journalctl --output short-iso prints them.
func (h host) shown(n int) string {
	if len(h.Journal) == 0 || n == 0 {
		return "-- No entries --\n"
	}
	var b strings.Builder
	for _, e := range h.last(n) {
		fmt.Fprintf(&b, "%s ip-%s %s: %s\n", e.At.Format("2006-01-02T15:04:05-0700"), strings.ReplaceAll(h.machine.Address, ".", "-"), e.By, e.Text)
	}
	return b.String()
}
