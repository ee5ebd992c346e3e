package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flowbed/flowbed/provision/spec"
)

// none is the answer for an environment without an agent, or without a Prefect API.
const none = "none"

// exampleAPI is a URL that belongs to nobody.
const exampleAPI = "https://prefect.example.com/api"

// agentKinds are the values of --agent.
var agentKinds = []string{"instance", "service", none}

// answers are what init writes into the file.
type answers struct{ name, region, api, agent string }

// question is one of init's questions.
type question struct {
	flag    string // the flag that answers it
	text    string
	found   string                  // the answer that init has found; empty if it has found none
	from    string                  // where
	given   *string                 // the answer of the flag; nil without the flag
	field   func(*answers) *string  // where the answer goes
	needed  func(have answers) bool // whether to ask; nil means always
	invalid func(string) string     // what is wrong with an answer, beside what the config file's own checks find
	example string                  // for somebody who has given no answer; may be empty
}

func (a *app) initCommand() *cobra.Command {
	var api, agent string
	c := &cobra.Command{
		Use: "init", Short: "Write a config file", SuggestFor: []string{"new", "setup"},
		Long: `Ask four questions, and write config.hcl: the environment's name, its region,
the URL of the Prefect API, and what runs the Prefect worker. Init suggests the region
of your AWS configuration and PREFECT_API_URL. It overwrites no file, and writes
no secret. Inside a Git repository it also adds .flowbed/ to .gitignore. With
--sandbox, every question has an answer, so that Enter is enough.`,
		Example: `  flowbed init
  flowbed init --region eu-central-1 --api-url https://prefect.example.com/api \
    --agent service
  flowbed init --region eu-central-1 --api-url none --agent none
  flowbed init --sandbox    to try flowbed without AWS`,
		Args: noArgs,
	}
	c.Flags().StringVar(&api, "api-url", "", "`URL` of the Prefect API, or none")
	c.Flags().StringVar(&agent, "agent", "", "what runs the Prefect worker: `instance`, service or none")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := a.mustBeNew(); err != nil {
			return err
		}
		list, err := a.initQuestions(c.Context())
		if err != nil {
			return err
		}
		for i := range list {
			if f := c.Flags().Lookup(list[i].flag); f.Changed {
				list[i].given = new(f.Value.String())
			}
		}
		have, err := a.askAll(c, list)
		if err != nil {
			return err
		}
		return a.writeInit(have)
	}
	return c
}

// mustBeNew returns an error if the config file exists.
func (a *app) mustBeNew() error {
	if _, err := os.Lstat(a.config); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = a.errExists()
		}
		return usage(err)
	}
	return nil
}

func (a *app) errExists() error {
	use := "flowbed plan"
	if a.config != defaultConfig {
		use += " -c " + quoted(a.config)
	}
	use += a.accountFlags()
	return &hinted{fmt.Errorf("%s exists, and init overwrites no file", a.config),
		"run `" + use + "` to use it, or give the name of another file with --config"}
}

// initQuestions are init's questions, with what init has found.
func (a *app) initQuestions(ctx context.Context) ([]question, error) {
	region, from, err := a.configuredRegion(ctx)
	if err != nil {
		return nil, err
	}
	api, apiFrom := prefectURL(), "PREFECT_API_URL"
	if api == "" && a.sandbox { // which has a Prefect API at every URL
		api, apiFrom = exampleAPI, ""
	}
	return []question{
		{flag: "env", text: "Name of the environment", found: "dev", field: func(x *answers) *string { return &x.name },
			invalid: func(s string) string {
				if strings.Contains(s, "*") {
					return fmt.Sprintf("%q is a pattern, and no name", s)
				}
				return ""
			}},
		{flag: "region", text: "AWS region", found: region, from: from, field: func(x *answers) *string { return &x.region }},
		{flag: "api-url", text: "URL of the Prefect API, or none", found: api, from: apiFrom, field: func(x *answers) *string { return &x.api },
			example: "for example " + exampleAPI + ", or the word none"},
		{flag: "agent", text: "What runs the Prefect worker: instance (on EC2), service (on Fargate), or none (you do)", found: "instance",
			field: func(x *answers) *string { return &x.agent }, needed: func(x answers) bool { return x.api != none },
			invalid: func(s string) string {
				if s != "instance" && s != "service" && s != none {
					return fmt.Sprintf("%q is neither instance nor service nor none", s)
				}
				return ""
			}},
	}, nil
}

