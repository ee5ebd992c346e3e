package logs

import (
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
