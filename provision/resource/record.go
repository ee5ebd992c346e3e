package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Record is the tag of the log group that holds the names of one kind of object.
// Without the tag there is at most an object of the default name.
type Record struct {
	Key     string
	Default string   // the name that the spec does not have to give
	Current string   // the name that it gives; empty if the object is borrowed, and so not ours
	Spared  []string // names of present objects of other kinds, in the same name space
}

// nothing stands for a record without a name, since a tag that is not there says
// something else.
const nothing = "-"

// comma is allowed in the names of roles, and not in tags.
var comma = strings.NewReplacer(",", ":")

func (r Record) names(t Tags) (names []string, recorded bool) {
	text, recorded := t[r.Key]
	for _, n := range strings.Fields(text) {
		if n != nothing {
			names = append(names, strings.ReplaceAll(n, ":", ","))
		}
	}
	return names, recorded
}

func (r Record) text(names []string) string {
	if len(names) == 0 {
		return nothing
	}
	return comma.Replace(strings.Join(names, " "))
}

// Tags are what the log group has to say, whose tags are have now: what it says
// already, and the present name. If it says nothing yet, an object of the default
// name may be there: earlier reports whether it was found.
func (r Record) Tags(have Tags, earlier bool) Tags {
	names, recorded := r.names(have)
	switch {
	case !recorded && r.Current == r.Default:
		return nil
	case !recorded && earlier:
		names = []string{r.Default}
	}
	if r.Current != "" && !slices.Contains(names, r.Current) {
		names = append(names, r.Current)
	}
	return Tags{r.Key: r.text(names)}
}

// Naming is what has to happen with the name of an object that can be renamed.
// The zero value is for an object that always has the same name.
type Naming struct {
	// After are the step that removes the object's earlier namesakes, so that in a
	// removal it comes after the object, and if need be the log group.
	After []provision.Edge

	// Announce sees to it that the name is recorded before the object is made.
	Announce func(context.Context) error
}

func (n Naming) announce(ctx context.Context) error {
	if n.Announce == nil {
		return nil
	}
	return n.Announce(ctx)
}

// Anchor writes the records into the tags of the log group. There is no call
// that changes a part of a tag, so who does it reads before, and one at a time.
type Anchor struct {
	API *cloudwatchlogs.Client
	ARN string // of the log group

	mu sync.Mutex
}

// edit sets the tags that change makes of those that there are. A group that is
// gone keeps no record.
func (a *Anchor) edit(ctx context.Context, change func(have Tags) Tags) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	out, err := a.API.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &a.ARN})
	if err != nil {
		return err
	}
	set := change(out.Tags)
	if len(set) == 0 {
		return nil
	}
	_, err = a.API.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &a.ARN, Tags: set})
	return err
}

// Announce puts the present name into a record that there is already, before an
// object of that name is made. It makes no call if have, the log group's tags as
// they were seen last, says that this is not needed.
func (a *Anchor) Announce(ctx context.Context, r Record, have Tags) error {
	if names, recorded := r.names(have); !recorded || r.Current == "" || slices.Contains(names, r.Current) {
		return nil
	}
	err := a.edit(ctx, func(have Tags) Tags { return r.Tags(have, false) })
	if err != nil {
		return fmt.Errorf("record the name %s: %w", r.Current, err)
	}
	return nil
}

// strike takes a name out of a record.
func (a *Anchor) strike(ctx context.Context, r Record, name string) error {
	return awserr.Gone(a.edit(ctx, func(have Tags) Tags {
		names, recorded := r.names(have)
		at := slices.Index(names, name)
		if !recorded || at < 0 {
			return nil
		}
		return Tags{r.Key: r.text(slices.Delete(names, at, at+1))}
	}))
}
