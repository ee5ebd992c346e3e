package templates

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxUserData is EC2's limit on user data, in bytes before base64 encoding.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
const MaxUserData = 16384

// TooLongError is the error of user data that EC2 does not take.
type TooLongError struct{ Bytes int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("it is %d bytes long, which is %d too many: EC2 takes %d at most", e.Bytes, e.Bytes-MaxUserData, MaxUserData)
}

const (
	caFile          = "/etc/flowbed/ca.pem"
	bundleFile      = "/etc/flowbed/ca-bundle.pem"
	constraintsFile = "/opt/flowbed/constraints.txt"
)

// pipVersion is a pip that can ignore packages released after a given time. The
// operating system's pip cannot.
const pipVersion = "26.3"

// UserData renders the script with which cloud-init turns an instance into the
// agent. The script installs the packages, writes the files, and starts a systemd
// service. It reports each step, and any failure, on the console in lines that
// start with "FLOWBED: ". The agent's name in Prefect is <env>-<instance id>.
//
// The error names the value that cannot be written safely, or says how long the
// script is if it exceeds EC2's limit.
func UserData(a Agent) (string, error) {
	script, err := userData(a)
	if err != nil {
		return "", fmt.Errorf("write user data: %w", err)
	}
	return script, nil
}

// FailedUserData returns a script that reports err on the console. It takes the
// place of user data that cannot be rendered.
func FailedUserData(err error) string {
	return "#!/bin/sh\necho 'FLOWBED: FAILED: " + strings.ReplaceAll(err.Error(), "'", "") + "' >/dev/console\n"
}

func userData(a Agent) (string, error) {
	if err := a.check(); err != nil {
		return "", err
	}
	var r renderer
	script := r.text("setup.sh", map[string]string{
		"env": a.Env, "env_quoted": shellQuote(a.Env), "deadline": r.deadline(a.TTL),
		"proxy": r.proxy(a.Proxy), "own": r.own(a.Setup),
		"python": r.text("python"+a.Python+".sh", nil), "install": r.install(a.Packages), "files": r.files(a),
	})
	if err := errors.Join(r.errs...); err != nil {
		return "", err
	}
	if len(script) > MaxUserData {
		return "", &TooLongError{len(script)}
	}
	return script, nil
}

// renderer renders the parts of a script and collects their errors.
type renderer struct{ errs []error }

func (r *renderer) text(name string, values map[string]string) string {
	out, err := text(name, values)
	if err != nil {
		r.errs = append(r.errs, err)
	}
	return out
}

// deadline renders the part that shuts the instance down after its TTL. It holds
// the duration and not the time of day, because every run must give the same
// script.
func (r *renderer) deadline(ttl time.Duration) string {
	if ttl <= 0 {
		return ""
	}
	return r.text("deadline.sh", map[string]string{"ttl": ttl.String(), "seconds": strconv.Itoa(int(ttl / time.Second))})
}

// own renders the part that runs the user's script.
func (r *renderer) own(script string) string {
	if script == "" {
		return ""
	}
	if !strings.HasPrefix(script, "#!") {
		script = "#!/bin/bash\n" + script
	}
	return r.text("own.sh", map[string]string{"file": r.heredoc("/etc/flowbed/setup", script)})
}

// install renders the part that installs the packages. If the package index has
// no release times, the script installs the newest versions.
func (r *renderer) install(p Packages) string {
	quoted := make([]string, len(p.Requirements))
	for i, requirement := range p.Requirements {
		quoted[i] = shellQuote(requirement)
	}
	packages, index := strings.Join(quoted, " "), ""
	if p.Index != "" {
		index = "export PIP_INDEX_URL=" + shellQuote(p.Index) + "\n"
	}
	switch {
	case p.Constraints != "":
		return index + r.text("pip_constraints.sh", map[string]string{
			"constraints": r.heredoc(constraintsFile, p.Constraints), "packages": packages,
		})
	case p.Before != "":
		return index + r.text("pip_before.sh", map[string]string{
			"pip": pipVersion, "before": shellQuote(p.Before), "packages": packages,
		})
	}
	return index + r.text("pip_newest.sh", map[string]string{"packages": packages})
}

// files renders the part that writes the agent's files and its systemd unit.
func (r *renderer) files(a Agent) string {
	list := []File{
		{"/etc/flowbed/agent.env", 0o644, envFile(a)},
		{"/opt/flowbed/bin/report", 0o755, r.text("report.sh", nil)},
		{"/etc/systemd/system/flowbed-agent.service", 0o644, r.unit(a)},
	}
	list = append(list, a.Files...)
	if s := a.Secret; s != nil {
		list = append(list, File{"/opt/flowbed/bin/fetch-secret", 0o755, r.text("fetch_secret.py", s.program())})
	}
	if a.CA != nil {
		list = append(list, File{caFile, 0o644, a.CA.PEM})
	}
	var b strings.Builder
	for _, f := range list {
		b.WriteString(r.heredoc(f.Path, f.Content))
		fmt.Fprintf(&b, "chmod %04o %s\n", f.Mode.Perm(), ShellWord(f.Path))
	}
	b.WriteString(`printf 'FLOWBED_NAME=%s\n' "$name" >>/etc/flowbed/agent.env` + "\n")
	if a.CA != nil && a.CA.WithPublic {
		b.WriteString(`cat "$(/opt/flowbed/venv/bin/python -m certifi)" ` + caFile + " >" + bundleFile + "\n")
	}
	return b.String()
}

// heredoc renders the lines that write a file.
func (r *renderer) heredoc(path, content string) string {
	const end = "FLOWBED_END"
	content = strings.TrimRight(content, "\n")
	if strings.Contains("\n"+content+"\n", "\n"+end+"\n") || strings.ContainsRune(content, 0) {
		r.errs = append(r.errs, fmt.Errorf("%s cannot be written: it contains a line %s, or a zero byte", path, end))
	}
	return fmt.Sprintf("cat >%s <<'%s'\n%s\n%s\n", ShellWord(path), end, content, end)
}

// envFile renders the settings as a systemd environment file.
func envFile(a Agent) string {
	settings := a.Settings
	if a.CA != nil {
		file := caFile
		if a.CA.WithPublic {
			file = bundleFile
		}
		settings = append(settings[:len(settings):len(settings)], Setting{a.CA.Variable, file})
	}
	var b strings.Builder
	for _, s := range append(settings[:len(settings):len(settings)], a.Extra...) { // of two with one name, the last one counts
		b.WriteString(s.Name + "=" + envQuote(s.Value) + "\n")
	}
	return b.String()
}

// unit renders the systemd unit. The service fetches the secret at every start.
func (r *renderer) unit(a Agent) string {
	secret := "# The API asks for no secret."
	if a.Secret != nil {
		secret = "EnvironmentFile=-/run/flowbed/secret.env\nExecStartPre=+/opt/flowbed/bin/fetch-secret"
	}
	words := make([]string, len(a.Command))
	for i, w := range a.Command {
		words[i] = unitWord(w)
	}
	return r.text("agent.service", map[string]string{
		"env": unitText(a.Env), "command": strings.Join(words, " "), "secret": secret,
	})
}

// unitWord renders one word of the unit's command line. The setup script writes
// the agent's name into the unit's environment.
func unitWord(w Word) string {
	switch {
	case w.Kind == AgentName:
		return "${FLOWBED_NAME}"
	case w.Kind == Literal && needsNoQuotes.MatchString(w.Text):
		return w.Text
	}
	return unitQuote(w.Text)
}
