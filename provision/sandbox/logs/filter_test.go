package logs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

// TestFilterLogEvents: the events of all streams, or of some, come by their time, in pages.
func TestFilterLogEvents(t *testing.T) {
	api, ctx, group := cloudwatchlogs.NewFromConfig(sandbox.New().Config("us-east-1")), t.Context(), aws.String("/flowbed/dev")
	try.Must(api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}))
	begun := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	for i, stream := range []string{"a/1", "b/2", "a/3"} {
		try.Must(api.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: &stream}))
		for j := range 2 {
			at := begun.Add(time.Duration(i+3*j) * time.Second).UnixMilli()
			try.Must(api.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: &stream,
				LogEvents: []types.InputLogEvent{{Timestamp: &at, Message: &stream}}}))
		}
	}
	at := func(n int) *int64 { return aws.Int64(begun.Add(time.Duration(n) * time.Second).UnixMilli()) }
	for name, c := range map[string]struct {
		in         cloudwatchlogs.FilterLogEventsInput
		want, code string
	}{
		"all":          {cloudwatchlogs.FilterLogEventsInput{}, "a/1 b/2 a/3 a/1 b/2 a/3", ""},
		"by a prefix":  {cloudwatchlogs.FilterLogEventsInput{LogStreamNamePrefix: aws.String("a/")}, "a/1 a/3 a/1 a/3", ""},
		"by names":     {cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"b/2", "a/3"}}, "b/2 a/3 b/2 a/3", ""},
		"by time":      {cloudwatchlogs.FilterLogEventsInput{StartTime: at(1), EndTime: at(3)}, "b/2 a/3 a/1", ""},
		"in pages":     {cloudwatchlogs.FilterLogEventsInput{Limit: aws.Int32(4)}, "a/1 b/2 a/3 a/1 b/2 a/3", ""},
		"both":         {cloudwatchlogs.FilterLogEventsInput{LogStreamNamePrefix: aws.String("a/"), LogStreamNames: []string{"b/2"}}, "", "InvalidParameterException"},
		"no stream":    {cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"c"}}, "", "ResourceNotFoundException"},
		"no group":     {cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/other")}, "", "ResourceNotFoundException"},
		"a wrong time": {cloudwatchlogs.FilterLogEventsInput{StartTime: aws.Int64(-1)}, "", "InvalidParameterException"},
		"a wrong size": {cloudwatchlogs.FilterLogEventsInput{Limit: aws.Int32(10_001)}, "", "InvalidParameterException"},
		"many streams": {cloudwatchlogs.FilterLogEventsInput{LogStreamNames: make([]string, 101)}, "", "InvalidParameterException"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.in.LogGroupName == nil {
				c.in.LogGroupName = group
			}
			var have []string
			ids := map[string]bool{}
			for pages := cloudwatchlogs.NewFilterLogEventsPaginator(api, &c.in); pages.HasMorePages(); {
				page, err := pages.NextPage(ctx)
				if err != nil || c.code != "" {
					try.WantCode(t, err, c.code)
					return
				}
				for _, e := range page.Events {
					have, ids[*e.EventId] = append(have, *e.LogStreamName), true
				}
			}
			if strings.Join(have, " ") != c.want || len(ids) != len(have) {
				t.Errorf("have %q with %d ids, want %q", have, len(ids), c.want)
			}
		})
	}
}

func TestDescribeLogStreams(t *testing.T) {
	api, ctx, group := cloudwatchlogs.NewFromConfig(sandbox.New().Config("us-east-1")), t.Context(), aws.String("/flowbed/dev")
	try.Must(api.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}))
	for i, stream := range []string{"b", "a", "c"} {
		try.Must(api.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: &stream}))
		at := time.Date(2026, 11, 26, 8, 0, i, 0, time.UTC).UnixMilli()
		try.Must(api.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: &stream,
			LogEvents: []types.InputLogEvent{{Timestamp: &at, Message: &stream}}}))
	}
	byTime := types.OrderByLastEventTime
	for name, c := range map[string]struct {
		in         cloudwatchlogs.DescribeLogStreamsInput
		want, code string
	}{
		"by name":          {cloudwatchlogs.DescribeLogStreamsInput{}, "a b c", ""},
		"by time":          {cloudwatchlogs.DescribeLogStreamsInput{OrderBy: byTime}, "b a c", ""},
		"the newest first": {cloudwatchlogs.DescribeLogStreamsInput{OrderBy: byTime, Descending: aws.Bool(true)}, "c a b", ""},
		"a prefix":         {cloudwatchlogs.DescribeLogStreamsInput{LogStreamNamePrefix: aws.String("b")}, "b", ""},
		"both":             {cloudwatchlogs.DescribeLogStreamsInput{OrderBy: byTime, LogStreamNamePrefix: aws.String("b")}, "", "InvalidParameterException"},
		"too many":         {cloudwatchlogs.DescribeLogStreamsInput{Limit: aws.Int32(51)}, "", "InvalidParameterException"},
		"no group":         {cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String("/other")}, "", "ResourceNotFoundException"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.in.LogGroupName == nil {
				c.in.LogGroupName = group
			}
			out, err := api.DescribeLogStreams(ctx, &c.in)
			if err != nil || c.code != "" {
				try.WantCode(t, err, c.code)
				return
			}
			var have []string
			for _, s := range out.LogStreams {
				have = append(have, *s.LogStreamName)
			}
			if strings.Join(have, " ") != c.want {
				t.Errorf("have %q, want %q", have, c.want)
			}
		})
	}
}
