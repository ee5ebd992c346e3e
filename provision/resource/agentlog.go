package resource

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/crash"
)

// The log of the agent's setup, and the systemd unit that the setup installs; see
// templates/setup.sh.
const (
	setupLog  = "/var/log/flowbed-setup.log"
	AgentUnit = "flowbed-agent.service"
)

// withoutSecrets is the end of each script that prints a log: Systems Manager keeps the
// output of commands for 30 days, so what is secret must not leave the instance. pip, for
// example, may show the URL of a package index with its password.
const withoutSecrets = ` | sed -E -e 's#(://)[^/@[:space:]]+@#\1***@#g' -e 's#\b(pn[ub]_)[[:alnum:]_-]+#\1***#g'` + "\n"

// setupScript prints the end of the setup's log.
func setupScript(lines int) string {
	return "tail -n " + strconv.Itoa(lines) + " " + setupLog + " 2>&1 | tail -c 8000" + withoutSecrets
}

// causeScript prints the end of the setup's log and, if the setup has installed the agent,
// the agent's last words in marked lines.
const causeScript = `{
  tail -n 200 ` + setupLog + ` 2>&1 | tail -c 12000
  if systemctl cat ` + AgentUnit + ` >/dev/null 2>&1; then
    journalctl --unit ` + AgentUnit + ` --lines 12 --no-pager --output cat | cut -c1-400 | sed 's/^\(FLOWBED: \)*/FLOWBED: agent: /'
  fi
}` + withoutSecrets

// journalScript prints the end of the agent's log. Systems Manager returns only the
// beginning of a long output, so the script itself limits the output.
func journalScript(lines int) string {
	return "journalctl --unit " + AgentUnit + " --lines " + strconv.Itoa(lines) + " --no-pager --output short-iso | tail -c 20000" + withoutSecrets
}

// SetupLog returns the end of the log that the agent's setup writes on the instance.
func (s Shell) SetupLog(ctx context.Context) (string, error) { return s.Run(ctx, setupScript(60)) }

// AgentLog returns the last lines of the agent's log.
func (s Shell) AgentLog(ctx context.Context, lines int) (string, error) {
	return s.Run(ctx, journalScript(lines))
}

// causeTime limits how long an error waits for the logs on the instance.
const causeTime = 30 * time.Second

// explainAgent returns why an agent does not report, as far as its instance tells: the end
// of the logs on the instance, or, if Systems Manager does not reach it, its console. It
// says which of the two it returns. EC2 updates the console of some instance types, such as
// t2, only with a delay.
func explainAgent(ctx context.Context, api *ec2.Client, systems *ssm.Client, instance string) string {
	ctx, cancel := context.WithTimeoutCause(ctx, causeTime, fmt.Errorf("no answer for %s", causeTime))
	defer cancel()
	var text, console string
	var err error
	var wg crash.Group
	wg.Go(func() { console = explainConsole(ctx, api, instance) })
	wg.Go(func() { text, err = Shell{API: systems, Instance: instance}.Run(ctx, causeScript) })
	wg.Wait()
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx)
	}
	if lines := consoleLines(text); err == nil && len(lines) > 0 {
		return "the logs on " + instance + ", over Systems Manager, say:\n" + strings.Join(lines, "\n")
	}
	if err == nil {
		err = errors.New("they are empty")
	}
	return console + "\ncannot read the logs on " + instance + ": " + withoutRequest(err)
}

// withoutRequest is an error's text without AWS's request id, which differs each time.
func withoutRequest(err error) string {
	return requestID.ReplaceAllString(err.Error(), "")
}

var requestID = regexp.MustCompile(` ?RequestID: [^,]*,`)

// redact removes from a text what may be secret: it comes from programs that flowbed does
// not control.
func redact(text string) string {
	for _, s := range secretForms {
		text = s.form.ReplaceAllString(text, s.with)
	}
	return text
}

var secretForms = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(://)[^/@\s]+@`), "${1}***@"},                                 // user and password in a URL
	{regexp.MustCompile(`\b(pn[ub]_)[0-9A-Za-z_-]+`), "${1}***"},                       // a key of Prefect Cloud
	{regexp.MustCompile(`(?i)\b((?:Bearer|Basic) )[0-9A-Za-z._~+/=-]{8,}`), "${1}***"}, // the Authorization header
}
