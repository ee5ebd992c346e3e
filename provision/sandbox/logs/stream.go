package logs

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, createLogStream, streamAccess)
	core.Register(service, putLogEvents, streamAccess)
	core.Register(service, getLogEvents, streamAccess)
	core.Register(service, describeLogStreams, groupAccess)
}

// line is a log event.
type line struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

func noStream() error {
	return &types.ResourceNotFoundException{Message: aws.String("The specified log stream does not exist.")}
}

// createLogStream creates a stream. A colon and an asterisk are not allowed in its name.
func createLogStream(r *request, in *cloudwatchlogs.CreateLogStreamInput) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.LogStreamName)
	if _, there := g.Streams[name]; there {
		return nil, &types.ResourceAlreadyExistsException{Message: aws.String("The specified log stream already exists")}
	}
	if g.Streams == nil {
		g.Streams = map[string][]line{}
	}
	g.Streams[name] = []line{}
	return &cloudwatchlogs.CreateLogStreamOutput{}, nil
}

func putLogEvents(r *request, in *cloudwatchlogs.PutLogEventsInput) (*cloudwatchlogs.PutLogEventsOutput, error) {
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.LogStreamName)
	if _, there := g.Streams[name]; !there {
		return nil, noStream()
	}
	for _, e := range in.LogEvents {
		g.Streams[name] = append(g.Streams[name], line{time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(), aws.ToString(e.Message)})
	}
	return &cloudwatchlogs.PutLogEventsOutput{}, nil
}

// getLogEvents returns the last events, unless the caller wants the first.
func getLogEvents(r *request, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	all, there := g.Streams[aws.ToString(in.LogStreamName)]
	if !there {
		return nil, noStream()
	}
	if n := int(aws.ToInt32(in.Limit)); n > 0 && n < len(all) {
		if aws.ToBool(in.StartFromHead) {
			all = all[:n]
		} else {
			all = all[len(all)-n:]
		}
	}
	out := &cloudwatchlogs.GetLogEventsOutput{}
	for _, l := range all {
		out.Events = append(out.Events, types.OutputLogEvent{Timestamp: aws.Int64(l.At.UnixMilli()), Message: aws.String(l.Text)})
	}
	return out, nil
}

// streamAccess is about a stream, which has an ARN of its own.
func streamAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.ARN("logs", r.Region, "log-group:"+core.Text(in, "LogGroupName")+":log-stream:"+core.Text(in, "LogStreamName")))
}

// describeLogStreams lists the streams by name, or by the time of their last event. All are as old
// as the group: the sandbox does not keep when a stream was created.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html
func describeLogStreams(r *request, in *cloudwatchlogs.DescribeLogStreamsInput) (*cloudwatchlogs.DescribeLogStreamsOutput, error) {
	byTime, prefix := in.OrderBy == types.OrderByLastEventTime, aws.ToString(in.LogStreamNamePrefix)
	switch n := in.Limit; {
	case byTime && prefix != "":
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	case n != nil && (*n < 1 || *n > maxStreams):
		return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and %d", *n, maxStreams)
	}
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	var all []types.LogStream
	for _, name := range core.SortedKeys(g.Streams) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		s := types.LogStream{LogStreamName: aws.String(name), CreationTime: aws.Int64(g.Created.UnixMilli())}
		for _, l := range g.Streams[name] {
			at := l.At.UnixMilli()
			s.LastEventTimestamp = aws.Int64(max(at, aws.ToInt64(s.LastEventTimestamp)))
			s.LastIngestionTime = s.LastEventTimestamp
		}
		all = append(all, s)
	}
	if byTime {
		slices.SortStableFunc(all, func(a, b types.LogStream) int {
			return cmp.Compare(aws.ToInt64(a.LastEventTimestamp), aws.ToInt64(b.LastEventTimestamp))
		})
	}
	if aws.ToBool(in.Descending) {
		slices.Reverse(all)
	}
	list, next, err := core.Page(all, in.NextToken, in.Limit, maxStreams)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.DescribeLogStreamsOutput{LogStreams: list, NextToken: next}, nil
}

const maxStreams = 50
