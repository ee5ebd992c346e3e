// Command peers measures flowbed and its peers at the same job, on the same moto server with
// the same delay for each call.
//
// Each tool builds an environment for Prefect flows, looks at it again without a change, and
// removes it. Then each is killed in the middle of building, and is run again. What is not
// installed is not measured, and the report says so.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	o := options{}
	flag.StringVar(&o.binary, "binary", "bin/flowbed", "the flowbed to measure")
	flag.DurationVar(&o.delay, "delay", 50*time.Millisecond, "how long each call takes")
	flag.IntVar(&o.runs, "runs", 5, "how often to measure")
	flag.BoolVar(&o.kills, "kills", true, "also kill each tool in the middle, and run it again")
	flag.StringVar(&o.only, "only", "", "measure only these tools, with commas between them")
	flag.StringVar(&o.plugins, "terraform-plugins", "", "a directory of Terraform's providers; without it, terraform init downloads one")
	markdown := flag.String("markdown", "", "replace the part about peers in this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := peers(ctx, o, *markdown); err != nil {
		stop()
		log.Fatal(err)
	}
}

// options are the flags.
type options struct {
	binary, only, plugins string
	delay                 time.Duration
	runs                  int
	kills                 bool
}

func peers(ctx context.Context, o options, markdown string) error {
	dir, err := os.MkdirTemp("", "flowbed-peers-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w, err := newWorld(ctx, dir, o.delay)
	if err != nil {
		return err
	}
	defer w.stop()
	tools, missing, err := w.tools(ctx, o)
	if err != nil {
		return err
	}
	found, err := w.measureAll(ctx, tools, o.runs)
	if err != nil {
		return err
	}
	// What is measured is written before the kills, which take as long again.
	if err := publish(render(o, tools, missing, found, nil), markdown); err != nil || !o.kills {
		return err
	}
	kills, err := w.killAll(ctx, tools)
	if err != nil {
		return err
	}
	return publish(render(o, tools, missing, found, kills), markdown)
}

// publish prints a report, and writes it to a file, if one is named.
func publish(report, markdown string) error {
	fmt.Print(report)
	if markdown == "" {
		return nil
	}
	return replacePart(markdown, report)
}

// tools are the tools of this machine, and why the others are not measured.
func (w *world) tools(ctx context.Context, o options) (list []*tool, missing []string, err error) {
	for _, t := range []struct {
		name string
		make func(context.Context, options) (*tool, error)
	}{{"flowbed", w.flowbed}, {"terraform", w.terraform}, {"ansible", w.ansible}, {"prefect", w.prefect}} {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), t.name) {
			missing = append(missing, t.name+" was left out")
			continue
		}
		made, err := t.make(ctx, o)
		if absent, ok := errors.AsType[notHere](err); ok {
			missing = append(missing, string(absent))
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("prepare %s: %w", t.name, err)
		}
		list = append(list, made)
	}
	if len(list) == 0 {
		return nil, nil, fmt.Errorf("there is no tool to measure: %s", strings.Join(missing, "; "))
	}
	return list, missing, nil
}

// notHere says which tool this machine does not have.
type notHere string

func (n notHere) Error() string { return string(n) }

// progress tells the person who waits.
func progress(format string, args ...any) {
	_, _ = fmt.Fprintf(io.Writer(os.Stderr), format+"\n", args...)
}

// marker begins the part of docs/benchmarks.md that this command writes. What is before it,
// `make bench` writes.
const marker = "<!-- peers -->\n"

func replacePart(file, report string) error {
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return err
	}
	before, _, _ := strings.Cut(string(text), marker)
	return os.WriteFile(file, []byte(strings.TrimRight(before, "\n")+"\n\n"+marker+report), 0o644)
}
