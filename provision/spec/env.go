package spec

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// envName matches names of environment variables that every shell and ECS accept.
var envName = compile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const badEnvName = "is not a valid name. → use letters, digits and underscores, and no digit at the start"

// secretName matches names whose values are secrets.
var secretName = compile(`KEY|TOKEN|SECRET|PASSWORD|AUTH_STRING`)

// checkEnv checks environment variables. bad returns why one is not accepted, and what to
// do; it is empty if the variable is.
func (d *decoder) checkEnv(field *map[string]string, bad func(name, value string) string) {
	g := d.given[field]
	for _, name := range slices.Sorted(maps.Keys(*field)) {
		why := badEnvName
		if envName.matches(name) {
			why = bad(name, (*field)[name])
		}
		if why != "" {
			if secretName.matches(strings.ToUpper(name)) {
				d.file.hidden.add((*field)[name])
			}
			d.errorAt(d.keyRange(g, name), "Invalid environment variable", d.shownKey(g, "environment variable", name)+" "+why)
		}
	}
}

func badFlowVariable(name, _ string) string {
	switch name {
	case "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING":
		return "is a secret, and plans show the value. → set api_key or auth_string in the prefect block: each task gets it from there"
	case "PREFECT_API_URL":
		return "comes from the worker. → set api_url in the prefect block"
	}
	return ""
}

// agentVariables are the environment variables of the agent that come from elsewhere. Prefect
// reads the names of its settings regardless of case, so they are compared that way.
var agentVariables = func() map[string]string {
	const (
		api      = "comes from the prefect block. → set api_url there"
		secret   = "is a secret, and whoever may describe the agent can read its environment. → set it in the prefect block, as api_key or auth_string: the agent gets it from Parameter Store when it starts"
		region   = "comes from the environment. → set region in the environment block"
		retry    = "is set by flowbed, so that the agent retries when AWS throttles it. → leave it out"
		health   = "is set by flowbed: only the instance itself may read the worker's health page. → leave it out"
		events   = "comes from the queue that flowbed creates. → set events in the prefect block"
		packages = "is how the image of a service learns which packages to install. → set pip_packages"
		copied   = "would be copied into the task of each flow, where that path does not exist. → leave it out"
		ca       = "would be copied into the task of each flow, which does not have the file. → set ca_file in the prefect block"
		proxy    = "would hold for the agent, but not for the setup of its instance. → set proxy in the agent block; exceptions belong in NO_PROXY"
		keys     = "has no place here: the agent uses its role's credentials. → leave it out"
	)
	all := map[string]string{}
	for why, names := range map[string]string{
		api:      "PREFECT_API_URL PREFECT__CLOUD__API PREFECT__BACKEND",
		secret:   "PREFECT_API_KEY PREFECT_API_AUTH_STRING PREFECT__CLOUD__API_KEY PREFECT__CLOUD__AUTH_TOKEN PREFECT__CLOUD__AGENT__AUTH_TOKEN",
		region:   "AWS_DEFAULT_REGION AWS_REGION",
		retry:    "AWS_RETRY_MODE AWS_MAX_ATTEMPTS AWS_METADATA_SERVICE_NUM_ATTEMPTS",
		health:   "PREFECT_WORKER_WEBSERVER_HOST",
		events:   "PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME",
		packages: "EXTRA_PIP_PACKAGES",
		copied:   "PREFECT_HOME PREFECT_PROFILES_PATH",
		ca:       "PREFECT_API_SSL_CERT_FILE",
		proxy:    "HTTP_PROXY HTTPS_PROXY ALL_PROXY",
		keys:     "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE",
	} {
		for name := range strings.FieldsSeq(names) {
			all[name] = why
		}
	}
	return all
}()

func badAgentVariable(name, value string) string {
	why := agentVariables[strings.ToUpper(name)]
	switch {
	case why != "":
		return why
	case strings.HasPrefix(strings.ToUpper(name), "FLOWBED_"):
		return "begins with FLOWBED_, which flowbed needs for itself. → choose another name"
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' && c != '\n' || c == 0x7f }):
		return "has a control character in its value, and systemd accepts none but tabs and line breaks. → remove it"
	}
	return ""
}

// checkCAVariables checks that the agent's variables leave alone the one that ca_file sets.
func (d *decoder) checkCAVariables(e *Environment) {
	if e.Agent == nil || e.Prefect == nil || !d.written(&e.Prefect.CAFile) {
		return
	}
	d.checkEnv(&e.Agent.Env, func(name, _ string) string {
		if name == "SSL_CERT_FILE" || name == "REQUESTS_CA_BUNDLE" {
			return "comes from ca_file of the prefect block. → remove one of them"
		}
		return ""
	})
}
