package view

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// The scripts of drift.
const (
	oldScript = "#!/bin/bash\nset -eu\n\nsay() { echo \"$*\"; }\n\ncat >/etc/flowbed/setup <<'FLOWBED_END'\n#!/bin/sh\necho one\nFLOWBED_END\n\n" +
		"begin 'python'\npython=python3.12\n\nbegin 'prefect'\ntry pip install 'prefect[aws]==3.9.0'\n\nbegin 'start'\nsystemctl restart flowbed-agent\n"
	newScript = "#!/bin/bash\nset -eu\n\nsay() { echo \"$*\"; }\n\ncat >/etc/flowbed/setup <<'FLOWBED_END'\n#!/bin/sh\n\techo two\nFLOWBED_END\n\n" +
		"begin 'python'\npython=python3.12\n\nbegin 'prefect'\ntry pip install 'prefect[aws]==3.9.1'\n\nbegin 'start'\nsystemctl restart flowbed-agent\n"
)

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", i)
	}
	return b.String()
}

// TestScript: of a script a plan shows why it differs and in what, and never a digest.
func TestScript(t *testing.T) {
	one := func(c provision.Change) provision.Plan {
		c.Field, c.Replace, c.Why = "user data", true, "it cannot be changed after the launch: a new instance replaces i-0abc"
		return provision.Plan{Actions: []provision.Action{{Step: "agent instance", Object: "i-0abc", Op: provision.Replace, Owner: ours, Changes: []provision.Change{c}}}}
	}
	script := provision.Script
	release := []string{"flowbed 0.3.0's setup script instead of flowbed 0.2.0's"}
	long := provision.Change{From: script(numbered(60, "echo %d")), To: script(numbered(60, "echo new %d")), Causes: release}
	unread := provision.Change{To: script(newScript), Causes: []string{
		"what i-0abc runs, which flowbed 0.2.0 wrote, cannot be read: UnauthorizedOperation → allow ec2:DescribeInstanceAttribute"}}
	for _, c := range []struct {
		name   string
		change provision.Change
		o      Options
	}{
		{"long", long, Options{Width: 80}},
		{"long-full", long, Options{Width: 80, Full: true}},
		{"unread", unread, Options{Width: 80}},
		{"unread-full", unread, Options{Width: 80, Full: true}},
		{"same", provision.Change{From: script(newScript), To: script(newScript), Causes: []string{"the tag flowbed:launch has changed"}}, Options{Width: 80}},
		{"gone", provision.Change{From: script(oldScript)}, Options{Width: 80}},
		{"unknown", provision.Change{From: script(oldScript), To: provision.Unknown()}, Options{Width: 80}},
		{"odd", provision.Change{From: script("a\n\nb \n\x1b[2J\n"), To: script("a\n\n\tb\r\nno end"), Causes: []string{"agent.setup\nchanged"}}, Options{Width: 80}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := Plan(&b, one(c.change), c.o); err != nil {
				t.Fatal(err)
			}
			golden(t, "script/"+c.name, b.String())
		})
	}
}
