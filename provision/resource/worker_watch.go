package resource

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Watch looks at an agent's instance while up waits for its worker, to find out whether the
// agent has failed for good. The scripts on the instance decide that, because only they
// see the errors: see fatal in templates/setup.sh, and templates/report.sh. They go on
// trying, and mark each failure with its time.
type Watch struct {
	instance string
	next     time.Time // of the next look
	seen     string    // the last mark at the first look: it may be older than a repair
	noPool   time.Time // when the work pool was first missing; zero if it is there
}

const (
	firstLook = 30 * time.Second // after the begin of the wait: no setup has failed for good by then
	nextLook  = 20 * time.Second
)

// Quit implements provision.Quitter. It returns an error if the agent has failed for good
// while this run waits for its worker.
func (w Worker) Quit(ctx context.Context, have WorkerState) error {
	if w.Watch == nil || w.EC2 == nil || w.SSM == nil || have.Instance == "" || have.Status == "online" {
		return nil
	}
	if w.Watch.poolGone(have.noPool) {
		return &FailedForGood{have.Instance, "the work pool " + w.Pool + " does not exist any more", "run `flowbed up` again: it creates the pool"}
	}
	mark, ok := w.Watch.look(have.Instance, func() string { return w.marked(ctx, have.Instance) })
	if !ok {
		return nil
	}
	return failedForGood(have.Instance, mark)
}

// poolGone reports whether the work pool is missing for some time. The step of the pool has
// made it, and the agent's worker does not: see --no-create-pool-if-not-found.
func (w *Watch) poolGone(missing bool) bool {
	switch {
	case !missing:
		w.noPool = time.Time{}
	case w.noPool.IsZero():
		w.noPool = time.Now()
	}
	return missing && time.Since(w.noPool) > firstLook
}

// look returns a mark that was not there at the first look.
func (w *Watch) look(instance string, read func() string) (mark string, ok bool) {
	begun := time.Now()
	first := w.instance != instance
	switch {
	case w.next.IsZero():
		w.next = begun.Add(firstLook)
		return "", false
	case begun.Before(w.next):
		return "", false
	}
	mark = lastMark(read())
	w.instance, w.next = instance, time.Now().Add(nextLook)
	if first {
		w.seen = mark
		return "", false
	}
	return mark, mark != "" && mark != w.seen
}

// marked returns the console, or the logs on the instance if the console cannot be read: Xen
// types have no latest output. A failure to read both is no news about the agent.
func (w Worker) marked(ctx context.Context, instance string) string {
	ctx, cancel := context.WithTimeout(ctx, causeTime)
	defer cancel()
	text, err := consoleText(ctx, w.EC2, &ec2.GetConsoleOutputInput{InstanceId: &instance, Latest: new(true)})
	if err == nil {
		return text
	}
	if text, err = (Shell{API: w.SSM, Instance: instance}).Run(ctx, causeScript); err != nil {
		return ""
	}
	return text
}

var markForm = regexp.MustCompile(`FATAL: (\w+): [^(\n]*\([0-9TZ:-]+\)`)

// lastMark returns the last mark of a failure for good in a text; empty if there is none.
func lastMark(text string) string {
	all := markForm.FindAllString(text, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// FailedForGood is the error of a wait for an agent that cannot start.
type FailedForGood struct {
	Instance, Why, Remedy string
}

func (e *FailedForGood) Error() string {
	return fmt.Sprintf("the agent on %s cannot start: %s → %s", e.Instance, e.Why, e.Remedy)
}

// Hint is what to do about it.
func (e *FailedForGood) Hint() string { return e.Remedy }

// forGood tells what each kind of mark means.
var forGood = map[string]FailedForGood{
	"key": {Why: "Prefect's API refuses its key",
		Remedy: "correct api_key or auth_string in the prefect block, run `flowbed up`, and then `flowbed agent restart`"},
	"version": {Why: "the package index does not have the version of Prefect, or of one of the packages that it needs",
		Remedy: "correct version in the prefect block, and run `flowbed up`"},
	"packages": {Why: "the package index does not have one of the packages beside Prefect, or it conflicts with Prefect",
		Remedy: "correct pip_packages in the agent block, and run `flowbed up`"},
	"setup": {Why: "its setup script has failed twice",
		Remedy: "correct setup in the agent block, and run `flowbed up`"},
	"python": {Why: "the image does not offer the Python that this version of Prefect needs",
		Remedy: "remove image from the agent block, or set it to an image that has this Python, and run `flowbed up`"},
	"disk": {Why: "its disk is full",
		Remedy: "increase volume_gib in the agent block, and run `flowbed up`"},
}

// exitStatus is that of the user's setup script in a mark.
var exitStatus = regexp.MustCompile(`exit status \d+`)

func failedForGood(instance, mark string) error {
	kind := markForm.FindStringSubmatch(mark)[1]
	e, ok := forGood[kind]
	if !ok { // of a later version of the scripts
		return errors.New("the agent on " + instance + " cannot start: " + mark + " → `flowbed agent logs` shows the logs")
	}
	e.Instance = instance
	if status := exitStatus.FindString(mark); status != "" && kind == "setup" {
		e.Why += ", with " + status
	}
	return &e
}
