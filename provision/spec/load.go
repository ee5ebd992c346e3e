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
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Options control how a file is read. The zero value reads a file with one
// environment, and uses the environment variables and the home directory of the
// process.
type Options struct {
	Env      string            // the environment to select (-e); may be empty if the file has only one
	Vars     map[string]string // values of variables (--var)
	VarFiles []string          // paths of files with values of variables (--var-file); the last one wins
	Region   string            // overrides the file's region (--region); may be empty

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

	// Reading, if it is not nil, is called with the path of each file before it is read.
	Reading func(path string)

	partial bool // see Validate
}

func (o Options) withDefaults() Options {
	if o.Environ == nil {
		o.Environ = os.LookupEnv
	}
	if o.Home == "" {
		o.Home, _ = os.UserHomeDir() // without one, file("~/…") reports it
	}
	if o.Reading == nil {
		o.Reading = func(string) {}
	}
	return o
}

// File is a config file with one environment selected. [File.Environment] evaluates
// the attributes that depend on the account or the region.
type File struct {
	// Warnings are about settings that work but probably should not be so.
	// Environment replaces them, because it knows more.
	Warnings hcl.Diagnostics

	o            Options
	environments []*hclsyntax.Block // with exactly one label
	defaults     *hclsyntax.Block   // nil if the file has none
	vars         map[string]*variable
	locals       map[string]*local
	meant        map[meant]bool
	functions    functions
	hidden       *hidden
	meter        *meter
	files        map[string]*hcl.File

	unset   []unset          // of the environment that was evaluated last
	block   *hclsyntax.Block // of the selected environment; nil if there is no file
	name    string           // of the selected environment
	region  string
	account string

	choosesRole bool
}

// Load reads a file and reports every mistake in it, without calling AWS. If the
// file does not set the account or the region, it checks with an example of each.
// An error is an [*Error].
func Load(path string, o Options) (*File, error) {
	return read(path, o, (*File).load)
}

// Validate checks a file as Load does, but without its variables: a variable without a
// value is unknown, and not an error. Without Options.Env it checks all environments,
// those of each pattern with an example of a name, and also against each other. Then the
// file that it returns has no selected environment, and the region that all of them have.
func Validate(path string, o Options) (*File, error) {
	o.partial = true
	if o.Env != "" {
		return Load(path, o)
	}
	return read(path, o, (*File).validate)
}

// read opens a file for one of the ways to read its text.
func read(path string, o Options, text func(f *File, path string, src []byte) (*File, error)) (*File, error) {
	f := newFile(o)
	if bad := f.badRegion(); bad != nil {
		return nil, f.fail(bad)
	}
	f.o.Reading(path)
	src, err := readFile(path)
	if err != nil {
		return nil, f.fail(hcl.Diagnostics{unreadable(path, err)})
	}
	return text(f, path, src)
}

func newFile(o Options) *File {
	return &File{
		o: o.withDefaults(), hidden: &hidden{}, meter: &meter{}, vars: map[string]*variable{}, locals: map[string]*local{}, meant: map[meant]bool{},
	}
}

// load reads the text of a file.
func (f *File) load(path string, src []byte) (*File, error) {
	body, d, err := f.parse(path, src)
	if err != nil {
		return nil, err
	}
	f.choose(d, body.MissingItemRange())
	diags := d.diags
	if f.block != nil {
		f.locate()
		e, _, more := f.build(Place{Region: f.region, Account: f.account})
		diags = append(diags, more...)
		f.choosesRole = e.ExecutionRole.Name == AccountExecutionRole && e.ExecutionRole.Ownership == ""
	}
	return f.loaded(diags)
}

// loaded returns the file, or its mistakes.
func (f *File) loaded(diags hcl.Diagnostics) (*File, error) {
	diags = distinct(diags)
	if diags.HasErrors() {
		return nil, f.fail(diags)
	}
	f.Warnings = append(f.regionWarning(), f.hidden.scrub(diags)...)
	return f, nil
}

// distinct leaves out repetitions: several environments, or several attributes, can
// have a mistake in common.
func distinct(diags hcl.Diagnostics) (once hcl.Diagnostics) {
	type key struct {
		at              hcl.Range
		summary, detail string
	}
	seen := map[key]bool{}
	for _, d := range diags {
		k := key{subject(d), d.Summary, d.Detail}
		if !seen[k] {
			seen[k] = true
			once = append(once, d)
		}
	}
	return once
}

// parse reads a file's syntax, its variables, and everything that can be checked
// without the values of an environment.
func (f *File) parse(path string, src []byte) (*hclsyntax.Body, *decoder, error) {
	parsed, diags := parseHCL(src, path, f.meter)
	if parsed != nil {
		f.files = map[string]*hcl.File{path: parsed}
	}
	if diags.HasErrors() { // messages about half a syntax tree would mislead
		f.hidden.unparsed = true
		return nil, nil, f.fail(first(diags))
	}
	f.functions = newFunctions(f.o, filepath.Dir(path), f.meter)
	body := parsed.Body.(*hclsyntax.Body)
	d := &decoder{file: f}
	given := d.readVarFiles()
	if d.diags.HasErrors() { // messages about values that are in the file would mislead
		return nil, nil, f.fail(d.diags)
	}
	d.open(body, given)
	return body, d, nil
}

// DeclaresVariable reports whether a file declares a variable of this name. It is
// false for a file that cannot be read.
func DeclaresVariable(path, name string) bool {
	src, err := readFile(path)
	if err != nil {
		return false
	}
	parsed, _ := parseHCL(src, path, &meter{})
	if parsed == nil {
		return false
	}
	body, ok := parsed.Body.(*hclsyntax.Body)
	return ok && slices.ContainsFunc(body.Blocks, func(b *hclsyntax.Block) bool {
		return b.Type == "variable" && slices.Equal(b.Labels, []string{name})
	})
}

