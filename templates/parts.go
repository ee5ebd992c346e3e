package templates

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// parts are what a program has from the config file, and what is flowbed's own, each by name.
type parts struct {
	versionsOf map[string]string // of prefect and prefect-aws
	packages   []string          // all others
	values     map[string]string // by their names in the config file
	own        map[string]string
}

// The names of values, as far as they are more than a word in a table.
const (
	prefectItself = "prefect"
	prefectAWS    = "prefect-aws"
	packageDate   = "packages released before"
	valueTTL      = "ttl"
	valueProxy    = "agent.proxy"
	valueSetup    = "agent.setup"
	valueSecret   = "the secret that the agent reads"
	valueEnv      = "agent.env"
	valueIndex    = "agent.pip_index_url"
	valuePool     = "prefect.work_pool"
	valueCA       = "prefect.ca_file"
	valueAPI      = "prefect.api_url"
	valueNetwork  = "the network of the tasks"
	valueTags     = "the tags of the tasks"
	valueImage    = "image"
	valueTimeout  = "stop_timeout"

	variablePrefix = "the variable "
)

// read takes a program apart.
func read(program string) parts {
	p := parts{versionsOf: map[string]string{}, values: map[string]string{}, own: map[string]string{}}
	if isContainer(program) {
		p.container(program)
		return p
	}
	rest := heredoc.ReplaceAllStringFunc(program, func(text string) string {
		m := heredoc.FindStringSubmatch(text)
		p.file(strings.Trim(m[1], "'"), m[2], m[3])
		return ""
	})
	name := "begin"
	at := 0
	for _, m := range section.FindAllStringSubmatchIndex(rest, -1) {
		p.section(name, rest[at:m[0]])
		name, at = rest[m[2]:m[3]], m[1]
	}
	p.section(name, rest[at:])
	return p
}

var (
	// heredoc is a file that the setup script writes, and the line that sets its mode.
	heredoc = regexp.MustCompile(`(?m)^cat >(\S+) <<'FLOWBED_END'\n((?:.*\n)*?)FLOWBED_END\n(chmod \S+ \S+\n)?`)
	section = regexp.MustCompile(`(?m)^begin '([a-z]+)'\n`)

	requirements = regexp.MustCompile(`'prefect(?:\[[^']*\])?==[^']*'(?: '[^']*')*`)
	released     = regexp.MustCompile(`--uploaded-prior-to '([^']*)'`)
	index        = regexp.MustCompile(`(?m)^export PIP_INDEX_URL=(.*)\n`)
	lifetime     = regexp.MustCompile(`The environment lives for (\S+)\.`)
	seconds      = regexp.MustCompile(`\+ [0-9]+\)\)`)
	bundled      = regexp.MustCompile(`(?m)^cat "\$\(.* -m certifi\)".*\n`)

	pythonVersion = regexp.MustCompile(`[0-9]\.[0-9]+`)

	secretName = regexp.MustCompile(`(?m)^PARAMETER, VARIABLE = (.*)$`)
	secretUnit = regexp.MustCompile(`(?m)^(# The API asks for no secret\.|EnvironmentFile=-/run/flowbed/secret\.env|ExecStartPre=\S*fetch-secret)\n`)
	execStart  = regexp.MustCompile(`(?m)^ExecStart=(.*)$`)
	taskTags   = regexp.MustCompile(`(?m)^(tags: .*|propagateTags: .*)\n`)
)

// file takes in a file that the setup script writes.
func (p *parts) file(path, content, mode string) {
	switch path {
	case "/etc/flowbed/setup":
		p.values[valueSetup] = content
	case "/etc/flowbed/agent.env":
		p.settings(settingLines(content))
	case proxyFile:
		p.values[valueProxy] = content
	case caFile:
		p.values[valueCA] = content
	case runTaskFile:
		p.values[valueNetwork] = taskTags.ReplaceAllString(content, "")
		p.values[valueTags] += strings.Join(taskTags.FindAllString(content, -1), "")
	case definitionFile:
		p.values[valueTags] += content
	case constraintsFile:
		p.own["constraints"] = content
	case "/opt/flowbed/bin/fetch-secret":
		if m := secretName.FindStringSubmatch(content); m != nil {
			p.values[valueSecret] = m[1]
		}
		p.own["fetch"] = content + mode
	case "/etc/systemd/system/flowbed-agent.service":
		if m := execStart.FindStringSubmatch(content); m != nil {
			p.command(words(m[1]))
		}
		p.own["unit"] = execStart.ReplaceAllString(secretUnit.ReplaceAllString(content, ""), "") + mode
	default:
		if strings.Contains(path, "flowbed-deadline") {
			path = "deadline"
		}
		p.own[path] += content + mode
	}
}

