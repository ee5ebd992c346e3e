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

// Options say how a file is to be read. The zero value reads a file with one
// environment and with the process's environment variables and home directory.
type Options struct {
	Env    string            // which environment (-e); may be empty if the file holds one
	Vars   map[string]string // values of variables (--var)
	Region string            // takes the place of the file's region (--region); may be empty

	Environ func(string) (string, bool) // nil: os.LookupEnv
	Home    string                      // what ~ stands for; empty: os.UserHomeDir

	// Removal reads the file for taking an environment away: what cannot be
	// evaluated because a variable, an environment variable or a file is missing
	// counts as not written, unless it says how an object is called or where it
	// is; and only such names are checked.
	Removal bool

	// Check, if it is set, is asked about each complete environment in which
	// nothing else is wrong, though not for a removal. Until the account and the
	// region are known, the environment is at an example of each.
	Check func(*Environment) []Complaint
}

func (o Options) withDefaults() Options {
	if o.Environ == nil {
		o.Environ = os.LookupEnv
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir() // without one, file("~/…") says so
	}
	return o
}

// File is a spec with one environment chosen from it. What depends on the
// account or the region waits for [File.Environment].
type File struct {
	// Warnings are about things that work and should be otherwise. Environment
	// replaces them, because then more is known.
	Warnings hcl.Diagnostics

	o         Options
	name      string           // of the chosen environment
	body      *hclsyntax.Body  // of the chosen environment; nil if there is no file
	block     *hclsyntax.Block // the same
	names     []string
	vars      map[string]*variable
	functions functions
	region    string
	account   string
	hidden    hidden
	files     map[string]*hcl.File
}

// Load reads a file and finds all that is wrong with it, without asking anybody.
// Where the account or the region matters and is not written in the file, it
// takes an example of each. An error is an [*Error].
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

// load reads a file whose text is at hand.
func (f *File) load(path string, src []byte) (*File, error) {
	parser := hclparse.NewParser()
	parsed, diags := parser.ParseHCL(src, path)
	f.files = parser.Files()
	if diags.HasErrors() { // half a syntax tree would only add misleading messages
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

// Bare is a file with one environment that has nothing but defaults, for the
// removal of an environment whose file is not at hand. It has an agent with all
// its blocks, so that everything that could exist is looked for.
func Bare(name string, o Options) (*File, error) {
	f := &File{o: o.withDefaults(), name: name, names: []string{name}, region: o.Region}
	f.o.Removal = true
	if bad := f.badRegion(); bad != nil {
		return nil, f.fail(bad)
	}
	if !environmentName.matches(name) {
		return nil, f.fail(hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Bad environment name", Detail: badEnvironment(name),
		}})
	}
	return f, nil
}

// badRegion checks the region that is given from outside.
func (f *File) badRegion() hcl.Diagnostics {
	if r := f.o.Region; r != "" && !regionName.matches(r) {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Bad region",
			Detail: fmt.Sprintf(`--region %q is no AWS region. Use its code, for example "us-east-1" or "eu-central-1".`, r),
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
		d.Detail = fmt.Sprintf("There is no file %q. Copy config.hcl.example to it, or name another file with --config.", path)
	default:
		d.Detail = fmt.Sprintf("Reading %q: %v. Name another file with --config.", path, cause)
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

// open finds the variables and the environments, and chooses one of these.
func (f *File) open(body *hclsyntax.Body) hcl.Diagnostics {
	d := &decoder{file: f}
	d.unknownNames(body, nil, []string{"environment", "variable"}, "a spec")
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
				"%s %q is already defined on line %d. Rename or remove one of them.", title(b.Type), b.Labels[0], at.Start.Line))
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
			`The file has no environment block. The least that it needs is: environment "dev" {}`)
		return
	case f.o.Env == "" && len(environments) > 1:
		d.errorAt(environments[1].DefRange(), "Several environments",
			fmt.Sprintf("The file has the environments %s. Choose one with -e, for example: -e %s",
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
		d.errorAt(at.DefRange(), "No such environment", fmt.Sprintf("-e %s names no environment of this file.%s The file has %s.",
			f.o.Env, didYouMean(f.o.Env, f.names), list(f.names, "and")))
		return
	}
	f.block, f.body, f.name = environments[i], environments[i].Body, f.names[i]
	if !environmentName.matches(f.name) {
		d.errorAt(f.block.LabelRanges[0], "Bad environment name", badEnvironment(f.name))
	}
	d.whereabouts(f.block)
}

// EnvName is the name of the chosen environment.
func (f *File) EnvName() string { return f.name }

// Names are the names of all environments of the file, in its order.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Region is the region that was given by Options.Region or else by the file; it
// is empty if neither does.
func (f *File) Region() string { return f.region }

// Account is the account to which the environment is pinned, or empty.
func (f *File) Account() string { return f.account }

// Secrets are the values that must not be shown: those of the sensitive
// variables, and that of the API.
func (f *File) Secrets() []string { return slices.Clone(f.hidden.values) }

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
