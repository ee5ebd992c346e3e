package resource

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// journalPoll is the time between two readings of a journal. Each is a command of Systems Manager.
const journalPoll = 5 * time.Second

// cursorLine is the last line of journalctl --show-cursor.
var cursorLine = regexp.MustCompile(`(?m)^-- cursor: ([0-9A-Za-z=;_-]+)$\n?`)

// FollowAgentLog shows the last lines of the agent's log, and then new ones, until the context
// ends or show fails. Each text has whole lines.
func (s Shell) FollowAgentLog(ctx context.Context, lines int, show func(text string) error) error {
	cursor := ""
	for {
		text, err := s.Run(ctx, followScript(lines, cursor))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if m := cursorLine.FindStringSubmatch(text); m != nil {
			cursor = m[1]
			text = cursorLine.ReplaceAllString(text, "")
		}
		text = strings.TrimSpace(strings.ReplaceAll(text, "-- No entries --", ""))
		if text != "" {
			if err := show(text); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(journalPoll):
		}
	}
}

// followScript prints the end of the agent's log, or what is new since the cursor, and the next
// cursor. The agent may not be installed yet; then there is no cursor.
func followScript(lines int, cursor string) string {
	which := "--lines " + strconv.Itoa(lines)
	if cursor != "" {
		which = "--after-cursor '" + cursor + "'"
	}
	return "journalctl --unit " + AgentUnit + " " + which + " --show-cursor --no-pager --output short-iso | tail -c 20000" + withoutSecrets
}