// section takes in a part of the setup script, without its files.
func (p *parts) section(name, text string) {
	switch name {
	case "deadline":
		if m := lifetime.FindStringSubmatch(text); m != nil {
			p.values[valueTTL] = m[1]
		}
		p.own[name] += seconds.ReplaceAllString(lifetime.ReplaceAllString(text, ""), "")
	case "python":
		p.own[name+pythonVersion.FindString(text)] = text
	case "prefect":
		p.install(text)
	case "files":
		p.own[name] = bundled.ReplaceAllString(text, "")
	default:
		p.own[name] = text
	}
}

// install takes in the installation of the packages.
func (p *parts) install(text string) {
	if m := index.FindStringSubmatch(text); m != nil {
		p.values[valueIndex] = m[1]
	}
	if m := released.FindStringSubmatch(text); m != nil {
		p.values[packageDate] = m[1]
	}
	var list []string
	for _, quoted := range requirements.FindAllString(text, 1) {
		for _, w := range words(quoted) {
			list = append(list, unquoted(w))
		}
	}
	p.require(list)
	text = requirements.ReplaceAllString(index.ReplaceAllString(text, ""), "PACKAGES")
	text = released.ReplaceAllString(text, "--uploaded-prior-to DATE")
	// With and without a date, or with constraints, the script has other lines: that follows
	// from Prefect's version.
	head, form, _ := strings.Cut(text, "venv --clear /opt/flowbed/venv\n")
	p.own["prefect"] = head
	switch {
	case strings.Contains(form, "--uploaded-prior-to"):
		p.own["install dated"] = form
	case strings.Contains(form, constraintsFile):
		p.own["install constrained"] = form
	default:
		p.own["install newest"] = form
	}
}

// require takes in packages. Prefect's own come with its version.
func (p *parts) require(list []string) {
	for _, one := range list {
		name, version, exact := strings.Cut(one, "==")
		name, _, _ = strings.Cut(name, "[")
		if exact && (name == prefectItself || name == prefectAWS) {
			p.versionsOf[name] = version
		} else if !slices.Contains(p.packages, one) {
			p.packages = append(p.packages, one)
		}
	}
}

// flags are those of the agent's command that have a value from the config file.
var flags = map[string]string{
	"--pool": valuePool, "--work-queue": "agent.work_queues", "--label": "agent.labels", "--api": valueAPI,
	"--task-definition": valueTags, "--cluster": "cluster.name", "--task-role-arn": "task_role", "--execution-role-arn": "execution_role",
}

// command takes in the agent's command.
func (p *parts) command(list []string) {
	var rest []string
	for i := 0; i < len(list); i++ {
		name := flags[list[i]]
		if name == "" || i+1 == len(list) {
			rest = append(rest, list[i])
			continue
		}
		i++
		if v := unquoted(list[i]); p.values[name] == "" {
			p.values[name] = v
		} else {
			p.values[name] += ", " + v
		}
	}
	p.own["options"] = strings.Join(rest, " ")
}

// fixed are the settings of the agent that flowbed sets by itself.
var fixed = map[string]bool{
	"AWS_DEFAULT_REGION": true, "AWS_RETRY_MODE": true, "AWS_MAX_ATTEMPTS": true, "AWS_METADATA_SERVICE_NUM_ATTEMPTS": true,
	"PREFECT_WORKER_WEBSERVER_HOST": true, "PREFECT__BACKEND": true, "TZ": true,
}

// named are settings that have another name in the config file.
var named = map[string]string{
	"PREFECT_API_URL": valueAPI, EventsVariable: "prefect.events", "SSL_CERT_FILE": valueCA, "REQUESTS_CA_BUNDLE": valueCA,
	"HTTP_PROXY": valueProxy, "HTTPS_PROXY": valueProxy, "NO_PROXY": valueProxy, "PIP_INDEX_URL": valueIndex, "UV_DEFAULT_INDEX": valueIndex,
}

