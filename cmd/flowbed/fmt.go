package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/spec"
)

// formatting are the flags of fmt.
type formatting struct{ check, diff bool }

func (a *app) fmtCommand() *cobra.Command {
	var f formatting
	c := &cobra.Command{
		Use: "fmt [file]...", Short: "Format config files", SuggestFor: []string{"format"},
		Long: `Format config.hcl, or the files that you name, in the format of HCL, and print
the names of those that have changed. With - as the name, format stdin to
stdout.`,
		Example: `  flowbed fmt
  flowbed fmt --check         in CI: exit with 1 if a file is not formatted
  flowbed fmt --diff          show the changes, and write nothing
  flowbed fmt - < config.hcl`,
	}
	c.Flags().BoolVar(&f.check, "check", false, "write nothing; exit with 1 if a file is not formatted")
	c.Flags().BoolVar(&f.diff, "diff", false, "show the changes, and write nothing")
	c.RunE = func(c *cobra.Command, paths []string) error {
		if len(paths) == 0 {
			paths = []string{a.config}
		}
		var errs []error
		changed := false
		for _, path := range paths {
			one, err := a.format(path, f)
			a.report(err) // each with its place, and not only the first one
			changed, errs = changed || one, append(errs, err)
		}
		switch err := errors.Join(errs...); {
		case err != nil:
			return coded{code: exitCode(err)}
		case f.check && changed:
			return coded{code: exitFailed}
		}
		return nil
	}
	return c
}

// format formats one file, and reports whether that changes it.
func (a *app) format(path string, f formatting) (changed bool, err error) {
	if strings.EqualFold(filepath.Ext(path), ".json") {
		return false, usage(&hinted{fmt.Errorf("%s is JSON, and fmt formats HCL", path), "leave the file out"})
	}
	name := path
	read := spec.ReadFile
	if path == "-" {
		name, read = "stdin", func(string) ([]byte, error) { return a.readStdin() }
	}
	have, err := read(path)
	if err != nil {
		return false, err
	}
	want, err := spec.Format(name, have)
	if err != nil {
		return false, err
	}
	changed = !bytes.Equal(have, want)
	switch {
	case f.diff:
		// Where a secret may be, only spaces are of interest.
		_, err = a.out.Write(diff.Diff(name, spec.Veil(have), name+" (formatted)", spec.Veil(want)))
	case path == "-" && !f.check:
		_, err = a.out.Write(want)
	case changed:
		if !f.check {
			if err = replace(path, want); err != nil {
				return changed, err
			}
		}
		_, err = fmt.Fprintln(a.out, name)
	}
	return changed, err
}

// readStdin reads a file from stdin.
func (a *app) readStdin() ([]byte, error) {
	src, err := io.ReadAll(io.LimitReader(a.in, spec.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read stdin: %w", err)
	}
	if len(src) > spec.MaxFile {
		return nil, usage(errors.New("stdin has more than 1 MiB"))
	}
	return src, nil
}

// replace writes a file of the user in one step.
func replace(path string, content []byte) error {
	o, err := newOutput(path, nil)
	if err == nil {
		err = o.write(content)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