// Bare returns a file with one environment that has all defaults. It serves to
// remove an environment without its config file. It has an agent with all its
// blocks, so that down looks for everything that could exist.
func Bare(name string, o Options) (*File, error) {
	f := newFile(o)
	f.name, f.region, f.o.Destroy = name, o.Region, true
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
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Summary = "Missing file"
		d.Detail = fmt.Sprintf("%s does not exist. → write one with `flowbed init`, or give another file with --config", path)
	default:
		d.Detail = unreadableText("Reading "+path, err, "give another file with --config")
	}
	return d
}

// cause is a file's error without the path.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// syntaxHints are the hints for HCL's errors that people make most.
var syntaxHints = map[string]string{
	"Argument definition required":             " → write the inner block on lines of its own",
	"Invalid single-argument block definition": " → begin a new line after the { of the block, and before its }",
	"Missing newline after argument":           " → begin a new line after each value",
}

// first keeps one syntax error of each line, and none after a string without an
// end: what follows it only makes no sense because of it.
func first(diags hcl.Diagnostics) hcl.Diagnostics {
	var kept hcl.Diagnostics
	lines := map[int]bool{}
	for _, d := range diags {
		if line := subject(d).Start.Line; !lines[line] {
			lines[line] = true
			d.Detail += syntaxHints[d.Summary]
			kept = append(kept, d)
		}
		if d.Summary == "Invalid multi-line string" {
			break
		}
	}
	return kept
}

// open finds the blocks of the file, reads the variables, and checks the structure of the
// rest.
func (d *decoder) open(body *hclsyntax.Body, given map[string]*fileValue) {
	f := d.file
	d.unknownNames(body, nil, topLevel, "a config file")
	seen := map[string]hcl.Range{}
	for _, b := range body.Blocks {
		switch b.Type {
		case "locals":
			d.declareLocals(b)
		case "defaults":
			d.declareDefaults(b)
		case "variable", "environment":
			if !d.oneLabel(b) {
				if b.Type == "variable" {
					d.closeVariable(b)
				}
				continue
			}
			label := b.Type + " " + b.Labels[0]
			if at, ok := seen[label]; ok {
				if b.Type == "variable" { // nobody looks whether it is a secret
					d.closeVariable(b)
				}
				d.errorAt(b.DefRange(), "Duplicate "+b.Type, fmt.Sprintf(
					"Line %[3]d already defines %[1]s %[2]q. → rename or remove one of them", b.Type, b.Labels[0], at.Start.Line))
				continue
			}
			seen[label] = b.DefRange()
			if b.Type == "variable" {
				d.variable(b, given[b.Labels[0]])
			} else {
				d.declareEnvironment(b)
			}
		}
	}
	d.connectLocals()
	d.unknownVars(body.Range())
	d.unknownFromFiles(given)
	for _, b := range f.environments {
		d.structure(b)
	}
	if f.defaults != nil {
		d.structure(f.defaults)
	}
}

// mostEnvironments is a limit because each environment is compared with all others.
const mostEnvironments = 1000

func (d *decoder) declareEnvironment(b *hclsyntax.Block) {
	if len(d.file.environments) == mostEnvironments {
		d.errorAt(b.DefRange(), "Too many environments", fmt.Sprintf("A file can have %d environments. → put the others into a second file", mostEnvironments))
		return
	}
	d.file.environments = append(d.file.environments, b)
	switch label := b.Labels[0]; {
	case !strings.Contains(label, "*"):
		if !environmentName.matches(label) {
			d.errorAt(b.LabelRanges[0], "Invalid environment name", badEnvironment(label))
		}
	case !environmentPattern.matches(label):
		d.errorAt(b.LabelRanges[0], "Invalid pattern", fmt.Sprintf(
			"%q is not a valid pattern. → use the beginning of an environment's name and one asterisk at the end, for example \"pr-*\"", label))
	}
}

func (d *decoder) declareDefaults(b *hclsyntax.Block) {
	switch f := d.file; {
	case len(b.Labels) > 0:
		d.errorAt(b.LabelRanges[0], "Unexpected label", fmt.Sprintf(
			"The defaults block applies to all environments of the file, so it takes no label. → remove %q", b.Labels[0]))
	case f.defaults != nil:
		d.errorAt(b.DefRange(), "Duplicate block", fmt.Sprintf(
			"There can be only one defaults block, and line %d has one already. → put everything into one block", f.defaults.DefRange().Start.Line))
	default:
		f.defaults = b
	}
}

// EnvName is the name of the selected environment.
func (f *File) EnvName() string { return f.name }

// Names are the labels of all environments, in the order of the file: names and
// patterns.
func (f *File) Names() []string {
	names := make([]string, len(f.environments))
	for i, b := range f.environments {
		names[i] = b.Labels[0]
	}
	return names
}

// Describes reports whether the file has an environment with a name, or a pattern for it.
func (f *File) Describes(name string) bool {
	return slices.ContainsFunc(f.Names(), func(label string) bool { return fits(label, name) })
}

// ChoosesRole reports whether the selected environment names no execution role, so that
// package stack has to choose one.
func (f *File) ChoosesRole() bool { return f.choosesRole }

// Region is Options.Region, or else the region that the file sets. It is empty if
// neither is set.
func (f *File) Region() string { return f.region }

// Account is the account to which the environment is pinned, or empty.
func (f *File) Account() string { return f.account }

// Secrets are the values that nobody may print: those of all sensitive variables,
// and the API's key or password.
func (f *File) Secrets() []string { return slices.Clone(f.hidden.values) }

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
