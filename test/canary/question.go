package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// question is one thing that only AWS can tell.
type question struct {
	Name    string
	Asks    string // as a sentence
	Assumed string // the answer that flowbed's code is written for
	Relies  string // the code or the decision that relies on it
	Change  string // what to change if the answer is another one
	Lane    lane
	Prefect bool // needs a Prefect API

	// Answered is what a real account has said, with the date and the region; empty as
	// long as the question is open. An answered question is asked again: AWS changes.
	Answered string

	Ask func(context.Context, *run) (answer, error)
}

// lane is a group of questions that are asked one after the other, because they use
// the same objects. The lanes run at the same time.
type lane string

const (
	laneLife     lane = "life"     // of a whole environment, with the real program
	laneNames    lane = "names"    // parameters, queues, buckets, refusals
	laneMachines lane = "machines" // two instances
	laneTasks    lane = "tasks"    // a cluster and some tasks on Fargate
	laneEnd      lane = "end"      // after all others
)

// verdict compares an answer with the assumed one.
type verdict int

const (
	notAsked  verdict = iota // nothing is known: the reason is the answer's text
	asAssumed                // only on evidence that nobody but AWS could give
	differs
)

func (v verdict) String() string {
	return [...]string{"could not ask", "as assumed", "differs"}[v]
}

// answer is what AWS said.
type answer struct {
	Verdict verdict
	Text    string
}

func yes(format string, args ...any) (answer, error) {
	return answer{asAssumed, fmt.Sprintf(format, args...)}, nil
}

func no(format string, args ...any) (answer, error) {
	return answer{differs, fmt.Sprintf(format, args...)}, nil
}

// judged is yes or no.
func judged(assumed bool, format string, args ...any) (answer, error) {
	if assumed {
		return yes(format, args...)
	}
	return no(format, args...)
}

// unasked is the reason why a question could not be asked.
type unasked string

func (u unasked) Error() string { return string(u) }

// couldNot returns the answer to a question that could not be asked.
func couldNot(format string, args ...any) (answer, error) {
	return answer{}, unasked(fmt.Sprintf(format, args...))
}

// result is a question with its answer.
type result struct {
	question
	answer
	Took time.Duration
}

// ask asks one question. Whatever goes wrong becomes the reason why it could not be
// asked, so one question never ends the others.
func ask(ctx context.Context, r *run, q question) (out result) {
	begun := time.Now()
	out.question = q
	defer func() {
		if p := recover(); p != nil {
			out.answer = answer{notAsked, fmt.Sprintf("the question panicked: %v", p)}
		}
		out.Took = time.Since(begun)
	}()
	switch {
	case ctx.Err() != nil:
		out.Text = context.Cause(ctx).Error()
	case q.Prefect && r.Prefect.URL == "":
		out.Text = "it needs a Prefect API: set PREFECT_API_URL, and PREFECT_API_KEY if it wants one"
	default:
		a, err := q.Ask(ctx, r)
		if err != nil || ctx.Err() != nil { // then the answer may be a half one
			a = answer{notAsked, reason(ctx, err)}
		}
		out.answer = a
	}
	return out
}

// reason is why a question could not be asked.
func reason(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return context.Cause(ctx).Error()
	}
	if _, known := errors.AsType[unasked](err); known {
		return err.Error()
	}
	return "a step that the question needs failed: " + err.Error()
}

// errTooLong is that something did not happen in time.
var errTooLong = errors.New("it did not happen in time")

func tooLong(err error) bool { return errors.Is(err, errTooLong) }

// hurry divides all waiting. Tests against a server that has no delays of its own set it.
var hurry time.Duration = 1

// until tries again and again until it is done, at most for the limit. It returns how
// long that took. An error of try ends it.
func until(ctx context.Context, limit, every time.Duration, try func() (done bool, err error)) (time.Duration, error) {
	begun := time.Now()
	for {
		done, err := try()
		took := time.Since(begun)
		switch {
		case err != nil || done:
			return took, err
		case took >= limit/hurry:
			return took, errTooLong
		}
		if err := pause(ctx, every); err != nil {
			return took, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d / hurry):
		return nil
	}
}

// rough is a time as people say it.
func rough(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
