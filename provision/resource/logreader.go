package resource

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

// LogReader reads what tasks have written to a log group.
type LogReader struct {
	API    *cloudwatchlogs.Client
	ID     Identity
	Group  string
	Prefix string // of the streams to read; all if it is empty
	Except string // the prefix of the streams to leave out; none if it is empty
	Task   string // the id of the only task to read; all if it is empty
	Likely string // the prefix of the streams that probably have its lines, so that the others are not read; may be empty
}

// LogLine is one line that a task has written, without what may be secret.
type LogLine struct {
	At   time.Time
	Task string // its id
	Text string
}

const (
	logPoll = 2 * time.Second  // between two readings; CloudWatch allows 5 a second in an account
	logLag  = 30 * time.Second // how much later than others CloudWatch may show a line
	logRest = 6 * time.Second  // how long the last lines of a task that has ended may take
)

// Read calls show for each line since a time, the oldest first. If show fails, so does Read.
func (l LogReader) Read(ctx context.Context, since time.Time, show func(LogLine) error) error {
	return (&logFollower{LogReader: l, since: since, show: show, seen: map[string]time.Time{}}).read(ctx)
}

// Follow is Read, and then goes on with new lines until over reports that no more will come, or
// fails. over is called before each reading.
func (l LogReader) Follow(ctx context.Context, since time.Time, show func(LogLine) error, over func(context.Context) (bool, error)) error {
	f := &logFollower{LogReader: l, since: since, show: show, seen: map[string]time.Time{}}
	for {
		last, err := over(ctx)
		if err == nil {
			err = f.read(ctx)
		}
		if err != nil {
			return err
		}
		pause := logPoll
		if last {
			pause = logRest
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		if last {
			return f.read(ctx)
		}
	}
}

// logFollower remembers what it has shown.
type logFollower struct {
	LogReader
	since  time.Time
	show   func(LogLine) error
	latest time.Time
	seen   map[string]time.Time // the lines that a reading may return again, by id
}

// read shows the lines that are new since the last reading. Somebody may have given the streams
// another name than the likely one: it reads all until it has found the lines.
func (f *logFollower) read(ctx context.Context) error {
	if f.Likely != "" {
		if err := f.readStreams(ctx, f.Likely); err != nil || !f.latest.IsZero() {
			return err
		}
	}
	err := f.readStreams(ctx, f.Prefix)
	if !f.latest.IsZero() {
		f.Likely = ""
	}
	return err
}

// from is when the next reading begins.
func (f *logFollower) from() time.Time {
	if late := f.latest.Add(-logLag); late.After(f.since) {
		return late
	}
	return f.since.Truncate(time.Millisecond) // as CloudWatch counts
}

// readStreams reads the streams with a prefix. A line with a time in the future, of which CloudWatch
// takes up to two hours, must not hide those that come after it.
func (f *logFollower) readStreams(ctx context.Context, prefix string) error {
	from := f.from()
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &f.Group, StartTime: new(max(from.UnixMilli(), 0))}
	if prefix != "" {
		in.LogStreamNamePrefix = &prefix
	}
	for pages := cloudwatchlogs.NewFilterLogEventsPaginator(f.API, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("read log group %s: %w", f.Group, err)
		}
		for _, e := range page.Events {
			stream, id, at := deref(e.LogStreamName), deref(e.EventId), time.UnixMilli(deref(e.Timestamp)).UTC()
			if _, shown := f.seen[id]; shown || !f.wants(stream) {
				continue
			}
			f.seen[id] = at
			if at.After(f.latest) && !at.After(time.Now()) {
				f.latest = at
			}
			if err := f.show(LogLine{at, lastPart(stream), redact(strings.TrimRight(deref(e.Message), "\n"))}); err != nil {
				return err
			}
		}
		next := f.from()
		maps.DeleteFunc(f.seen, func(_ string, at time.Time) bool { return at.Before(next) })
	}
	return nil
}

func (f *logFollower) wants(stream string) bool {
	return (f.Except == "" || !strings.HasPrefix(stream, f.Except)) && (f.Task == "" || lastPart(stream) == f.Task)
}

// Permissions are what Read and Follow need.
func (l LogReader) Permissions() Permissions {
	return Permissions{Read: []Permission{on(l.ID.ARN("logs", l.ID.Region, "log-group:"+l.Group+":*"), "logs:FilterLogEvents")}}
}
