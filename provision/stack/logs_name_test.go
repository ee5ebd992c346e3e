package stack_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/try"
)

// logsNamed is an environment with a log group of a name, and with a cluster of a name, which
// only the tags of the log group record. Without names, both have the default ones.
func logsNamed(group, cluster string) string {
	text := "environment \"dev\" {\n"
	if group != "" {
		text += fmt.Sprintf("logs { name = %q }\n", group)
	}
	if cluster != "" {
		text += fmt.Sprintf("cluster { name = %q }\n", cluster)
	}
	return text + "}"
}

func logGroups(t *testing.T, account *sandbox.Account) (names []string, tags map[string]resource.Tags) {
	t.Helper()
	api, tags := cloudwatchlogs.NewFromConfig(account.Config(region)), map[string]resource.Tags{}
	for _, g := range try.Must(api.DescribeLogGroups(context.Background(), &cloudwatchlogs.DescribeLogGroupsInput{})).LogGroups {
		names = append(names, *g.LogGroupName)
		tags[*g.LogGroupName] = try.Must(api.ListTagsForResource(context.Background(), &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: g.LogGroupArn})).Tags
	}
	return names, tags
}

// writeLog writes an event of a flow into a log group.
func writeLog(t *testing.T, account *sandbox.Account, group string) {
	t.Helper()
	api, in := cloudwatchlogs.NewFromConfig(account.Config(region)), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: aws.String("prefect/flow/1")}
	try.Must(api.CreateLogStream(t.Context(), in))
	try.Must(api.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: in.LogStreamName,
		LogEvents: []types.InputLogEvent{{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String("hello")}}}))
}

// TestLogsName: everything that writes to the log group, reads it or allows that has the name in
// the file.
func TestLogsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, logsNamed("/data/flows", ""))
		if names, tags := logGroups(t, account); !slices.Equal(names, []string{"/data/flows"}) || tags["/data/flows"]["flowbed:log-group"] != "/data/flows" {
			t.Errorf("have %v, %v", names, tags)
		}
		if have := contents(t, account); strings.Contains(have, "/flowbed/dev") {
			t.Errorf("the default name is in %s", have)
		}
		account.TagLag = time.Hour // of an index that does not show the group: the file has its name
		if p := try.Must(build(t, account, logsNamed("/data/flows", ""), noPrefect).Graph.Plan(t.Context())); !p.Empty() || p.Err() != nil {
			t.Errorf("a second plan: %+v", p)
		}
		account.Fault = func(c sandbox.Call) sandbox.Fault { // nor is there an answer
			if c.Operation == "GetResources" {
				return sandbox.Fault{Refuse: errors.New("no answer")}
			}
			return sandbox.Fault{}
		}
		if p := try.Must(build(t, account, logsNamed("/data/flows", ""), noPrefect).Graph.Plan(t.Context())); !p.Empty() || p.Err() != nil {
			t.Errorf("a plan without the index: %+v", p)
		}
		account.Fault = nil
		left, err := build(t, account, logsNamed("/data/flows", ""), stack.Options{NoPrefect: true, Destroy: true}).Graph.Down(t.Context())
		if have := contents(t, account); err != nil || !left.Empty() || have != "{}" {
			t.Errorf("down: %v, %+v, left %s", err, left, have)
		}
	})
}

// TestLogsNameOfOthers: a log group without our tags is never the environment's.
func TestLogsNameOfOthers(t *testing.T) {
	for said, tags := range map[[2]string]resource.Tags{
		{"was created outside flowbed", "or delete that log group"}:         {"team": "data"},
		{"belongs to environment prod@" + region, "`flowbed down -e prod`"}: {resource.KeyManagedBy: "flowbed", resource.KeyEnvironment: "prod", resource.KeyRegion: region},
	} {
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			api := cloudwatchlogs.NewFromConfig(account.Config(region))
			try.Must(api.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/data/flows"), Tags: tags}))
			before := contents(t, account)
			err := build(t, account, logsNamed("/data/flows", ""), noPrefect).Graph.Up(t.Context())
			if err == nil || !strings.Contains(err.Error(), "log group: conflict: /data/flows already exists and "+said[0]) ||
				!strings.Contains(err.Error(), "→ choose another name in the logs block, ") || !strings.Contains(err.Error(), said[1]) {
				t.Errorf("have %v", err)
			}
			if have := contents(t, account); have != before {
				t.Errorf("up changed the account: %s", have)
			}
			up(t, account, logsNamed("", "one"))
			if err := build(t, account, logsNamed("/data/flows", "one"), noPrefect).Graph.Up(t.Context()); err == nil {
				t.Error("up took the log group of others")
			}
			left, err := build(t, account, logsNamed("/data/flows", "one"), stack.Options{NoPrefect: true, Destroy: true}).Graph.Down(t.Context())
			if have := contents(t, account); err != nil || !left.Empty() || have != before {
				t.Errorf("down: %v, %+v, left %s", err, left, have)
			}
		})
	}
}

