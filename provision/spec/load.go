package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Options control how a file is read. The zero value reads a file with one
// environment, and uses the environment variables and the home directory of the
// process.
type Options struct {
	Env    string            // the environment to select (-e); may be empty if the file has only one
	Vars   map[string]string // values of variables (--var)
	Region string            // overrides the file's region (--region); may be empty

	Environ func(string) (string, bool) // nil: os.LookupEnv
	Home    string                      // replaces ~ in paths; empty: os.UserHomeDir

	// Destroy reads the file to remove an environment. If a variable, an
	// environment variable or a file is missing, the attributes that need it count
	// as not set. Only attributes that tell what a resource is called or where it is
	// must have a value, and only they are checked.
	Destroy bool

	// Check, if it is not nil, is called with each complete environment that passed
	// all other checks, but not with Destroy. Until the account and the region are
	// known, the environment has an example of each.
	Check func(*Environment) []Complaint
}

func (o Options) withDefaults() Options {
	if o.Environ == nil {
		o.Environ = os.LookupEnv
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir() // without one, file("~/…") reports it
	}
	return o
}

// File is a config file with one environment selected. [File.Environment] evaluates
// the attributes that depend on the account or the region.
type File struct {
	// Warnings are about settings that work but probably should not be so.
	// Environment replaces them, because it knows more.
	Warnings hcl.Diagnostics

	o         Options
	name      string           // of the selected environment
	body      *hclsyntax.Body  // of the selected environment; nil if there is no file
	block     *hclsyntax.Block // of the selected environment; nil if there is no file
	names     []string
	vars      map[string]*variable
	functions functions
	region    string
	account   string
	hidden    hidden
	files     map[string]*hcl.File
}

// Load reads a file and reports every mistake in it, without calling AWS. If the
// file does not set the account or the region, it checks with an example of each.
// An error is an [*Error].
func Load(path string, o Options) (*File, error) {
	f := &File{o: o.withDefaults()}
	if bad := f.badRegion(); bad != nil {
		return nil, f.fail(bad)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, f.fail(hcl.Diagnostics{unreadable(path, err)})
	}
	return f.load(path, src)
}

// load reads the text of a file.
func (f *File) load(path string, src []byte) (*File, error) {
	parser := hclparse.NewParser()
	parsed, diags := parser.ParseHCL(src, path)
	f.files = parser.Files()
	if diags.HasErrors() { // messages about half a syntax tree would mislead
		f.hidden.unparsed = true
		return nil, f.fail(first(diags))
	}
	f.functions = newFunctions(f.o, filepath.Dir(path))
	diags = append(diags, f.open(parsed.Body.(*hclsyntax.Body))...)
	if f.body != nil {
		e, more := f.build(Place{Region: f.region, Account: f.account})
		diags = append(diags, more...)
		f.hideKey(e)
	}
	if diags.HasErrors() {
		return nil, f.fail(diags)
	}
	f.Warnings = f.hidden.scrub(diags)
	return f, nil
}

// DeclaresVariable reports whether a file declares a variable of this name. It is
// false for a file that cannot be read.
func DeclaresVariable(path, name string) bool {
	src, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	parsed, _ := hclparse.NewParser().ParseHCL(src, path)
	body, ok := parsed.Body.(*hclsyntax.Body)
	return ok && slices.ContainsFunc(body.Blocks, func(b *hclsyntax.Block) bool {
		return b.Type == "variable" && slices.Equal(b.Labels, []string{name})
	})
}

// Bare returns a file with one environment that has all defaults. It serves to
// remove an environment without its config file. It has an agent with all its
// blocks, so that down looks for everything that could exist.
func Bare(name string, o Options) (*File, error) {
	f := &File{o: o.withDefaults(), name: name, names: []string{name}, region: o.Region}
	f.o.Destroy = true
	if bad := f.badRegion(); bad != nil {
		return nil, f.fail(bad)
	}
	if !environmentName.matches(name) {
		return nil, f.fail(hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Invalid environment name", Detail: badEnvironment(name),
		}})
	}
	return f, nil
}

