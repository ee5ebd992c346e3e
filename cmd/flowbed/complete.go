package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/spec"
)

// completer is cobra's function for the values of a flag, or for arguments.
type completer = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeFlags adds the values of flags to the completion of all commands. None of them calls
// AWS: a shell waits for them.
func (a *app) completeFlags(root *cobra.Command) {
	values := map[string]completer{
		"env": a.completeEnvironments, "profile": only(profiles), "region": only(spec.Regions),
		"format": only(func() []string { return formats }), "for": only(policyVerbs), "agent": only(func() []string { return agentKinds }),
		"confirm": a.completeEnvironments,
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for name, f := range values {
			if c.Flags().Lookup(name) != nil || c.PersistentFlags().Lookup(name) != nil {
				_ = c.RegisterFlagCompletionFunc(name, f) // fails only for a flag that is not there
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// only completes with a list that depends on nothing.
func only(list func() []string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list(), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeEnvironments completes with the environments of the file that the command line or the
// environment names.
func (a *app) completeEnvironments(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	a.quiet = true
	if a.fromEnvironment(c) != nil || a.changeDirectory() != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return spec.EnvironmentNames(a.config), cobra.ShellCompDirectiveNoFileComp
}

func policyVerbs() (list []string) {
	for _, v := range permissions.Verbs {
		list = append(list, string(v))
	}
	return append(list, "logs", "agent", "worker", "key")
}

var profileHeader = regexp.MustCompile(`^\[\s*(?:profile\s+)?"?([^\]"]+?)"?\s*\]`)

// profiles are the profiles in the files of the AWS command line, sorted.
func profiles() (list []string) {
	if expandPaths() != nil {
		return nil
	}
	for _, f := range []struct{ variable, usual string }{
		{"AWS_CONFIG_FILE", config.DefaultSharedConfigFilename()}, {"AWS_SHARED_CREDENTIALS_FILE", config.DefaultSharedCredentialsFilename()},
	} {
		list = append(list, sections(firstOf(os.Getenv(f.variable), f.usual))...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// sections are the profiles in one file. Sections of another kind, such as sso-session, are none.
func sections(path string) (list []string) {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // reading cannot lose data
	for lines := bufio.NewScanner(file); lines.Scan(); {
		m := profileHeader.FindStringSubmatch(strings.TrimSpace(lines.Text()))
		if m != nil && !strings.ContainsFunc(m[1], unicode.IsControl) && !strings.HasPrefix(m[1], "sso-session ") && !strings.HasPrefix(m[1], "services ") {
			list = append(list, m[1])
		}
	}
	return list
}