// settings takes in the environment variables of the agent.
func (p *parts) settings(list []Setting) {
	for _, s := range list {
		switch name := named[s.Name]; {
		case s.Name == ExtraPackages:
			p.require(strings.Fields(s.Value))
		case s.Name == launcherSettings:
			p.launcher(s.Value)
		case name != "":
			p.values[name] += s.Value + "\n"
		case fixed[s.Name]: // but the file can set it, too
			p.values[variablePrefix+s.Name] = s.Value
		default: // of two with one name, the last one counts
			p.values[valueEnv+" "+s.Name] = s.Value
		}
	}
}

// settingLines reads a systemd environment file. A value may have several lines.
func settingLines(content string) (list []Setting) {
	for _, m := range settingLine.FindAllStringSubmatch(content, -1) {
		list = append(list, Setting{m[1], m[2]})
	}
	return list
}

var settingLine = regexp.MustCompile(`(?m)^([A-Za-z_][A-Za-z0-9_]*)=("(?:\\.|[^"\\])*")$`)

// launcher takes in the settings of the launcher in a container.
func (p *parts) launcher(text string) {
	var l launched
	if json.Unmarshal([]byte(text), &l) != nil {
		p.own["launcher"] += text
		return
	}
	if l.Expires != "" {
		p.values[valueTTL] = l.Expires
	}
	for _, f := range l.Files {
		p.file(f.Path, f.Content, "")
	}
}

// A container's text is a script, too: comments, then the variables, then the command.
var (
	described  = regexp.MustCompile(`(?m)^# ([a-z]+(?: [a-z]+)*): (.*)$`)
	exported   = regexp.MustCompile(`(?m)^export ([A-Za-z_][A-Za-z0-9_]*)=((?:'[^']*'|\\'|[^\s'\\])*)$`)
	executed   = regexp.MustCompile(`(?ms)^exec (.*)\z`)
	ofImage    = regexp.MustCompile(`(?:-prefect|prefecthq/prefect:)([0-9]+\.[0-9]+\.[0-9]+)(?:-python[0-9.]+)?$`)
	awsOfImage = regexp.MustCompile(`prefecthq/prefect-aws:([0-9.]+)-`)
)

func isContainer(program string) bool { return strings.HasPrefix(program, "# image: ") }

// container takes in the text of a container.
func (p *parts) container(text string) {
	for _, m := range described.FindAllStringSubmatch(text, -1) {
		p.describe(m[1], m[2])
	}
	var list []Setting
	for _, m := range exported.FindAllStringSubmatch(text, -1) {
		list = append(list, Setting{m[1], unquoted(m[2])})
	}
	p.settings(list)
	if m := executed.FindStringSubmatch(text); m != nil {
		command := words(m[1])
		if i := slices.Index(command, "-c"); i >= 0 && i+1 < len(command) {
			p.own["launcher"] += command[i+1]
			command = slices.Delete(command, i+1, i+2)
		}
		p.command(command)
	}
}

// describe takes in a comment of a container's text.
func (p *parts) describe(name, value string) {
	switch name {
	case "image":
		p.values[valueImage] = value
		if m := ofImage.FindStringSubmatch(value); m != nil {
			p.versionsOf[prefectItself] = m[1]
		}
		if m := awsOfImage.FindStringSubmatch(value); m != nil {
			p.versionsOf[prefectAWS] = m[1]
		}
	case "secret":
		p.values[valueSecret] += value + "\n"
	case "task role", "execution role":
		p.values[name] = value
	case "stop timeout":
		p.values[valueTimeout] = value
	default:
		p.own[name] = value
	}
}

// word is one word of a command line, of a shell or of a systemd unit, with its quotes.
var word = regexp.MustCompile(`(?:'[^']*'|\\'|"(?:\\.|[^"\\])*"|[^\s'"\\])+`)

func words(line string) []string { return word.FindAllString(line, -1) }

// unquoted is a word without its quotes. Escapes of a unit stay.
func unquoted(w string) string {
	if !strings.Contains(w, "'") {
		return strings.Trim(w, `"`)
	}
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(w, `'\''`, "\x00"), "'", ""), "\x00", "'")
}
