package resource

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// FormerLogGroup is a log group that the environment used before its name changed in the spec.
// Up keeps it as long as it has logs, and then deletes it; what it records is in the current log
// group by then.
type FormerLogGroup struct {
	LogGroup

	// Force deletes the logs, too.
	Force bool
}

var (
	_ Kind[LogGroupState]                    = FormerLogGroup{}
	_ provision.DeleteChecker[LogGroupState] = FormerLogGroup{}
)

// Read implements provision.Resource. Unless the run deletes the environment, it looks for logs. A
// name may be recorded of a group that was never created, so it first looks for that: what the
// policy allows for groups with the environment's tag, AWS denies for one that does not exist.
func (f FormerLogGroup) Read(ctx context.Context) (LogGroupState, error) {
	s := LogGroupState{Name: f.Name, ARN: f.arn()}
	if err := f.find(ctx, &s); err != nil {
		return LogGroupState{}, err
	}
	var newest time.Time
	err := parallel(ctx,
		func(ctx context.Context) (err error) {
			s.Tags, err = f.readTagsOf(ctx, Found{Name: f.Name})
			return err
		},
		func(ctx context.Context) (err error) {
			if !f.Destroy {
				newest, err = f.newest(ctx)
			}
			return err
		},
	)
	if awserr.Classify(err) == awserr.Absent { // since it was found
		err = fmt.Errorf("read log group: %w", provision.ErrAbsent)
	}
	if err != nil {
		return LogGroupState{}, err
	}
	if f.Destroy {
		s.note = f.lost(s)
		return s, nil
	}
	const instead = "; --force-destroy deletes it now"
	switch end := newest.AddDate(0, 0, s.Days); {
	case newest.IsZero(), s.Days > 0 && end.Before(time.Now()):
	case f.Force:
		s.note = "its logs will be lost; the newest are of " + newest.UTC().Format(time.DateOnly)
	case s.Days == 0:
		s.kept = "still has logs, which CloudWatch keeps forever → set a retention, or delete it when nobody needs them" + instead
	default:
		s.kept = fmt.Sprintf("still has logs, which expire by %s → the first up after that deletes it%s", end.UTC().AddDate(0, 0, 1).Format(time.DateOnly), instead)
	}
	return s, nil
}

// CheckDelete implements provision.DeleteChecker. What is lost is in the state, because the plan
// names only the first of several former log groups in a step of its own.
func (f FormerLogGroup) CheckDelete(_ context.Context, have LogGroupState) ([]provision.Note, error) {
	return f.protection(have), nil
}

// newest is when something last wrote to the group; zero if nothing has. AWS may show an event
// up to an hour late, and a stream at once.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogStream.html
func (f FormerLogGroup) newest(ctx context.Context) (at time.Time, err error) {
	out, err := f.API.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{
		LogGroupName: &f.Name, OrderBy: types.OrderByLastEventTime, Descending: new(true), Limit: new(int32(1)),
	})
	if err != nil {
		return at, fmt.Errorf("read log streams: %w", err)
	}
	for _, s := range out.LogStreams {
		if ms := max(deref(s.CreationTime), deref(s.LastEventTimestamp), deref(s.LastIngestionTime)); ms > 0 {
			at = time.UnixMilli(ms)
		}
	}
	return at, nil
}

// Delete implements provision.Resource. Another run, or a step of this one, may have recorded
// something since the current log group was created.
func (f FormerLogGroup) Delete(ctx context.Context, have LogGroupState) error {
	if !f.Destroy {
		if err := f.Names.inherit(ctx, f.Name); err != nil {
			return err
		}
	}
	err := f.LogGroup.Delete(ctx, have)
	if err == nil {
		f.Names.note(f.Name, nil)
	}
	return err
}

// Permissions implements Kind. What up records in the group is a permission of the new one.
func (f FormerLogGroup) Permissions() Permissions {
	group := func(actions ...string) Permission { return on(f.arn(), actions...).and(f.arn() + ":*") }
	p := Permissions{
		Read:   []Permission{on("*", "logs:DescribeLogGroups"), group("logs:ListTagsForResource")},
		Delete: []Permission{group("logs:DeleteLogGroup")},
	}
	if !f.Destroy {
		p.Read = append(p.Read, on(f.arn()+":*", "logs:DescribeLogStreams"))
	}
	return p
}
