package view

import (
	"errors"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision"
)

// TestGraph: resources in every state, what they need, who shares them, and names that would break
// the syntax.
func TestGraph(t *testing.T) {
	d := Drawing{Header: testHeader, Owner: "dev@eu-central-1", Plan: provision.Plan{Actions: []provision.Action{
		{Step: "log group", Object: "/flowbed/dev", Owner: ours},
		{Step: "bucket", Op: provision.Create},
		{Step: "execution role", Object: "ecsTaskExecutionRole", Op: provision.Update, Owner: provision.Owner{
			By: "prod@eu-central-1", Claims: []string{"dev@eu-central-1", "prod@eu-central-1", "a\"]<b>@eu-central-1"}}},
		{Step: "cluster", Object: "default", Op: provision.Use, Owner: provision.Owner{By: "prod@eu-central-1", Claims: []string{"prod@eu-central-1"}}},
		{Step: "work pool", Object: "x\x1b[2J`#&\\\"y", Op: provision.Conflict},
		{Step: "agent instance", Object: "i-0a1", Op: provision.Replace, Owner: ours},
		{Step: "worker", Err: errors.New("denied")},
	}}, Needs: map[string][]string{"bucket": {"log group"}, "work pool": {"execution role", "cluster"}, "agent instance": {"bucket", "work pool"}, "worker": {"agent instance"}}}
	for name, write := range map[string]func(*strings.Builder) error{
		"mermaid": func(b *strings.Builder) error { return Mermaid(b, d) },
		"dot":     func(b *strings.Builder) error { return DOT(b, d) },
	} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, "graph/"+name, b.String())
		if strings.ContainsRune(b.String(), '\x1b') {
			t.Errorf("%s has an escape sequence", name)
		}
	}
	if Mermaid(full{}, d) == nil || DOT(full{}, d) == nil {
		t.Error("an error of the writer is not returned")
	}
}

// TestGraphNamesAllActions: the label says each action, as a color alone says nothing to some.
func TestGraphNamesAllActions(t *testing.T) {
	for op := provision.Create; op <= provision.Leave; op++ {
		if inGraph[op.String()] == "" {
			t.Errorf("no word for %s", op)
		}
	}
}
