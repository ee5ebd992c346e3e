package templates

import (
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxUserData is EC2's limit for user data, in bytes before encoding.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
const MaxUserData = 16384

//go:embed *.sh *.service *.py *.txt *.yaml
var files embed.FS

const caFile = "/etc/flowbed/ca.pem"

// setting is one line of the service's environment.
type setting struct{ name, value string }

// named is a value with the words in which an error speaks of it.
type named struct{ what, value string }

// file is written by the script.
type file struct{ path, mode, content string }

// script is what differs between the kinds of agents.
type script struct {
	python, install     string // parts of the script
	command             string // of prefect, for the unit
	env                 []setting
	parameter, variable string
	ca                  string
	files               []file
	finish              string  // lines of the script after the files
	values              []named // from outside, to be checked
	ttl                 time.Duration
}

func setup(p Place, s script) (string, error) {
	var errs []error
	for _, v := range append(s.values, named{"region", p.Region}, named{"parameter", s.parameter}) {
		errs = append(errs, plain(v.what, v.value))
	}
	if (s.parameter == "") != (s.variable == "") {
		errs = append(errs, errors.New("a parameter and its variable belong together"))
	}
	if err := errors.Join(errs...); err != nil {
		return "", fmt.Errorf("write user data: %w", err)
	}
	list, err := s.list(p)
	if err != nil {
		return "", err
	}
	written, err := writeFiles(list)
	if err != nil {
		return "", fmt.Errorf("write user data: %w", err)
	}
	deadline, err := s.deadline()
	if err != nil {
		return "", err
	}
	out, err := text("setup.sh", map[string]string{
		"deadline": deadline,
		"env":      p.Env, "env_quoted": shellQuote(p.Env), "python": s.python, "install": s.install, "files": written + s.finish,
	})
	if err != nil {
		return "", err
	}
	if len(out) > MaxUserData {
		return "", fmt.Errorf("write user data: %d bytes, and EC2 takes %d at most", len(out), MaxUserData)
	}
	return out, nil
}

// deadline is the part of the script that lets the instance end itself. It says
// how long that is, and no moment: the script must be the same in every run.
func (s script) deadline() (string, error) {
	if s.ttl <= 0 {
		return "", nil
	}
	return text("deadline.sh", map[string]string{"ttl": s.ttl.String(), "seconds": strconv.Itoa(int(s.ttl / time.Second))})
}

// list is the files of the agent.
func (s script) list(p Place) ([]file, error) {
	env := append([]setting{
		// boto takes no region from the instance, and reads this variable only.
		{"AWS_DEFAULT_REGION", p.Region},
		{"AWS_RETRY_MODE", "adaptive"},
		{"AWS_MAX_ATTEMPTS", "10"},
		{"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "5"},
	}, s.env...)
	var lines strings.Builder
	for _, e := range env {
		lines.WriteString(e.name + "=" + envQuote(e.value) + "\n")
	}
	report, err := text("report.sh", nil)
	if err != nil {
		return nil, err
	}
	unit, err := text("agent.service", map[string]string{
		"env": unitText(p.Env), "command": s.command, "secret": secretLines(s.parameter),
	})
	if err != nil {
		return nil, err
	}
	list := append([]file{
		{"/etc/flowbed/agent.env", "0644", lines.String()},
		{"/opt/flowbed/bin/report", "0755", report},
		{"/etc/systemd/system/flowbed-agent.service", "0644", unit},
	}, s.files...)
	if s.parameter != "" {
		fetch, err := text("fetch_secret.py", map[string]string{
			"parameter": codeQuote(s.parameter), "variable": codeQuote(s.variable),
		})
		if err != nil {
			return nil, err
		}
		list = append(list, file{"/opt/flowbed/bin/fetch-secret", "0755", fetch})
	}
	if s.ca != "" {
		if !strings.Contains(s.ca, "-----BEGIN CERTIFICATE-----") || strings.Contains(s.ca, "PRIVATE KEY-----") {
			return nil, errors.New("write user data: the CA file must be certificates in PEM, and nothing else")
		}
		list = append(list, file{caFile, "0644", s.ca})
	}
	return list, nil
}

// secretLines are the unit's lines that get the secret at each start.
func secretLines(parameter string) string {
	if parameter == "" {
		return "# The API asks for no secret."
	}
	return "EnvironmentFile=-/run/flowbed/secret.env\nExecStartPre=+/opt/flowbed/bin/fetch-secret"
}

// writeFiles is the part of the script that writes the files.
func writeFiles(list []file) (string, error) {
	const end = "FLOWBED_END"
	var b strings.Builder
	for _, f := range list {
		content := strings.TrimRight(f.content, "\n")
		if strings.Contains("\n"+content+"\n", "\n"+end+"\n") || strings.ContainsRune(content, 0) {
			return "", fmt.Errorf("%s cannot be written: it has a line %s, or a zero byte", f.path, end)
		}
		fmt.Fprintf(&b, "cat >%s <<'%s'\n%s\n%s\nchmod %s %s\n", f.path, end, content, end, f.mode, f.path)
	}
	b.WriteString(`printf 'FLOWBED_NAME=%s\n' "$name" >>/etc/flowbed/agent.env` + "\n")
	return b.String(), nil
}

// text is an embedded text with its values.
func text(name string, values map[string]string) (string, error) {
	raw, err := files.ReadFile(name)
	if err != nil {
		return "", err
	}
	out, err := fill(string(raw), values)
	if err != nil {
		return "", fmt.Errorf("fill %s: %w", name, err)
	}
	return out, nil
}
