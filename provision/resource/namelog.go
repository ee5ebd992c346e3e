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

// The kinds of objects that a spec can rename, by the names of their steps. A tag of the
// log group records the names for each kind.
var (
	KindBucket        = renamable("bucket")
	KindTaskRole      = renamable("task role")
	KindExecutionRole = renamable("execution role")
	KindCluster       = renamable("cluster")
	KindWorkPool      = renamable("work pool")
	KindResultBlock   = renamable("result storage") // its name is fixed, but not every environment has one
	KindLogGroup      = renamable("log group")
)

// renamableKinds has all of them.
var renamableKinds []string

// renamable declares a kind of object that a spec can rename.
func renamable(step string) string {
	renamableKinds = append(renamableKinds, step)
	return step
}

// RecordedNames returns, by kind, the names in a log group's tags. The environment may
// have objects with these names. A kind without a tag is not in the map: its object can
// only have the default name. A kind with a tag without names has an empty list: the
// environment owns no object of that kind. A name proves nothing: only the object's own
// tags tell whether it is ours.
func RecordedNames(t Tags) map[string][]string {
	all := map[string][]string{}
	for _, kind := range renamableKinds {
		if names, recorded := recordedNames(t, kind); recorded {
			all[kind] = names
		}
	}
	return all
}

// NameLog records the names that the objects of one environment have or had, so that a
// later run can delete an object after its name in the spec has changed. It stores them
// in tags of the log group: one tag for each kind of object that can be renamed. A step
// registers a name before it creates the object, and unregisters the name after the object is
// gone. If the log group itself was renamed, the names of all log groups of the environment
// count. See docs/decisions/0008-renamed-objects.md.
type NameLog struct {
	API   *cloudwatchlogs.Client
	ID    Identity
	Group string // the name of the log group in the spec

	writing sync.Mutex // one writer at a time

	othersMu sync.Mutex
	others   map[string]Tags // the environment's other log groups, by name; never changed
	main     string          // the log group that a reading has found; empty before

	seen          atomic.Pointer[Tags]
	entries       []NameEntry
	orphaned      sync.Map // by kind: whether the last reading found an orphan
	unregistering sync.Map // kind and name, as [2]string: what must not be recorded again
	unregistered  sync.Map // the same, when no tag has it any more
}

// NameEntry is the part of a NameLog for one kind of object. The zero value is
// for an object that cannot be renamed.
type NameEntry struct {
	Kind     string
	Default  string   // the name if the spec sets none
	Current  string   // the name in the spec; empty if the object is external
	External string   // the name in the spec if the object is external
	InUse    []string // names of current objects of other kinds in the same namespace
	Own      string   // the name that flowbed may have chosen instead of the default; may be empty

	// KeepDefault leaves out of the permissions what changes or deletes an object with the
	// default name: only an earlier file gave the environment one, and the policy of that file
	// allows to delete it.
	KeepDefault bool

	// Optional is for a kind that not every environment has. Its name is recorded even
	// if it is the default, so that Orphan makes no call if no name is recorded.
	Optional bool

	// After has the step for orphans of the kind, so that down deletes them after the
	// object. It also has the log group if that must register the name first.
	After []provision.Edge

	log *NameLog
}

// Add adds a kind of object to the log. It must be called before the first reading.
func (l *NameLog) Add(e NameEntry) NameEntry {
	e.log = l
	l.entries = append(l.entries, e)
	return e
}

// Seen returns the tags of the log group that the readings of this run have shown, with what
// the environment's other log groups record. It returns nil if there are none, or if no log
// group is ours.
func (l *NameLog) Seen() Tags {
	if l == nil {
		return nil
	}
	return l.with(l.last())
}

// last returns the tags of the log group alone.
func (l *NameLog) last() Tags {
	if l.seen.Load() == nil {
		return nil
	}
	return *l.seen.Load()
}

// recordedAPI is the URL of the Prefect API that one of the log groups records.
func (l *NameLog) recordedAPI() string { return l.Seen()[KeyPrefectAPI] }

// see adds the tags from a reading. Tags become visible late, so a reading may return an
// older state than the one before it. So see keeps a tag that the new reading lacks.
func (l *NameLog) see(t Tags) {
	if l == nil || t.Owner().By != l.ID.Owner() {
		return
	}
	all := Tags{}
	maps.Copy(all, l.last())
	maps.Copy(all, t)
	l.seen.Store(&all)
}

// tags returns the desired tags with the names, for a log group that has the tags have.
func (l *NameLog) tags(have Tags) Tags {
	want := Tags{}
	if l == nil {
		return want
	}
	have = l.with(have)
	for _, e := range l.entries {
		orphaned, _ := l.orphaned.Load(e.Kind)
		maps.Copy(want, e.tags(have, orphaned == true))
	}
	return want
}

// edit changes the tags of all log groups of the environment. Before the first one exists, there
// is nothing to change in it.
func (l *NameLog) edit(ctx context.Context, change func(have Tags) Tags) error {
	others := l.rest()
	err := l.editIn(ctx, l.group(), change)
	if len(others) > 0 {
		err = awserr.Gone(err)
	}
	for _, group := range slices.Sorted(maps.Keys(others)) {
		if err == nil {
			err = awserr.Gone(l.editIn(ctx, group, change))
		}
	}
	return err
}

// editIn reads the tags of a log group and sets those that change returns for them. No call
// changes only a part of a tag, so it must read first.
func (l *NameLog) editIn(ctx context.Context, group string, change func(have Tags) Tags) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	arn := LogGroup{ID: l.ID, Name: group}.arn()
	out, err := l.API.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil {
		return err
	}
	set := change(out.Tags)
	if len(set) == 0 {
		return nil
	}
	if _, err = l.API.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: set}); err != nil {
		return err
	}
	if _, other := l.rest()[group]; other {
		now := Tags{}
		maps.Copy(now, out.Tags)
		maps.Copy(now, set)
		l.note(group, now)
	}
	return nil
}

// tags returns the desired tag of the entry: with the recorded names and the current one.
// If nothing is recorded, orphaned tells whether an object with the default name exists.
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

// Register records the current name. Call it before creating an object with that name. It
// makes a call only if other names are recorded and this one is not. With RecordedFirst, the
// step of the log group has already recorded the name.
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

// RecordedFirst reports whether the step of the log group records the current name, and
// so must come before the object's.
func (e NameEntry) RecordedFirst() bool { return e.Current != e.Default || e.Optional }

// Unregister removes the name of an object that is gone from the log group's tags. It
// succeeds if the log group is gone.
func (e NameEntry) Unregister(ctx context.Context, name string) error {
	e.log.unregistering.Store([2]string{e.Kind, name}, true)
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

// old returns the names that an orphan may have, and whether the log group's tags record
// them. If they record none, an orphan can only have the default name, or none if the kind
// is optional. It leaves out names that this run has unregistered: the tags may still show
// them.
func (e NameEntry) old(t Tags) (names []string, recorded bool) {
	if names, recorded = recordedNames(t, e.Kind); !recorded && !e.Optional {
		names = []string{e.Default}
	}
	return slices.DeleteFunc(names, func(n string) bool {
		_, gone := e.log.unregistered.Load([2]string{e.Kind, n})
		return gone || n == "" || n == e.Current || e.Kind == KindLogGroup && n == e.log.group()
	}), recorded
}

// noNames is the value of a tag without names. A missing tag would mean that an object
// with the default name may exist.
const noNames = "-"

// The names of roles can contain commas. Tags cannot.
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
