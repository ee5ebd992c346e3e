package resource

import (
	"context"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// consoleMark starts the lines that the agent's scripts write for people.
const consoleMark = "FLOWBED: "

// explainConsole returns the marked lines of an instance's console, or else the last
// lines.
func explainConsole(ctx context.Context, api *ec2.Client, instance string) string {
	latest := true
	out, err := api.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &instance, Latest: &latest})
	if err != nil { // Xen instances, such as t2, have no latest output
		out, err = api.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &instance})
	}
	if err != nil {
		return "cannot read the console of " + instance + ": " + err.Error()
	}
	raw, err := base64.StdEncoding.DecodeString(deref(out.Output))
	if err != nil {
		raw = []byte(deref(out.Output))
	}
	lines := consoleLines(string(raw))
	if len(lines) == 0 {
		return "the console of " + instance + " is empty: EC2 updates it with a delay of some minutes"
	}
	return "the console of " + instance + " says:\n" + strings.Join(lines, "\n")
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

// consoleLines returns at most 20 lines. It returns a marked line only once: both the
// script and cloud-init may write it to the console.
func consoleLines(text string) (lines []string) {
	const most = 20
	text = redact(escapes.ReplaceAllString(strings.ReplaceAll(text, "\r", "\n"), ""))
	var tail []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if _, marked, ok := strings.Cut(line, consoleMark); ok {
			if n := max(0, len(lines)-most); !slices.Contains(lines[n:], marked) {
				lines = append(lines, marked)
			}
		} else if line != "" {
			tail = append(tail, line)
		}
	}
	if len(lines) == 0 {
		lines = tail
	}
	return lines[max(0, len(lines)-most):]
}
