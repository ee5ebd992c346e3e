package resource

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// The kinds of object that can be renamed in the spec, by the names of their
// steps. A kind's names are recorded in a tag of the log group.
var (
	KindBucket        = renamable("bucket")
	KindTaskRole      = renamable("task role")
	KindExecutionRole = renamable("execution role")
	KindCluster       = renamable("cluster")
	KindWorkPool      = renamable("work pool")
)

// renamableKinds are all kinds that a program has.
var renamableKinds []string

// renamable adds a kind of object that can be renamed in the spec.
func renamable(step string) string {
	renamableKinds = append(renamableKinds, step)
	return step
}

// RecordedNames reads from a log group's tags the names under which the
// environment has or may have objects, by kind. A kind without a tag is missing:
// it has at most an object of the default name. A kind with a tag and no names is
// an empty list: nothing of that kind is the environment's own. A name proves
// nothing: whether the object is there and whose it is, its own tags say.
func RecordedNames(t Tags) map[string][]string {
	all := map[string][]string{}
	for _, kind := range renamableKinds {
		if names, recorded := recordedNames(t, kind); recorded {
			all[kind] = names
		}
	}
	return all
}

// NameLog remembers the names that the objects of one environment have or had.
// The log group's own name never changes, so its tags are the store: one tag for
// each kind of object that can be renamed. A name is registered before an object
// of that name is created, and unregistered after the object is gone. See
// docs/decisions/0008-renamed-objects.md.
type NameLog struct {
	API   *cloudwatchlogs.Client
	ID    Identity
	Group string // the name of the log group

	writing sync.Mutex // one writer at a time

	seen         atomic.Pointer[Tags]
	entries      []NameEntry
	orphaned     sync.Map // by kind: whether the last reading found an orphan
	unregistered sync.Map // kind and name, as [2]string
}

// NameEntry is the part of a NameLog for one kind of object. The zero value is
// for an object that cannot be renamed.
type NameEntry struct {
	Kind    string
	Default string   // the name without one in the spec
	Current string   // the name in the spec; empty if the object is external
	InUse   []string // names of current objects of other kinds, in the same name space

	// Optional is for a kind that not every environment has. Its name is recorded
	// even if it is the default one, so that nothing is looked for where none is.
	Optional bool

	// After are the step of the kind's orphans, so that down deletes them after the
	// object, and the log group if the name must be registered there first.
	After []provision.Edge

	log *NameLog
}

// Add adds a kind of object to the log, before anything is read.
func (l *NameLog) Add(e NameEntry) NameEntry {
	e.log = l
	l.entries = append(l.entries, e)
	return e
}

// Seen are the tags of the log group as far as a reading has found them in this
// run; nil if none has, or if the group is not the environment's own.
func (l *NameLog) Seen() Tags {
	if l == nil || l.seen.Load() == nil {
		return nil
	}
	return *l.seen.Load()
}

// see notes what a reading has found. Tags become visible late, so a reading may
// be older than the one before it: a tag that it lacks is not forgotten.
func (l *NameLog) see(t Tags) {
	if l == nil || t.Owner().By != l.ID.Owner() {
		return
	}
	all := Tags{}
	maps.Copy(all, l.Seen())
	maps.Copy(all, t)
	l.seen.Store(&all)
}

// tags are the tags that the log group should have for the names, if have are its
// tags now.
func (l *NameLog) tags(have Tags) Tags {
	want := Tags{}
	if l == nil {
		return want
	}
	for _, e := range l.entries {
		orphaned, _ := l.orphaned.Load(e.Kind)
		maps.Copy(want, e.tags(have, orphaned == true))
	}
	return want
}

// edit sets the tags that change returns for the current ones. There is no call
// that changes part of a tag, so it reads before it writes.
func (l *NameLog) edit(ctx context.Context, change func(have Tags) Tags) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	arn := l.ID.ARN("logs", l.ID.Region, "log-group:"+l.Group)
	out, err := l.API.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil {
		return err
	}
	set := change(out.Tags)
	if len(set) == 0 {
		return nil
	}
	_, err = l.API.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: set})
	return err
}

// tags are the entry's tag with the names that it has already and the current
// one. If nothing is recorded yet, orphaned says that there is an object of the
// default name.
func (e NameEntry) tags(have Tags, orphaned bool) Tags {
	names, recorded := recordedNames(have, e.Kind)
	switch {
	case !recorded && (e.Current == e.Default && !e.Optional || e.Current == "" && e.Optional):
		return nil
	case !recorded && orphaned:
		names = []string{e.Default}
	}
	if e.Current != "" && !slices.Contains(names, e.Current) {
		names = append(names, e.Current)
	}
	return nameTags(e.Kind, names)
}

// Register records the current name before an object of that name is created. It
// makes no call unless other names are recorded and this one is not. A name other
// than the default one is recorded by the log group's step, which comes first.
func (e NameEntry) Register(ctx context.Context) error {
	if e.Current == "" || e.RecordedFirst() {
		return nil
	}
	if names, recorded := recordedNames(e.log.Seen(), e.Kind); !recorded || slices.Contains(names, e.Current) {
		return nil
	}
	err := e.log.edit(ctx, func(have Tags) Tags { return e.tags(have, false) })
	if err != nil {
		return fmt.Errorf("record the name %s: %w", e.Current, err)
	}
	return nil
}

// RecordedFirst reports whether the log group's step records the current name, and
// so has to come before the object's.
func (e NameEntry) RecordedFirst() bool { return e.Current != e.Default || e.Optional }

// Unregister takes the name of an object that is gone out of the record. A log
// group that is gone records nothing.
func (e NameEntry) Unregister(ctx context.Context, name string) error {
	err := e.log.edit(ctx, func(have Tags) Tags {
		names, _ := recordedNames(have, e.Kind)
		at := slices.Index(names, name)
		if at < 0 {
			return nil
		}
		return nameTags(e.Kind, slices.Delete(names, at, at+1))
	})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("remove the name %s from the log group's tags: %w", name, err)
	}
	e.log.unregistered.Store([2]string{e.Kind, name}, true)
	return nil
}

// old are the names under which there may be an orphan, and whether they are
// recorded in the log group's tags. If not, it can only be the default name. What
// this run has unregistered may still be visible there.
func (e NameEntry) old(t Tags) (names []string, recorded bool) {
	if names, recorded = recordedNames(t, e.Kind); !recorded && !e.Optional {
		names = []string{e.Default}
	}
	return slices.DeleteFunc(names, func(n string) bool {
		_, gone := e.log.unregistered.Load([2]string{e.Kind, n})
		return gone || n == "" || n == e.Current
	}), recorded
}

// noNames is the value of a tag that records no name: a missing tag would mean
// that there may be an object of the default name.
const noNames = "-"

// comma is allowed in the names of roles, and not in tags.
var comma = strings.NewReplacer(",", ":")

func nameTag(kind string) string { return "flowbed:" + strings.ReplaceAll(kind, " ", "-") }

func recordedNames(t Tags, kind string) (names []string, recorded bool) {
	text, recorded := t[nameTag(kind)]
	names = []string{}
	for _, n := range strings.Fields(text) {
		if n != noNames {
			names = append(names, strings.ReplaceAll(n, ":", ","))
		}
	}
	return names, recorded
}

func nameTags(kind string, names []string) Tags {
	if len(names) == 0 {
		names = []string{noNames}
	}
	return Tags{nameTag(kind): comma.Replace(strings.Join(names, " "))}
}
