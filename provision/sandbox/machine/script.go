package machine

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// script is what the sandbox understands of an instance's user data: flowbed's script
// that installs an agent.
type script struct {
	Env      string
	Prefect  string            // exact version
	Packages []string          // beside Prefect's own
	Own      string            // the user's own script, which runs first; may be empty
	Index    string            // the URL of the package index; empty for PyPI
	Proxy    string            // the URL of the proxy for all calls; empty for none
	Direct   []string          // the hosts that it calls without the proxy
	Settings map[string]string // the environment of the agent
	Command  []string          // the arguments of the prefect program, without quotes
	Secret   secret            // zero if the API needs none
	TTL      time.Duration     // 0 for no limit
}

// secret says where the agent reads the API's secret, and which variable gets it.
type secret struct {
	Parameter, Variable string // the parameter, or the ARN of a secret in Secrets Manager

	Store   string `json:",omitempty"` // "secretsmanager"; empty for a parameter
	Region  string `json:",omitempty"` // if the program names one
	Key     string `json:",omitempty"` // of the secret's JSON
	Stage   string `json:",omitempty"` // of the secret's versions
	Version string `json:",omitempty"`
}

// nameVariable stands for the agent's name in the unit.
const nameVariable = "${FLOWBED_NAME}"

const ours = "#!/bin/bash\n# Makes this instance the agent of the flowbed environment "

// parse reads user data. It returns nil if the text is not flowbed's script, and an
// error if it is one that the sandbox does not understand.
func parse(text string) (*script, error) {
	if !strings.HasPrefix(text, ours) {
		return nil, nil
	}
	files := heredocs(text)
	p := &parser{text: text}
	s := &script{
		Env:      unquoteShell(p.find("name of the agent", envLine)),
		Prefect:  p.find("requirement", requirement),
		Packages: packages(text),
		Settings: p.settings(files["/etc/flowbed/agent.env"]),
		Command:  p.command(files["/etc/systemd/system/flowbed-agent.service"]),
	}
	s.Own = files["/etc/flowbed/setup"]
	if m := indexLine.FindStringSubmatch(text); m != nil {
		s.Index = unquoteShell(m[1])
	}
	if file, ok := files["/etc/flowbed/proxy.env"]; ok {
		s.proxy(p, file)
	}
	if fetch, ok := files["/opt/flowbed/bin/fetch-secret"]; ok {
		s.Secret = p.secret(fetch)
	}
	if m := ttlLine.FindStringSubmatch(text); m != nil {
		seconds, err := strconv.Atoi(m[1])
		p.note(err)
		s.TTL = time.Duration(seconds) * time.Second
	}
	return s, p.err
}

var (
	envLine     = regexp.MustCompile(`(?m)^name=(.+)-\$instance$`)
	requirement = regexp.MustCompile(`'prefect\[aws\]==([0-9.]+)'`)
	others      = regexp.MustCompile(`'prefect\[aws\]==[0-9.]+'((?: '[^']+')+)`)
	indexLine   = regexp.MustCompile(`(?m)^export PIP_INDEX_URL=('.+')$`)
	ttlLine     = regexp.MustCompile(`\+ (\d+)\)\) >/etc/flowbed/deadline`)
	execLine    = regexp.MustCompile(`(?m)^ExecStart=/opt/flowbed/venv/bin/prefect (.+)$`)
	secretLine  = regexp.MustCompile(`(?m)^PARAMETER, VARIABLE = ("(?:[^"\\]|\\.)*"), ("(?:[^"\\]|\\.)*")$`)
	setting     = regexp.MustCompile(`(?m)^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|(?s:\\.))*)"$`)
	// readLine is the line that reads the secret; readOf are its parts.
	readLine = regexp.MustCompile(`(?m)^    value = (.*)\.strip\(\)$`)
	readOf   = regexp.MustCompile(`^(?:json\.loads\()?boto3\.client\("(ssm|secretsmanager)"(?:, region_name=("[^"]*"))?\)\.(?:` +
		`get_parameter\(Name=PARAMETER, WithDecryption=True\)\["Parameter"\]\["Value"\]|` +
		`get_secret_value\(SecretId=PARAMETER(?:, VersionStage=("[^"]*"))?(?:, VersionId=("[^"]*"))?\)\["SecretString"\])(?:\)\[("[^"]*")\])?$`)
	heredoc = regexp.MustCompile(`(?m)^cat >(\S+) <<'FLOWBED_END'\n((?s:.*?))\nFLOWBED_END$`)
)

// heredocs returns the files that a script writes, by path.
func heredocs(text string) map[string]string {
	files := map[string]string{}
	for _, m := range heredoc.FindAllStringSubmatch(text, -1) {
		files[unquoteShell(m[1])] = m[2]
	}
	return files
}

// packages returns the packages that a script installs beside Prefect's own.
func packages(text string) (list []string) {
	m := others.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	for _, w := range strings.Fields(m[1]) {
		if w = unquoteShell(w); !strings.HasPrefix(w, "prefect-aws==") {
			list = append(list, w)
		}
	}
	return list
}

