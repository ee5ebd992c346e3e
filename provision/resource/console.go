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
	text, err := consoleText(ctx, api, &ec2.GetConsoleOutputInput{InstanceId: &instance, Latest: new(true)})
	if err != nil { // Xen instances, such as t2, have no latest output
		text, err = consoleText(ctx, api, &ec2.GetConsoleOutputInput{InstanceId: &instance})
	}
	if err != nil {
		return "cannot read the console of " + instance + ": " + withoutRequest(err)
	}
	lines := consoleLines(text)
	if len(lines) == 0 {
		return "the console of " + instance + " is empty: EC2 updates it with a delay of some minutes"
	}
	return "the console of " + instance + " says:\n" + strings.Join(lines, "\n")
}

// consoleText returns the output of an instance's console.
func consoleText(ctx context.Context, api *ec2.Client, in *ec2.GetConsoleOutputInput) (string, error) {
	out, err := api.GetConsoleOutput(ctx, in)
	if err != nil {
		return "", err
	}
	raw, err := base64.StdEncoding.DecodeString(deref(out.Output))
	if err != nil {
		return deref(out.Output), nil //nolint:nilerr // an emulator does not encode it
	}
	return string(raw), nil
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