// askAll returns the answers: of the flags, or of the user if there is a terminal, or else
// what was found.
func (a *app) askAll(c *cobra.Command, list []question) (answers, error) {
	have := answers{name: "dev", region: sandboxRegion, api: none, agent: none} // valid, until each is answered
	var missing []string
	for _, q := range list {
		skip := q.needed != nil && !q.needed(have)
		switch {
		case q.given != nil:
			if why := q.wrong(have, *q.given); why != nil {
				return have, q.refused(c, why)
			}
			*q.field(&have) = *q.given
		case skip:
		case term.IsTerminal(int(a.in.Fd())):
			answer, err := a.askOne(c.Context(), q, have)
			if err != nil {
				return have, err
			}
			*q.field(&have) = answer
		case q.found == "" || q.wrong(have, q.found) != nil:
			missing = append(missing, "--"+q.flag)
		default:
			*q.field(&have) = q.found
		}
	}
	if len(missing) > 0 {
		return have, usage(&hinted{errors.New("init cannot ask its questions without a terminal"), "answer them with " + strings.Join(missing, " and ")})
	}
	return have, nil
}

// wrong is what is wrong with an answer; nil if nothing is.
func (q question) wrong(have answers, answer string) error {
	if q.invalid != nil {
		if why := q.invalid(answer); why != "" {
			return errors.New(why)
		}
	}
	*q.field(&have) = answer
	_, err := spec.ValidateText("config.hcl", []byte(have.config()))
	if e, ok := errors.AsType[*spec.Error](err); ok {
		text, hint, _ := strings.Cut(e.Diags[0].Detail, " → ")
		return &hinted{errors.New(strings.TrimSuffix(text, ".")), hint}
	}
	return err
}

// refused is the error for a flag. The flag's value is in the text only if it is no secret.
func (q question) refused(c *cobra.Command, why error) error {
	err := fmt.Errorf("--%s: %w", q.flag, why)
	if h, ok := errors.AsType[*hinted](why); ok && h.hint != "" {
		return usage(&hinted{err, h.hint})
	}
	return usageOf(c, err)
}

// askOne asks one question, until its answer is valid.
func (a *app) askOne(ctx context.Context, q question, have answers) (string, error) {
	text := q.text
	found := q.found
	if found != "" && q.wrong(have, found) != nil {
		found = ""
	}
	switch {
	case found != "" && q.from != "":
		text += " [" + found + ", from " + q.from + "]"
	case found != "":
		text += " [" + found + "]"
	}
	for {
		answer, err := a.ask(ctx, wrap(text+": ", width(os.Stderr)))
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(a.err)
			err = coded{exitFailed, errors.New("no answer; nothing was written")}
		}
		if err != nil {
			return "", err
		}
		if answer == "" {
			answer = found
		}
		var why error = &hinted{errors.New("an answer is needed"), q.example}
		if answer != "" {
			why = q.wrong(have, answer)
		}
		if why == nil {
			return answer, nil
		}
		a.say("  %v%s", why, hintOf(why))
	}
}

// hintOf is the hint of an error, for the end of a line.
func hintOf(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok && h.hint != "" {
		return " → " + h.hint
	}
	return ""
}

// writeInit writes the files, and says what comes next.
func (a *app) writeInit(have answers) error {
	text := have.config()
	f, err := spec.ValidateText(a.config, []byte(text))
	if err != nil {
		return err
	}
	o, err := newOutput(a.config, nil)
	if err != nil {
		return usage(fmt.Errorf("write %s: %w", a.config, err))
	}
	if err := o.create([]byte(text)); errors.Is(err, fs.ErrExist) {
		return usage(a.errExists())
	} else if err != nil {
		return fmt.Errorf("write %s: %w", a.config, err)
	}
	fmt.Fprintf(a.out, "Wrote %s.\n", a.config)
	if err := a.warn(f); err != nil {
		return err
	}
	ignored, err := ignoreSandbox(".")
	if err != nil {
		return &hinted{fmt.Errorf("add .flowbed/ to .gitignore: %w", err), "add the line yourself: the folder has the data of the sandbox"}
	}
	if ignored {
		fmt.Fprintln(a.out, "Added .flowbed/ to .gitignore.")
	}
	a.env, a.region = "", "" // both are in the file
	next := "\nNext, see what up would build:\n"
	if s := have.secret(); s != "" {
		next = "\nNext, set the secret of the Prefect API, and see what up would build:\n" + setSecret(s)
	}
	_, err = fmt.Fprintf(a.out, "%s  flowbed plan%s\n", next, a.selection())
	return err
}

// setSecret is the command that sets the variable with the secret.
func setSecret(name string) string {
	if from := "PREFECT_" + strings.ToUpper(strings.Replace(name, "auth", "api_auth", 1)); os.Getenv(from) != "" {
		return fmt.Sprintf("  export FLOWBED_VAR_%s=\"$%s\"\n", name, from)
	}
	return fmt.Sprintf("  read -rs FLOWBED_VAR_%[1]s && export FLOWBED_VAR_%[1]s\n", name)
}
