package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/cost"
)

// Orphan is an object of the environment whose name is no longer in the spec, because the
// spec renamed it. The step finds such names in the [NameLog] and deletes one object after
// the other. It unregisters a name as soon as the object is gone. If a run is killed, the
// next one finds the remaining names and continues.
type Orphan[S provision.State] struct {
	Entry NameEntry
	Logs  provision.Ref[LogGroupState]

	// Make returns the object with a name. Only Read, CheckDelete, Explain, Delete,
	// Permissions and the methods of provision.Sharer are used.
	Make func(name string) Kind[S]

	// AccountWide is the account-wide name of the kind; it may be empty.
	AccountWide string

	// After has what the object needs until it is deleted, besides the log group.
	After []provision.Edge

	// Destroy means that the run also deletes the log group. Names need not be
	// unregistered then.
	Destroy bool
}

var (
	_ Kind[OrphanState[BucketState]]                    = Orphan[BucketState]{}
	_ provision.DependsUntilDeleted                     = Orphan[BucketState]{}
	_ provision.DeleteChecker[OrphanState[BucketState]] = Orphan[BucketState]{}
	_ provision.Explainer[OrphanState[BucketState]]     = Orphan[BucketState]{}
	_ provision.Labelled                                = OrphanState[BucketState]{}
	_ provision.Sharer[OrphanState[BucketState]]        = Orphan[BucketState]{}
)

// OrphanState is the first object with an old name that the run can delete, or else that stays, or its name if the object is gone but
// the name is still recorded.
type OrphanState[S provision.State] struct {
	Name   string
	Object S    // the actual state of the object
	Found  bool // false if only the name is still recorded

	owner provision.Owner
}

// Owner implements provision.State.
func (s OrphanState[S]) Owner() provision.Owner { return s.owner }

// Label is the old name.
func (s OrphanState[S]) Label() string {
	if !s.Found {
		return s.Name + " (deleted, but its name is still recorded)"
	}
	return s.Name
}

// Read implements provision.Resource. It makes no call if there is no old name.
func (o Orphan[S]) Read(ctx context.Context) (OrphanState[S], error) {
	s, err := o.find(ctx)
	if err == nil || errors.Is(err, provision.ErrAbsent) {
		o.Entry.log.orphaned.Store(o.Entry.Kind, err == nil)
	}
	return s, err
}

func (o Orphan[S]) find(ctx context.Context) (s OrphanState[S], err error) {
	tags, err := o.tags(ctx)
	if err != nil {
		return s, err
	}
	names, recorded := o.Entry.old(tags)
	var next, staying OrphanState[S]
	for _, name := range names {
		have, err := o.read(ctx, name)
		switch {
		case err != nil:
			return s, err
		case have.Found && o.stays(have.owner): // look for one that the run can delete
			staying = staying.and(have)
		case next.Name != "":
			next = next.then(have)
		case have.Found, recorded && !o.Destroy:
			next = have
		}
	}
	switch {
	case next.Name != "":
		return next, nil
	case staying.Found:
		return staying, nil
	}
	return s, fmt.Errorf("read old names: %w", provision.ErrAbsent)
}

// read reads the object with a name. If there is none, or it is not ours, it is not found.
func (o Orphan[S]) read(ctx context.Context, name string) (OrphanState[S], error) {
	gone := OrphanState[S]{Name: name, owner: provision.Owner{By: o.us()}}
	object, err := o.Make(name).Read(ctx)
	switch {
	case errors.Is(err, provision.ErrAbsent):
		return gone, nil
	case err != nil:
		return gone, fmt.Errorf("read %s: %w", name, err)
	}
	owner, ours := o.owner(name, object.Owner())
	if !ours {
		return gone, nil
	}
	return OrphanState[S]{Name: name, Object: object, Found: true, owner: owner}, nil
}

// tags returns the tags that record the names. Down may have deleted the log group in the
// meantime, and must still find what it has left.
func (o Orphan[S]) tags(ctx context.Context) (Tags, error) {
	switch logs, err := o.Logs.Await(ctx); {
	case errors.Is(err, provision.ErrAbsent) && o.Destroy:
		return o.Entry.log.Seen(), nil
	case err != nil && !errors.Is(err, provision.ErrAbsent):
		return nil, err
	case err == nil && logs.Owner().By == o.us():
		return o.Entry.log.with(logs.Tags), nil
	}
	return o.Entry.log.with(nil), nil
}

// stays reports whether an object of ours stays, whatever the run does.
func (o Orphan[S]) stays(owner provision.Owner) bool {
	return owner.Leave != "" || len(owner.Claims) > 0 && !owner.Uses(o.us())
}

// and adds another object that stays to the first one.
func (s OrphanState[S]) and(more OrphanState[S]) OrphanState[S] {
	switch {
	case !s.Found:
		return more
	case s.owner.Leave == "":
		s, more = more, s
	}
	text := more.owner.Leave
	if text == "" {
		text = more.Name + " " + more.owner.UsedBy(more.owner.Claims)
	}
	s.owner.Notes = append(slices.Clone(s.owner.Notes), provision.Note{Severity: provision.Warn, Text: text})
	return s
}

