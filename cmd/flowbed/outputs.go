package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) outputsCommand() *cobra.Command {
	var format string
	var asJSON bool
	c := &cobra.Command{
		Use: "outputs", Short: "Show names, ARNs and commands for an environment", SuggestFor: []string{"output"},
		Long: `Show the names, ARNs and commands that you need to use an environment. Outputs
reads them from the account and leaves out resources that do not exist.`,
		Example: `  flowbed outputs
  eval "$(flowbed outputs --format env)"            sets FLOWBED_BUCKET and others
  flowbed outputs --format prefect > prefect.yaml   to deploy flows here
  flowbed outputs --json | jq -r .outputs.bucket`,
		Args: noArgs,
	}
	c.Flags().StringVar(&format, "format", "text", "`format`: text, json, env or prefect")
	c.Flags().BoolVar(&asJSON, "json", false, "same as --format json")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if asJSON {
			format = "json"
		}
		if !slices.Contains(formats, format) {
			return usageOf(c, fmt.Errorf("--format %s: want text, json, env or prefect", format))
		}
		// Like down, outputs works without secrets and looks for everything that an
		// environment may have.
		s, err := a.open(c.Context(), stack.Options{Destroy: true, NoPrefect: true})
		if err != nil {
			return err
		}
		defer s.keep(&err)
		if err := s.Graph.Read(c.Context()); err != nil {
			return err
		}
		s.sayUntold(a)
		if !s.Exists() {
			a.say("The environment %s does not exist yet: run `flowbed up%s` to build it.", s.env.Name, a.selection())
		}
		switch list := s.outputs(); format {
		case "json":
			return view.OutputsJSON(a.out, s.header, list)
		case "env":
			return outputEnv(a.out, list)
		case "prefect":
			return outputPrefect(a.out, s, list)
		default:
			return outputText(a.out, list)
		}
	}
	return c
}

// formats are the values of --format.
var formats = []string{"text", "json", "env", "prefect"}

// outputs leaves out those that the file cannot tell, because it is read without its
// variables.
func (s *session) outputs() (list []view.Output) {
	for _, o := range s.Outputs() {
		switch {
		case s.untold(o.Name) != nil:
			continue
		case o.Name == "worker_command":
			o.Value = s.secretSetting() + o.Value
		}
		list = append(list, view.Output(o))
	}
	return list
}

// secretSetting passes the API's secret to a command, if the API needs one.
func (s *session) secretSetting() string {
	p := s.env.Prefect
	given := func(field *string) bool { return *field != "" || s.file.Unset(field) != nil }
	key, auth := given(&p.APIKey) || given(&p.APIKeyFrom), given(&p.AuthString) || given(&p.AuthStringFrom)
	v, err := prefect.ParseVersion(p.Version)
	if err != nil || !key && !auth {
		return ""
	}
	name := v.SecretVariable(!key)
	return name + `="$` + name + `" `
}

// untold returns an error if an output depends on something that the file refers to and
// that is missing, or on a version that is none: outputs does not check the file.
func (s *session) untold(output string) error {
	p := s.env.Prefect
	if p == nil {
		return nil
	}
	err := s.file.Unset(map[string][]any{
		"prefect_api_url": {&p.APIURL}, "prefect_url": {&p.APIURL, &p.WorkPool}, "work_pool": {&p.WorkPool}, "image": {&p.Version, &s.env.Flows.Image},
		"worker_install_command": {&p.Version}, "worker_command": {&p.APIURL, &p.WorkPool, &p.Version, &p.Events},
	}[output]...)
	if err == nil && (output == "image" && s.env.Flows.Image == "" || strings.HasPrefix(output, "worker_")) {
		_, err = prefect.ParseVersion(p.Version)
	}
	return err
}

// sayUntold tells which outputs are left out, and why.
func (s *session) sayUntold(a *app) {
	for _, name := range []string{"prefect_api_url", "work_pool", "image"} {
		if err := s.untold(name); err != nil {
			a.say("%s is left out: %v.", name, err)
		}
	}
}

// outputValue is an output's value on one line.
func outputValue(o view.Output) string {
	if o.List != nil {
		return strings.Join(o.List, ",")
	}
	return o.Value
}

func outputText(w io.Writer, list []view.Output) error {
	width := 0
	for _, o := range list {
		width = max(width, len(o.Name))
	}
	var b strings.Builder
	for _, o := range list {
		fmt.Fprintf(&b, "%-*s  %s\n", width, o.Name, outputValue(o))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// outputEnv writes lines for a shell to evaluate. It quotes only values that need it,
// so that other programs can read the lines, too.
func outputEnv(w io.Writer, list []view.Output) error {
	var b strings.Builder
	for _, o := range list {
		fmt.Fprintf(&b, "export %s=%s\n", outputVariable(o.Name), shellQuote(outputValue(o)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// outputVariable is the environment variable for an output. FLOWBED_PUBLIC_IP is that of the machine on
// which flowbed runs: an agent's address in it would open the agent's SSH port to the agent itself.
func outputVariable(name string) string {
	if name == "public_ip" {
		name = "instance_ip"
	}
	return "FLOWBED_" + strings.ToUpper(name)
}

func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@,+=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
