package resource

import (
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/sandbox"
)

func TestRecordedNames(t *testing.T) {
	have := RecordedNames(Tags{
		"flowbed:environment": "dev", "flowbed:ttl": "8h", "Name": "/flowbed/dev", // not names
		"flowbed:bucket":         "a b",
		"flowbed:execution-role": "x:y", // tags take no comma
		"flowbed:cluster":        "-",   // external
	})
	want := map[string][]string{KindBucket: {"a", "b"}, KindExecutionRole: {"x,y"}, KindCluster: {}}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
	if have := RecordedNames(nil); len(have) != 0 {
		t.Errorf("without tags: %v", have)
	}
}

// Tags become visible late: a reading may lack what an earlier one has found.
func TestNameLogSeesLateTags(t *testing.T) {
	l := &NameLog{ID: Identity{Env: "dev", Region: "us-east-1"}}
	ours := func(more Tags) Tags {
		all := l.ID.Tags("/flowbed/dev")
		maps.Copy(all, more)
		return all
	}
	l.see(ours(Tags{"flowbed:cluster": "one", "flowbed:bucket": "a"}))
	l.see(ours(Tags{"flowbed:bucket": "b"}))
	l.see(nil)
	l.see(Tags{"flowbed:cluster": "theirs"})
	want := map[string][]string{KindBucket: {"b"}, KindCluster: {"one"}}
	if d := cmp.Diff(want, RecordedNames(l.Seen())); d != "" {
		t.Error(d)
	}
}

// A name that this run has unregistered is still visible for a while, and is no
// name of another kind.
func TestUnregisteredNameIsNotOld(t *testing.T) {
	a := sandbox.New()
	l := &NameLog{
		API: cloudwatchlogs.NewFromConfig(a.Config("us-east-1")), Group: "/flowbed/dev",
		ID: Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws"},
	}
	bucket := l.Add(NameEntry{Kind: KindBucket, Default: "default", Current: "new"})
	role := l.Add(NameEntry{Kind: KindTaskRole, Default: "default", Current: "new"})
	tags := Tags{"flowbed:bucket": "old new older", "flowbed:task-role": "old new"}
	if _, err := l.API.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &l.Group, Tags: tags}); err != nil {
		t.Fatal(err)
	}
	if err := bucket.Unregister(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		entry NameEntry
		want  []string
	}{{bucket, []string{"older"}}, {role, []string{"old"}}} {
		if have, recorded := c.entry.old(tags); !recorded || !slices.Equal(have, c.want) {
			t.Errorf("%s: have %q, want %q", c.entry.Kind, have, c.want)
		}
	}
	out, err := l.API.ListTagsForResource(t.Context(), &cloudwatchlogs.ListTagsForResourceInput{
		ResourceArn: aws.String(l.ID.ARN("logs", "us-east-1", "log-group:/flowbed/dev")),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Tags{"flowbed:bucket": "new older", "flowbed:task-role": "old new"}
	if d := cmp.Diff(want, Tags(out.Tags)); d != "" {
		t.Error(d)
	}
}

// Only the default name needs a call before its object is created, and only if
// other names are recorded and this one is not.
func TestRegisterMakesNoNeedlessCall(t *testing.T) {
	for _, c := range []struct {
		name, current, recorded string
		calls                   int
		want                    string
	}{
		{"no record", "default", "", 0, ""},
		{"recorded already", "default", "old default", 0, "old default"},
		{"others are recorded", "default", "old", 2, "old default"},
		{"external objects only", "default", "-", 2, "default"},
		{"not the default name", "new", "old", 0, "old"}, // the log group's step does it
		{"external", "", "old", 0, "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := sandbox.New()
			l := &NameLog{
				API: cloudwatchlogs.NewFromConfig(a.Config("us-east-1")), Group: "/flowbed/dev",
				ID: Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws"},
			}
			e := l.Add(NameEntry{Kind: KindCluster, Default: "default", Current: c.current})
			group := LogGroup{API: l.API, ID: l.ID, Name: l.Group, Names: l, Tagging: resourcegroupstaggingapi.NewFromConfig(a.Config("us-east-1"))}
			tags := l.ID.Tags(l.Group)
			if c.recorded != "" {
				tags["flowbed:cluster"] = c.recorded
			}
			if _, err := l.API.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &l.Group, Tags: tags}); err != nil {
				t.Fatal(err)
			}
			if _, err := group.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := len(a.Calls())
			if err := e.Register(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(a.Calls()) - before; n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			have, err := group.Read(t.Context())
			if err != nil || have.Tags["flowbed:cluster"] != c.want {
				t.Errorf("have %q (%v), want %q", have.Tags["flowbed:cluster"], err, c.want)
			}
		})
	}
}
