package resource_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

// logWorld is a log group with the streams of two flows and of a worker.
type logWorld struct {
	account *sandbox.Account
	api     *cloudwatchlogs.Client
	reader  resource.LogReader
}

const (
	flowStream, otherStream     = "prefect-logs_flowbed-dev_d1/prefect/task1", "own/prefect/task2"
	strangeStream, workerStream = "strange/prefect/task1", "worker/worker/task3"
)

func newLogWorld(t *testing.T) *logWorld {
	t.Helper()
	w := &logWorld{account: sandbox.New()}
	w.api = cloudwatchlogs.NewFromConfig(w.account.Config("us-east-1"))
	w.reader = resource.LogReader{API: w.api, Group: "/flowbed/dev", Except: "worker/worker/",
		ID: resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws"}}
	try.Must(w.api.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &w.reader.Group}))
	for _, s := range []string{flowStream, otherStream, strangeStream, workerStream} {
		try.Must(w.api.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &w.reader.Group, LogStreamName: &s}))
	}
	return w
}

// put writes a line that is this old.
func (w *logWorld) put(stream, text string, age time.Duration) {
	try.Must(w.api.PutLogEvents(context.Background(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &w.reader.Group, LogStreamName: &stream,
		LogEvents: []types.InputLogEvent{{Timestamp: aws.Int64(time.Now().Add(-age).UnixMilli()), Message: aws.String(text)}}}))
}

// allow lets the caller do only what the reader of a group says that it needs.
func (w *logWorld) allow(t *testing.T, reader resource.LogReader) {
	t.Helper()
	p := reader.Permissions().Read
	if len(p) != 1 {
		t.Fatalf("%d permissions", len(p))
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{"Effect": "Allow", "Action": p[0].Actions, "Resource": p[0].Resources}})
	if err != nil {
		t.Fatal(err)
	}
	w.account.Policy = string(text)
}

// TestReadLogs: the lines of all flows come in order, without secrets, and without those of the
// workers; or those of one task. The permissions suffice, and those of another group do not.
func TestReadLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLogWorld(t)
		w.put(flowStream, "too old", 2*time.Hour)
		w.put(strangeStream, "elsewhere", 4*time.Minute)
		w.put(flowStream, "first\n", 3*time.Minute)
		w.put(workerStream, "a worker", 2*time.Minute)
		w.put(otherStream, "second: https://me:secret@example.com pnu_abcdef", 2*time.Minute)
		w.put(flowStream, "third", time.Minute)
		w.allow(t, w.reader)
		read := func(r resource.LogReader) (have []string) {
			if err := r.Read(t.Context(), time.Now().Add(-time.Hour), func(l resource.LogLine) error { have = append(have, l.Task+" "+l.Text); return nil }); err != nil {
				t.Error(err)
			}
			return have
		}
		if have, want := read(w.reader), []string{"task1 elsewhere", "task1 first", "task2 second: https://***@example.com pnu_***", "task1 third"}; !slices.Equal(have, want) {
			t.Errorf("have %q, want %q", have, want)
		}
		one := w.reader
		one.Task = "task2"
		if have := read(one); len(have) != 1 {
			t.Errorf("of one task: %q", have)
		}
		// Of the likely streams only, unless the task writes elsewhere.
		one.Task, one.Likely = "task1", "prefect-logs_flowbed-dev_d1/"
		if have, want := read(one), []string{"task1 first", "task1 third"}; !slices.Equal(have, want) {
			t.Errorf("of the likely streams: have %q, want %q", have, want)
		}
		one.Likely = "prefect-logs_flowbed-dev_d2/"
		if have := read(one); len(have) != 3 {
			t.Errorf("of a task that writes elsewhere: %q", have)
		}
		service := w.reader
		service.Prefix, service.Except = "worker/worker/", ""
		if have, want := read(service), []string{"task3 a worker"}; !slices.Equal(have, want) {
			t.Errorf("of the service: have %q, want %q", have, want)
		}
		enough := errors.New("enough")
		if err := w.reader.Read(t.Context(), time.Time{}, func(resource.LogLine) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("a reader that stops: %v", err)
		}
		another := w.reader
		another.Group = "/flowbed/prod"
		w.allow(t, another)
		if err := w.reader.Read(t.Context(), time.Time{}, func(resource.LogLine) error { return nil }); awserr.Classify(err) != awserr.Denied {
			t.Errorf("with the permission for another group: %v", err)
		}
	})
}

// TestFollowAFutureLine: a line whose writer's clock is ahead comes once, and those after it come, too.
func TestFollowAFutureLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLogWorld(t)
		w.put(flowStream, "now", 0)
		w.put(otherStream, "ahead", -90*time.Minute)
		var have []string
		asked := 0
		over := func(context.Context) (bool, error) {
			if asked++; asked == 3 {
				w.put(flowStream, "later", 0)
			}
			return asked == 60, nil
		}
		err := w.reader.Follow(t.Context(), time.Now().Add(-time.Hour), func(l resource.LogLine) error { have = append(have, l.Text); return nil }, over)
		if want := []string{"now", "ahead", "later"}; err != nil || !slices.Equal(have, want) {
			t.Errorf("have %q, want %q; %v", have, want, err)
		}
	})
}

// TestFollowLogs: new lines come once, also those that CloudWatch shows late, until nothing more
// will come.
func TestFollowLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLogWorld(t)
		w.put(flowStream, "before", time.Minute)
		var have []string
		asked := 0
		over := func(context.Context) (bool, error) {
			asked++
			switch asked {
			case 2:
				w.put(flowStream, "new", 0)
			case 3:
				w.put(otherStream, "late", 20*time.Second)
				w.put(flowStream, "new", 0) // the same words again
			case 4:
				time.AfterFunc(4*time.Second, func() { w.put(flowStream, "the last", 0) })
			}
			return asked == 4, nil
		}
		err := w.reader.Follow(t.Context(), time.Now().Add(-time.Hour), func(l resource.LogLine) error { have = append(have, l.Text); return nil }, over)
		if want := []string{"before", "new", "late", "new", "the last"}; err != nil || !slices.Equal(have, want) {
			t.Errorf("have %q, want %q; %v", have, want, err)
		}
		ctx, stop := context.WithCancelCause(t.Context())
		cause := errors.New("stopped")
		time.AfterFunc(time.Minute, func() { stop(cause) })
		err = w.reader.Follow(ctx, time.Now(), func(resource.LogLine) error { return nil }, func(context.Context) (bool, error) { return false, nil })
		if !errors.Is(err, cause) {
			t.Errorf("stopped: %v", err)
		}
	})
}