// badRegion checks Options.Region.
func (f *File) badRegion() hcl.Diagnostics {
	if r := f.o.Region; r != "" && !regionName.matches(r) {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Invalid region",
			Detail: fmt.Sprintf(`--region %q is not an AWS region. → use its code, for example "us-east-1" or "eu-central-1"`, r),
		}}
	}
	return nil
}

func unreadable(path string, err error) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unreadable file"}
	cause := err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		cause = p.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Summary = "Missing file"
		d.Detail = fmt.Sprintf("%s does not exist. → copy config.hcl.example to it, or give another file with --config", path)
	default:
		d.Detail = fmt.Sprintf("Reading %s: %v. → give another file with --config", path, cause)
	}
	return d
}

// first keeps one syntax error of each line, and none after a string without an
// end: what follows it only makes no sense because of it.
func first(diags hcl.Diagnostics) hcl.Diagnostics {
	var kept hcl.Diagnostics
	lines := map[int]bool{}
	for _, d := range diags {
		if line := subject(d).Start.Line; !lines[line] {
			lines[line] = true
			kept = append(kept, d)
		}
		if d.Summary == "Invalid multi-line string" {
			break
		}
	}
	return kept
}

// open finds the variables and the environments, and selects one environment.
func (f *File) open(body *hclsyntax.Body) hcl.Diagnostics {
	d := &decoder{file: f}
	d.unknownNames(body, nil, []string{"environment", "variable"}, "a config file")
	var environments []*hclsyntax.Block
	seen := map[string]hcl.Range{}
	f.vars = map[string]*variable{}
	for _, b := range body.Blocks {
		if b.Type != "variable" && b.Type != "environment" || !d.oneLabel(b) {
			continue
		}
		label := b.Type + " " + b.Labels[0]
		if at, ok := seen[label]; ok {
			d.errorAt(b.DefRange(), "Duplicate "+b.Type, fmt.Sprintf(
				"Line %[3]d already defines %[1]s %[2]q. → rename or remove one of them", b.Type, b.Labels[0], at.Start.Line))
			continue
		}
		seen[label] = b.DefRange()
		if b.Type == "variable" {
			d.variable(b)
			continue
		}
		environments = append(environments, b)
		f.names = append(f.names, b.Labels[0])
	}
	d.unknownVars(body.Range())
	f.choose(d, environments, body)
	for _, b := range environments {
		if b != f.block {
			d.structure(b)
		}
	}
	return d.diags
}

func (f *File) choose(d *decoder, environments []*hclsyntax.Block, body *hclsyntax.Body) {
	switch {
	case len(environments) == 0:
		d.errorAt(body.MissingItemRange(), "No environment",
			`The file has no environment block. → add at least: environment "dev" {}`)
		return
	case f.o.Env == "" && len(environments) > 1:
		d.errorAt(environments[1].DefRange(), "Several environments",
			fmt.Sprintf("The file has the environments %s. → select one with -e, for example: -e %s",
				list(f.names, "and"), f.names[0]))
		return
	}
	i := 0
	if f.o.Env != "" {
		i = slices.Index(f.names, f.o.Env)
	}
	if i < 0 {
		at := environments[0]
		if s := nearest(f.o.Env, f.names); s != "" {
			at = environments[slices.Index(f.names, s)]
		}
		d.errorAt(at.DefRange(), "Unknown environment", fmt.Sprintf("The file has no environment %q.%s",
			f.o.Env, advice(didYouMean(f.o.Env, f.names), "the file has "+list(f.names, "and"))))
		return
	}
	f.block, f.body, f.name = environments[i], environments[i].Body, f.names[i]
	if !environmentName.matches(f.name) {
		d.errorAt(f.block.LabelRanges[0], "Invalid environment name", badEnvironment(f.name))
	}
	d.whereabouts(f.block)
}

// EnvName is the name of the selected environment.
func (f *File) EnvName() string { return f.name }

// Names are the names of all environments, in the order of the file.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Region is Options.Region, or else the region that the file sets. It is empty if
// neither is set.
func (f *File) Region() string { return f.region }

// Account is the account to which the environment is pinned, or empty.
func (f *File) Account() string { return f.account }

// Secrets are the values that nobody may print: those of all sensitive variables,
// and the API's key or password.
func (f *File) Secrets() []string { return slices.Clone(f.hidden.values) }

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
