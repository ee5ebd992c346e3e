package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestVariables: each flag has one variable, which is nothing else: neither an output that
// `outputs --format env` sets, nor a variable that flowbed reads elsewhere, nor one of the
// config file's variables, also where names of variables have no case.
func TestVariables(t *testing.T) {
	taken := map[string]bool{"FLOWBED_PUBLIC_IP": true, "FLOWBED_SETTLE": true, "FLOWBED_TESTS": true}
	source, err := os.ReadFile("../../provision/stack/outputs.go")
	if err != nil {
		t.Fatal(err)
	}
	outputs := regexp.MustCompile(`(?:Name: |add\()"([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(outputs) < 20 {
		t.Fatalf("only %d outputs", len(outputs))
	}
	for _, m := range outputs {
		name := outputVariable(m[1])
		if taken[name] {
			t.Errorf("the output %s sets %s, which flowbed reads", m[1], name)
		}
		taken[name] = true
	}
	flags := map[string]string{}
	for _, c := range allCommands(newApp(os.Stdin, os.Stdout, os.Stderr).command()) {
		visit := func(f *pflag.Flag) {
			name := variableOf(f)
			switch {
			case slices.Contains([]string{"help", "version", "var"}, f.Name):
				if name != "" {
					t.Errorf("--%s has the variable %s", f.Name, name)
				}
				return
			case !regexp.MustCompile(`^FLOWBED_[A-Z_]+$`).MatchString(name) || strings.HasPrefix(name, "FLOWBED_VAR_"):
				t.Errorf("--%s has the variable %q", f.Name, name)
			case taken[name]:
				t.Errorf("--%s has the variable %s, which is something else", f.Name, name)
			}
			if was := flags[name]; was != "" && was != f.Name {
				t.Errorf("--%s and --%s have the variable %s", was, f.Name, name)
			}
			flags[name] = f.Name
		}
		c.LocalFlags().VisitAll(visit)
		c.InheritedFlags().VisitAll(visit)
	}
	if len(flags) < 30 {
		t.Errorf("only %d flags", len(flags))
	}
}
