package logs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() { core.Register(service, filterLogEvents, groupAccess) }

// maxNames is the most streams that a call can name.
const maxNames = 100

// filterLogEvents returns the events of all streams of a group, or of some, by their time. AWS
// has more ways to select events, of which the sandbox knows none.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
func filterLogEvents(r *request, in *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	if err := checkFilter(in); err != nil {
		return nil, err
	}
	prefix := aws.ToString(in.LogStreamNamePrefix)
	g, err := r.logGroup(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	for _, name := range in.LogStreamNames {
		if _, there := g.Streams[name]; !there {
			return nil, noStream()
		}
	}
	var all []types.FilteredLogEvent
	for _, name := range core.SortedKeys(g.Streams) {
		if !strings.HasPrefix(name, prefix) || len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, name) {
			continue
		}
		for i, l := range g.Streams[name] {
			at := l.At.UnixMilli()
			if at < aws.ToInt64(in.StartTime) || in.EndTime != nil && at > *in.EndTime {
				continue
			}
			all = append(all, types.FilteredLogEvent{
				EventId: aws.String(fmt.Sprintf("%s-%d", name, i)), LogStreamName: aws.String(name), Message: aws.String(l.Text),
				Timestamp: aws.Int64(at), IngestionTime: aws.Int64(l.At.Add(time.Second).UnixMilli()),
			})
		}
	}
	slices.SortStableFunc(all, func(a, b types.FilteredLogEvent) int { return int(*a.Timestamp - *b.Timestamp) })
	list, next, err := core.Page(all, in.NextToken, in.Limit, 10_000)
	if err != nil {
		return nil, err
	}
	return &cloudwatchlogs.FilterLogEventsOutput{Events: list, NextToken: next}, nil
}

// checkFilter checks the limits of a request.
func checkFilter(in *cloudwatchlogs.FilterLogEventsInput) error {
	switch {
	case aws.ToString(in.LogStreamNamePrefix) != "" && len(in.LogStreamNames) > 0:
		return invalid("logStreamNamePrefix and logStreamNames are mutually exclusive parameters.")
	case len(in.LogStreamNames) > maxNames:
		return invalid("1 validation error detected: Value at 'logStreamNames' failed to satisfy constraint: Member must have length less than or equal to %d", maxNames)
	case aws.ToInt64(in.StartTime) < 0:
		return invalid("1 validation error detected: Value '%d' at 'startTime' failed to satisfy constraint: Member must have value greater than or equal to 0", *in.StartTime)
	case in.Limit != nil && (*in.Limit < 1 || *in.Limit > 10_000):
		return invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 10000", *in.Limit)
	}
	return nil
}