// then adds an object that the step deletes after the first one, so that the plan names it.
func (s OrphanState[S]) then(more OrphanState[S]) OrphanState[S] {
	if !more.Found {
		return s
	}
	text := more.Name + " will be deleted, too"
	for _, n := range more.owner.Notes {
		text += "; " + n.Text
	}
	s.owner.Notes = append(slices.Clone(s.owner.Notes), provision.Note{Severity: provision.Warn, Text: text})
	return s
}

func (o Orphan[S]) us() string { return o.Entry.log.ID.Owner() }

// owner returns the owner for the engine, and whether the object is ours or has our claim.
// Only the object's own tags prove that, not the record. It leaves an object alone if
// another kind now uses this name.
func (o Orphan[S]) owner(name string, have provision.Owner) (provision.Owner, bool) {
	us := o.us()
	claimed := have.Uses(us)
	abandoned := name == o.AccountWide && have.By != "" && len(have.Claims) == 0
	if name == o.Entry.External && len(have.Others(us)) == 0 {
		return have, false // a deletion would delete it, not only our claim
	}
	if slices.Contains(o.Entry.InUse, name) || have.By != us && !claimed && !abandoned {
		return have, false
	}
	if name == o.AccountWide && have.By == us && len(have.Claims) > 0 && !claimed {
		return have, false // we have already removed our claim, and others use it
	}
	return provision.Owner{
		By: us, Claims: have.Claims, Leaving: have.Leaving, Shared: name == o.AccountWide, Leave: have.Leave, Kept: have.Kept, Notes: have.Notes,
	}, true
}

// DependsUntilDeleted implements provision.DependsUntilDeleted: the log group has the
// names of the objects that are not deleted yet.
func (Orphan[S]) DependsUntilDeleted() {}

// Create implements provision.Resource. It does nothing: flowbed creates no objects with
// old names.
func (Orphan[S]) Create(context.Context) (*OrphanState[S], error) { return nil, nil }

// Changes implements provision.Resource.
func (Orphan[S]) Changes(OrphanState[S]) []provision.Change { return nil }

// Costs implements Kind: up deletes the object.
func (Orphan[S]) Costs() []cost.Usage { return nil }

// Permissions are those for the object with the default name, and for the one with the name
// that flowbed may have chosen. Names from earlier specs are not known before the log group
// is read.
func (o Orphan[S]) Permissions() (all Permissions) {
	for _, name := range []string{o.Entry.Default, o.Entry.Own} {
		if name == "" || name == o.Entry.Current {
			continue
		}
		p := o.Make(name).Permissions()
		all.Read = append(all.Read, p.Read...)
		if name == o.Entry.Default && o.Entry.KeepDefault {
			continue
		}
		all.Build = append(all.Build, p.Build...)
		all.CheckDelete, all.Delete = append(all.CheckDelete, p.CheckDelete...), append(all.Delete, p.Delete...)
	}
	return all
}

// Delete implements provision.Resource. The first call deletes the object. When a reading
// shows that the object is gone, the second call unregisters the name.
func (o Orphan[S]) Delete(ctx context.Context, have OrphanState[S]) error {
	if have.Found {
		return o.Make(have.Name).Delete(ctx, have.Object)
	}
	return o.Entry.Unregister(ctx, have.Name)
}

// sharer is the object with a shared name.
func (o Orphan[S]) sharer(name string) (provision.Sharer[S], error) {
	if s, ok := o.Make(name).(provision.Sharer[S]); ok {
		return s, nil
	}
	return nil, fmt.Errorf("leave %s: this kind of object cannot be shared; this is a bug, please report it", name)
}

// MarkLeaving implements provision.Sharer. It calls MarkLeaving of the object.
func (o Orphan[S]) MarkLeaving(ctx context.Context, have OrphanState[S], until time.Time) error {
	s, err := o.sharer(have.Name)
	if err != nil {
		return err
	}
	return s.MarkLeaving(ctx, have.Object, until)
}

// Release implements provision.Sharer. It calls Release of the object.
func (o Orphan[S]) Release(ctx context.Context, have OrphanState[S]) error {
	s, err := o.sharer(have.Name)
	if err != nil {
		return err
	}
	return s.Release(ctx, have.Object)
}

// Opens implements provision.Sharer. The run is leaving the object.
func (o Orphan[S]) Opens(OrphanState[S]) []provision.Note { return nil }

// CheckDelete implements provision.DeleteChecker. It calls CheckDelete of the object.
func (o Orphan[S]) CheckDelete(ctx context.Context, have OrphanState[S]) ([]provision.Note, error) {
	c, ok := o.Make(have.Name).(provision.DeleteChecker[S])
	if !ok || !have.Found {
		return nil, nil
	}
	return c.CheckDelete(ctx, have.Object)
}

// Explain implements provision.Explainer. It calls Explain of the object.
func (o Orphan[S]) Explain(ctx context.Context, have OrphanState[S]) string {
	e, ok := o.Make(have.Name).(provision.Explainer[S])
	if !ok || !have.Found {
		return ""
	}
	return e.Explain(ctx, have.Object)
}
