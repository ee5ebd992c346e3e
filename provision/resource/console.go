package resource

import (
	"context"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// consoleMark begins what the agent's scripts want a person to read.
const consoleMark = "FLOWBED: "

// explainConsole is what an instance has said about its setup: the marked lines
// of its console, or else the last ones.
func explainConsole(ctx context.Context, api *ec2.Client, instance string) string {
	latest := true
	out, err := api.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &instance, Latest: &latest})
	if err != nil { // Xen instances, such as t2, have no latest output
		out, err = api.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &instance})
	}
	if err != nil {
		return "the console of " + instance + " cannot be read: " + err.Error()
	}
	raw, err := base64.StdEncoding.DecodeString(deref(out.Output))
	if err != nil {
		raw = []byte(deref(out.Output))
	}
	lines := consoleLines(string(raw))
	if len(lines) == 0 {
		return "the console of " + instance + " is empty: EC2 shows it some minutes late"
	}
	return "the console of " + instance + " says:\n" + strings.Join(lines, "\n")
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

// consoleLines picks at most 20 lines: marked ones once each, although the
// console may show them twice, by the script and by cloud-init.
func consoleLines(text string) (lines []string) {
	const most = 20
	text = escapes.ReplaceAllString(strings.ReplaceAll(text, "\r", "\n"), "")
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
