package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/module"

	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/view"
)

// Releases and `make build` set these with the linker.
var (
	linkedVersion string
	linkedCommit  string
	linkedDate    string // RFC 3339
)

// built is this program; version is the version that it has.
var (
	built   = describeBuild(debug.ReadBuildInfo())
	version = built.Version
)

// describeBuild tells what the program was built from. What the linker has not set, Go knows:
// the module's version after `go install …@latest`, and the commit after `go build` in a clone.
func describeBuild(info *debug.BuildInfo, _ bool) view.Build {
	b := view.Build{Version: linkedVersion, Commit: linkedCommit, Date: linkedDate,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info != nil {
		b = withBuildInfo(b, info)
	}
	b.Version = cmp.Or(numberAlone(b.Version), "dev")
	return b
}

func withBuildInfo(b view.Build, info *debug.BuildInfo) view.Build {
	b.Go = cmp.Or(info.GoVersion, b.Go)
	if main := info.Main.Version; main != "(devel)" {
		b.Version = cmp.Or(b.Version, main)
		if at, err := module.PseudoVersionTime(main); err == nil {
			b.Date = cmp.Or(b.Date, at.UTC().Format("2006-01-02T15:04:05Z"))
		}
		if commit, err := module.PseudoVersionRev(main); err == nil {
			b.Commit = cmp.Or(b.Commit, commit)
		}
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; strings.HasPrefix(revision, b.Commit) { // also if no commit is known
		b.Commit = revision
	}
	b.Date = cmp.Or(b.Date, settings["vcs.time"])
	b.Modified = settings["vcs.modified"] == "true" || strings.HasSuffix(b.Version, "dirty")
	return b
}

var tag = regexp.MustCompile(`^v[0-9]`)

// numberAlone is a version without the v that Git tags and Go modules have.
func numberAlone(version string) string {
	if tag.MatchString(version) {
		return version[1:]
	}
	return version
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Print the version",
		Long: `Print the version, and what the program was built from: the commit, its date,
the version of Go, and the platform; and how old the prices are that plan, list
and doctor use for the cost of an environment. What is not known is left out.`,
		Example: `  flowbed version
  flowbed version --json | jq -r .version`,
		Args: noArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document (docs/json.md)")
	c.RunE = func(*cobra.Command, []string) error {
		if asJSON {
			return view.BuildJSON(a.out, built, time.Now())
		}
		return showBuild(a.out, built, time.Now())
	}
	return c
}

// showBuild prints the version on the first line, and then the rest.
func showBuild(w io.Writer, b view.Build, now time.Time) error {
	commit := b.Commit
	if b.Modified {
		commit = strings.TrimPrefix(commit+", modified", ", ")
	}
	text := "flowbed " + b.Version + "\n"
	prices := fmt.Sprintf("of %s, %d days old", cost.Prices().Date, cost.Prices().Age(now))
	for _, row := range [][2]string{{"commit", commit}, {"date", b.Date}, {"go", b.Go}, {"platform", b.Platform}, {"prices", prices}} {
		if row[1] != "" {
			text += fmt.Sprintf("  %-8s  %s\n", row[0], row[1])
		}
	}
	_, err := io.WriteString(w, text)
	return err
}
