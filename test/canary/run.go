package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// settings are what a run of the canary is told.
type settings struct {
	Name    string // of the environment and of all that the questions make
	Region  string
	Account string
	Caller  string // its ARN
	Prefect endpoint
	Within  time.Duration // for the questions; cleaning comes after it
}

// endpoint is the API that the worker reports to. Without a URL there is none.
type endpoint struct{ URL, Key, Auth string }

// run is one run of the canary. The fields of a lane belong to its questions.
type run struct {
	settings
	clients
	cfg      aws.Config
	as       func(aws.Credentials) aws.Config // a configuration with other credentials
	program  program
	write    func(config string) error // writes the config file of the environment
	codes    *codes
	redact   *redactor
	progress io.Writer

	transport http.RoundTripper // carries the calls to Prefect's API; nil is Go's

	life     life
	machines machines
	tasks    tasks
}

// say prints a line of progress.
func (r *run) say(format string, args ...any) {
	fmt.Fprintln(r.progress, r.redact.text(fmt.Sprintf(format, args...)))
}

// Names of what the questions make. Everything of a run begins with its name, so that
// it can be found again by the name alone.

func (r *run) object(what string) string { return r.Name + "-" + what }       // role, queue, rule, …
func (r *run) path(what string) string   { return r.folder() + what }         // parameter, log group
func (r *run) folder() string            { return "/canary/" + r.Name + "/" } // also the path of roles
func (r *run) bucket() string {
	return r.object("probe") + "-" + r.Account + "-" + r.Region + "-an"
}

func (r *run) partition() string {
	if p := strings.Split(r.Caller, ":"); len(p) > 1 && p[1] != "" {
		return p[1]
	}
	return "aws"
}

func (r *run) arn(service, region, object string) string {
	return strings.Join([]string{"arn", r.partition(), service, region, r.Account, object}, ":")
}

// tag is on everything that the questions make.
const tag = "flowbed-canary"

// askAll asks all questions, the lanes at the same time.
func (r *run) askAll(ctx context.Context, all []question) []result {
	ctx, cancel := context.WithTimeoutCause(ctx, r.Within, fmt.Errorf("the time for the questions, %s, was up", r.Within))
	defer cancel()
	results := make([]result, len(all))
	askLane := func(l lane) {
		for i, q := range all {
			if q.Lane != l {
				continue
			}
			results[i] = ask(ctx, r, q)
			r.say("%-13s %s (%s)", results[i].Verdict, q.Name, rough(results[i].Took))
		}
	}
	var lanes sync.WaitGroup
	for _, l := range []lane{laneLife, laneNames, laneMachines, laneTasks} {
		lanes.Go(func() { askLane(l) })
	}
	lanes.Wait()
	askLane(laneEnd)
	return results
}

// questions are all questions, in the order in which each lane asks them.
func questions() []question {
	return slices.Concat(lifeQuestions(), nameQuestions(), machineQuestions(), taskQuestions(), []question{unknownCodes})
}

// once remembers the outcome of a step that several questions of a lane need.
type once struct {
	done bool
	err  error
}

func (o *once) do(step func() error) error {
	if !o.done {
		o.done, o.err = true, step()
	}
	return o.err
}
