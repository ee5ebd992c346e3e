package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/provision/view"
)

func (a *app) graphCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "graph", Short: "Draw the resources of an environment", SuggestFor: []string{"draw", "diagram"},
		Long: `Draw the resources of an environment, as Mermaid or in the language of Graphviz:
what is there and what up would change, what each resource needs (an arrow
points to it), and which other environments share it (dashed). Graph reads the
account and changes nothing.`,
		Example: `  flowbed graph                                        paste it into Markdown
  flowbed graph --format dot | dot -Tsvg > graph.svg   needs Graphviz`,
		Args: noArgs,
	}
	c.Flags().StringVar(&format, "format", "mermaid", "`mermaid` or dot")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		draw, ok := map[string]func(view.Drawing) error{
			"mermaid": func(d view.Drawing) error { return view.Mermaid(a.out, d) },
			"dot":     func(d view.Drawing) error { return view.DOT(a.out, d) },
		}[format]
		if !ok {
			hint := "use mermaid or dot"
			if format == "svg" {
				hint = "let Graphviz draw it: flowbed graph --format dot | dot -Tsvg > graph.svg"
			}
			return usage(&hinted{fmt.Errorf("unknown format %q", format), hint})
		}
		s, err := a.open(c.Context(), stack.Options{Fence: new(lease.Fence)})
		if err != nil {
			return err
		}
		defer s.keep(&err)
		p, err := s.Graph.Plan(c.Context())
		if err != nil {
			return err
		}
		return draw(view.Drawing{Header: s.header, Plan: p, Needs: s.Graph.Needs(p), Owner: s.Graph.Owner})
	}
	return c
}
