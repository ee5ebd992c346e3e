//go:build linux

package fargate

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// log collects what a container prints.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
	sent int // how much of it is in CloudWatch
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// lines returns the whole lines that are not in CloudWatch yet; all of them at the end.
func (l *log) lines(end bool) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.text.String()[l.sent:]
	if !end {
		rest = rest[:strings.LastIndex(rest, "\n")+1]
	}
	l.sent += len(rest)
	for line := range strings.Lines(rest) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// stream returns the log group and the log stream of the task; empty if it has none.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
func (t *task) stream() (group, stream string) {
	c := t.only()
	if c.Log == nil || c.Log.Driver != "awslogs" {
		return "", ""
	}
	return c.Log.Options["awslogs-group"], c.Log.Options["awslogs-stream-prefix"] + "/" + c.Name + "/" + t.id
}

// openLog creates the log stream, as the execution role.
func (t *task) openLog(ctx context.Context, execution role) error {
	group, stream := t.stream()
	if group == "" {
		return nil
	}
	resource := "arn:aws:logs:" + t.p.Region + ":" + t.p.Front.Account + ":log-group:" + group + ":log-stream:" + stream
	for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
		if err := execution.may(action, resource); err != nil {
			return err
		}
	}
	_, err := cloudwatchlogs.NewFromConfig(t.p.as(KeyOf(execution.arn))).CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	return err
}

// forward writes what the container prints to CloudWatch Logs, until it has ended.
func (t *task) forward(ctx context.Context, c *container) {
	group, stream := t.stream()
	if group == "" {
		return
	}
	api := cloudwatchlogs.NewFromConfig(t.p.as(KeyOf(t.executionRole())))
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for end := false; !end; {
		select {
		case <-tick.C:
		case <-c.ended:
			end = true
		}
		var events []types.InputLogEvent
		for _, line := range t.said.lines(end) {
			events = append(events, types.InputLogEvent{Message: &line, Timestamp: aws.Int64(time.Now().UnixMilli())})
		}
		if len(events) == 0 {
			continue
		}
		_, err := api.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events})
		t.p.fault("write the log of task "+t.id, err)
	}
}