// parser keeps the first error.
type parser struct {
	text string
	err  error
}

func (p *parser) note(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *parser) find(what string, pattern *regexp.Regexp) string {
	m := pattern.FindStringSubmatch(p.text)
	if m == nil {
		p.note(fmt.Errorf("the user data does not have the %s", what))
		return ""
	}
	return m[1]
}

// proxy reads the file with the settings of the proxy. curl reads http_proxy only in lower
// case, and the worker has the settings among its own.
func (s *script) proxy(p *parser, file string) {
	all := variables(file)
	s.Proxy, s.Direct = all["https_proxy"], strings.Split(all["no_proxy"], ",")
	for _, have := range []string{all["http_proxy"], all["HTTPS_PROXY"], s.Settings["HTTPS_PROXY"], s.Settings["HTTP_PROXY"]} {
		if have == "" || have != s.Proxy {
			p.note(fmt.Errorf("the user data has not the same proxy for all programs"))
		}
	}
	if !strings.Contains(p.text, "\n. /etc/flowbed/proxy.env\n") {
		p.note(fmt.Errorf("the user data does not use the proxy"))
	}
}

// variables reads a systemd environment file.
func variables(text string) map[string]string {
	all := map[string]string{}
	for _, m := range setting.FindAllStringSubmatch(text, -1) {
		all[m[1]] = unescape(m[2], "")
	}
	return all
}

// settings reads the environment of the agent.
func (p *parser) settings(text string) map[string]string {
	all := variables(text)
	if all["AWS_DEFAULT_REGION"] == "" {
		p.note(fmt.Errorf("the user data does not have the agent's settings"))
	}
	return all
}

// unescape removes the backslash before each character, and one of each pair of a
// doubled character.
func unescape(text, doubled string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		pair := i+1 < len(text) && strings.IndexByte(doubled, text[i]) >= 0 && text[i+1] == text[i]
		if i+1 < len(text) && text[i] == '\\' || pair {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// command reads the command line of a systemd unit.
func (p *parser) command(unit string) (words []string) {
	m := execLine.FindStringSubmatch(unit)
	if m == nil {
		p.note(fmt.Errorf("the user data does not have the agent's command"))
		return nil
	}
	for _, w := range unitWord.FindAllString(m[1], -1) {
		if w != nameVariable {
			w = unescape(trimQuotes(w), "%$")
		}
		words = append(words, w)
	}
	return words
}

var unitWord = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^\s"]+`)

func trimQuotes(w string) string {
	if len(w) >= 2 && w[0] == '"' {
		return w[1 : len(w)-1]
	}
	return w
}

// secret reads the program that fetches the secret. Its strings are also Go's.
func (p *parser) secret(program string) (s secret) {
	m := secretLine.FindStringSubmatch(program)
	if m == nil {
		p.note(fmt.Errorf("the user data does not have the parameter of the secret"))
		return s
	}
	var err error
	if s.Parameter, err = strconv.Unquote(m[1]); err == nil {
		s.Variable, err = strconv.Unquote(m[2])
	}
	p.note(err)
	line := readLine.FindStringSubmatch(program)
	if line == nil {
		p.note(fmt.Errorf("the user data does not read the secret"))
		return s
	}
	of := readOf.FindStringSubmatch(line[1])
	if of == nil {
		p.note(fmt.Errorf("the user data reads the secret in a way that the sandbox does not understand: %s", line[1]))
		return s
	}
	if of[1] != "ssm" {
		s.Store = of[1]
	}
	for i, into := range []*string{&s.Region, &s.Stage, &s.Version, &s.Key} {
		if of[i+2] != "" {
			*into, err = strconv.Unquote(of[i+2])
			p.note(err)
		}
	}
	return s
}

// unquoteShell removes the quotes of a word that a shell reads.
func unquoteShell(w string) string {
	if !strings.HasPrefix(w, "'") {
		return w
	}
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(w, "'"), "'"), `'\''`, "'")
}

// flag returns the value of a flag of the agent's command.
func (s *script) flag(name string) string {
	if i := slices.Index(s.Command, name); i >= 0 && i+1 < len(s.Command) {
		return s.Command[i+1]
	}
	return ""
}

// flags returns all values of a flag that may occur several times.
func (s *script) flags(name string) (values []string) {
	for i, w := range s.Command {
		if w == name && i+1 < len(s.Command) {
			values = append(values, s.Command[i+1])
		}
	}
	return values
}

// worker reports whether the agent is a worker, and not an agent of Prefect 1.
func (s *script) worker() bool { return len(s.Command) > 0 && s.Command[0] == "worker" }

// api returns the URL of the API that the agent calls.
func (s *script) api() string {
	if s.worker() {
		return s.Settings["PREFECT_API_URL"]
	}
	return s.flag("--api")
}