// TestLogsRenamed: what the old log group recorded is in the new one, the expiry stays, and the
// old one stays as long as it has logs.
func TestLogsRenamed(t *testing.T) {
	for _, path := range [][]string{{"", "/one"}, {"/one", ""}, {"/one", "/two"}} {
		synctest.Test(t, func(t *testing.T) {
			account, byDefault := sandbox.New(), func(name string) string {
				if name == "" {
					return "/flowbed/dev"
				}
				return name
			}
			with := func(group, cluster string) string {
				return strings.Replace(logsNamed(group, cluster), "{\n", "{\nttl = \"2000h\"\n", 1)
			}
			from, to := byDefault(path[0]), byDefault(path[1])
			up(t, account, with(path[0], "one"))
			_, before := logGroups(t, account)
			writeLog(t, account, from)
			time.Sleep(time.Hour)

			up(t, account, with(path[1], "two"))
			names, tags := logGroups(t, account)
			want := []string{from, to}
			if slices.Sort(want); !slices.Equal(names, want) || tags[from][resource.KeyMovedTo] != to || tags[to][resource.KeyMovedTo] != "" {
				t.Errorf("%q: have %v, %v", path, names, tags)
			}
			if have, want := tags[to][resource.KeyExpires], before[from][resource.KeyExpires]; have != want || want == "" {
				t.Errorf("%q: expires at %q, and %q before", path, have, want)
			}
			p := try.Must(build(t, account, with(path[1], "two"), noPrefect).Graph.Plan(t.Context()))
			i := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == "old log group" })
			if i < 0 || p.Actions[i].Op != provision.Skip || p.Actions[i].Object != from || !strings.Contains(p.Actions[i].Notes[0].Text, "still has logs, which expire by ") {
				t.Errorf("%q: the plan does not tell about the old log group: %+v", path, p.Actions)
			}
			time.Sleep(31 * 24 * time.Hour)
			up(t, account, with(path[1], "two"))
			if names, _ := logGroups(t, account); !slices.Equal(names, []string{to}) {
				t.Errorf("%q: after the logs have expired: %v", path, names)
			}
			down(t, account)
		})
	}
}

// TestLogsRenamedByForce: who wants to can delete the old logs at once.
func TestLogsRenamedByForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, logsNamed("", ""))
		writeLog(t, account, "/flowbed/dev")
		forced := func() *stack.Stack {
			return build(t, account, logsNamed("/one", ""), stack.Options{NoPrefect: true, ForceDestroy: true})
		}
		p := try.Must(forced().Graph.Plan(t.Context()))
		if have := steps(t, forced(), false); !strings.Contains(have, "old log group") || !strings.Contains(fmt.Sprint(p.Actions), "its logs will be lost; the newest are of 2000-01-01") {
			t.Errorf("have %s\n%+v", have, p.Actions)
		}
		if err := forced().Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if names, _ := logGroups(t, account); !slices.Equal(names, []string{"/one"}) {
			t.Errorf("have %v", names)
		}
	})
}

// TestLogsRenamedCutShort: wherever a run is cut off that gives the log group and the cluster new
// names, and whatever the names are next, no object is forgotten: neither by up nor by a down that
// knows the environment's name only.
func TestLogsRenamedCutShort(t *testing.T) {
	for _, path := range [][]string{{"", "/one"}, {"/one", ""}, {"/one", "/two"}} {
		for i, next := range []string{"", "/one", "/two", "/three", "down"} {
			t.Run(fmt.Sprintf("%q then %q", path, next), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					for n := i % 3; ; n += 3 { // together they try each
						account := sandbox.New()
						account.TagLag = time.Minute
						up(t, account, logsNamed(path[0], "one"))
						time.Sleep(time.Hour)
						cut(account, n)
						err := build(t, account, logsNamed(path[1], "two"), noPrefect).Graph.Up(t.Context())
						account.Fault = nil
						if next != "down" {
							up(t, account, logsNamed(next, "three"))
							if names, _ := logGroups(t, account); len(names) != 1 {
								time.Sleep(2 * time.Minute) // a group that is younger than the index
								up(t, account, logsNamed(next, "three"))
							}
							one(t, account)
							if names, _ := logGroups(t, account); len(names) != 1 {
								t.Errorf("log groups: %v", names)
							}
						}
						time.Sleep(2 * time.Minute)
						down(t, account)
						if t.Failed() {
							t.Fatalf("cut off after %d writes: %v", n, err)
						}
						if err == nil {
							break
						}
					}
				})
			})
		}
	}
}
