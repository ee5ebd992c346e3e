package templates

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/secret"
)

// Agent describes a Prefect agent: what to install and run, and its settings,
// secret and files. Values are unquoted, as the agent sees them; UserData quotes
// them.
type Agent struct {
	Env      string // the environment's name
	Python   string // the version it needs, e.g. "3.12"
	Packages Packages
	Further  bool      // Packages has more than Prefect's own, which the image of a container has
	Command  Command   // the arguments of the prefect program
	Settings []Setting // environment variables, in order
	Extra    []Setting // further ones, which the user sets; their values may have several lines
	Setup    string    // the user's own script, which runs first; may be empty
	Proxy    *Proxy    // nil for none; the agent's settings are in Extra
	Secret   *Secret   // nil if the API needs no authentication
	CA       *CA       // nil if a public authority signed the API's certificate
	Files    []File

	// TTL is how long the agent may run before its instance shuts down. 0 means
	// no limit.
	TTL time.Duration
}

// Packages says which Python packages the agent needs. At most one of
// Constraints and Before is set. With neither, pip installs the newest version of
// each package that Requirements does not name.
type Packages struct {
	Index        string   // the URL of the package index; empty for PyPI
	Requirements []string // in pip's syntax, e.g. "prefect[aws]==3.9.1"
	Constraints  string   // the contents of a constraints file for pip
	Before       string   // ignore packages released after this RFC 3339 time
}

// Setting is one environment variable of the agent.
type Setting struct{ Name, Value string }

// Secret says where the agent reads the API's secret, and which environment
// variable receives it. An Agent never holds the secret itself.
type Secret struct {
	Parameter string // name of an SSM parameter that flowbed makes; or empty, and From is set
	Variable  string

	From secret.Ref // a secret that exists
}

// CA is a private certificate authority that the agent trusts.
type CA struct {
	PEM      string // its certificates
	Variable string // the environment variable that receives the file's path

	// WithPublic adds the public authorities to the file. Set it if the
	// variable replaces the default bundle.
	WithPublic bool
}

// File is a file the agent needs. UserData ends Content with exactly one newline.
type File struct {
	Path    string // absolute, in a folder that exists or in /etc/flowbed
	Mode    fs.FileMode
	Content string
}

// Command is a command line, one element per word.
type Command []Word

// Word is one word of a command line.
type Word struct {
	Kind WordKind
	Text string // empty for AgentName
}

// WordKind says where a word comes from.
type WordKind int

const (
	// Literal is a word of this program, such as a flag.
	Literal WordKind = iota
	// Value comes from outside. UserData always quotes it.
	Value
	// AgentName stands for the agent's name in Prefect. The name contains the
	// instance id, so only the instance knows it.
	AgentName
)

// literals adds the space-separated words of text.
func (c Command) literals(text string) Command {
	for _, word := range strings.Fields(text) {
		c = append(c, Word{Literal, word})
	}
	return c
}

// flag adds a flag with a value from outside.
func (c Command) flag(name, value string) Command {
	return append(c, Word{Literal, name}, Word{Value, value})
}

// check rejects values that cannot be rendered safely.
func (a Agent) check() error {
	errs := []error{plain("environment", a.Env), a.Packages.check()}
	for i, w := range a.Command {
		what := "command"
		if i > 0 && a.Command[i-1].Kind == Literal {
			what = a.Command[i-1].Text // the flag
		}
		errs = append(errs, plain(what, w.Text))
	}
	for _, s := range a.Settings {
		errs = append(errs, variable(s.Name), plain(s.Name, s.Value))
	}
	for _, s := range a.Extra {
		lines := strings.NewReplacer("\n", "", "\t", "") // systemd accepts these two in a value
		errs = append(errs, variable(s.Name), plain(s.Name, lines.Replace(s.Value)))
	}
	for _, f := range a.Files {
		errs = append(errs, plain("file", f.Path))
		if !path.IsAbs(f.Path) {
			errs = append(errs, fmt.Errorf("file %q: the path is not absolute", f.Path))
		}
	}
	for _, s := range a.Proxy.Settings() {
		errs = append(errs, plain(s.Name, s.Value))
	}
	if a.Secret != nil {
		errs = append(errs, a.Secret.check())
	}
	if a.CA != nil {
		errs = append(errs, a.CA.check())
	}
	return errors.Join(errs...)
}

func (p Packages) check() error {
	errs := []error{plain("release date", p.Before), plain("package index", p.Index)}
	for _, r := range p.Requirements {
		errs = append(errs, plain("package", r))
	}
	if p.Constraints != "" && p.Before != "" {
		errs = append(errs, errors.New("packages have either constraints or a release date, not both"))
	}
	return errors.Join(errs...)
}

func (s Secret) check() error {
	if (s.Parameter == "") != s.From.Set() || s.Variable == "" {
		return errors.New("a secret needs a variable, and either a parameter or another secret")
	}
	return errors.Join(plain("parameter", s.Parameter), plain("secret", s.From.ValueFrom()), variable(s.Variable))
}

func (c CA) check() error {
	if !strings.Contains(c.PEM, "-----BEGIN CERTIFICATE-----") || strings.Contains(c.PEM, "PRIVATE KEY-----") {
		return errors.New("the CA file must contain certificates in PEM, and nothing else")
	}
	return variable(c.Variable)
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func variable(name string) error {
	if !variableName.MatchString(name) {
		return fmt.Errorf("invalid environment variable name %q", name)
	}
	return nil
}

// plain rejects characters that cannot be quoted safely in every language.
func plain(what, s string) error {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return fmt.Errorf("%s: %q has a control character", what, s)
		}
	}
	return nil
}
