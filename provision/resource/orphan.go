package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/flowbed/flowbed/provision"
)

// Orphan is an object of the environment under a name that is not in the spec any
// more, because the object was renamed there. It finds such names in the
// [NameLog], deletes one object after another, and unregisters a name when its
// object is seen to be gone. That is a part of the deletion, so the next run
// completes what a killed run has left.
type Orphan[S provision.State] struct {
	Entry NameEntry
	Logs  provision.Ref[LogGroupState]

	// Make returns the object under one of its names, as far as deletion needs it.
	Make func(name string) Kind[S]

	// AccountWide is a name that belongs to the whole account; it may be empty.
	AccountWide string

	// Destroy says that the log group is deleted too, so that its tags may stay.
	Destroy bool
}

var (
	_ provision.DependsUntilDeleted                     = Orphan[BucketState]{}
	_ provision.DeleteChecker[OrphanState[BucketState]] = Orphan[BucketState]{}
	_ provision.Explainer[OrphanState[BucketState]]     = Orphan[BucketState]{}
)

// OrphanState is the first object that is found under an old name, or what is
// left of it.
type OrphanState[S provision.State] struct {
	Name   string
	Object S    // as it is found
	Found  bool // otherwise only the name is still recorded

	owner provision.Owner
}

// Owner implements provision.State.
func (s OrphanState[S]) Owner() provision.Owner { return s.owner }

// Label says which object it is.
func (s OrphanState[S]) Label() string {
	if !s.Found {
		return s.Name + " (gone, its name is still recorded)"
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
	var tags Tags
	switch logs, err := o.Logs.Await(ctx); {
	case err != nil && !errors.Is(err, provision.ErrAbsent):
		return s, err
	case err == nil && logs.Owner().By == o.us():
		tags = logs.Tags
	}
	names, recorded := o.Entry.old(tags)
	for _, name := range names {
		object, err := o.Make(name).Read(ctx)
		if err == nil {
			if owner, ours := o.owner(name, object.Owner()); ours {
				return OrphanState[S]{Name: name, Object: object, Found: true, owner: owner}, nil
			}
		} else if !errors.Is(err, provision.ErrAbsent) {
			return s, fmt.Errorf("read %s: %w", name, err)
		}
		if recorded && !o.Destroy {
			return OrphanState[S]{Name: name, owner: provision.Owner{By: o.us()}}, nil
		}
	}
	return s, fmt.Errorf("read old names: %w", provision.ErrAbsent)
}

func (o Orphan[S]) us() string { return o.Entry.log.ID.Owner() }

// owner is the owner that the engine should see, and whether the object is ours
// or we have a share in it. A record proves nothing: only the object's own tags
// do, and an object that now has another use under this name is left alone.
func (o Orphan[S]) owner(name string, have provision.Owner) (provision.Owner, bool) {
	us := o.us()
	claimed := slices.Contains(have.Claims, us)
	abandoned := name == o.AccountWide && have.By != "" && len(have.Claims) == 0
	if slices.Contains(o.Entry.InUse, name) || have.By != us && !claimed && !abandoned {
		return have, false
	}
	if have.By == us && len(have.Claims) > 0 && !claimed {
		return have, false // we have left it to the others
	}
	return provision.Owner{By: us, Claims: have.Claims}, true
}

// DependsUntilDeleted implements provision.DependsUntilDeleted: the log group
// holds the names of the objects that are still to be deleted.
func (Orphan[S]) DependsUntilDeleted() {}

// Create implements provision.Resource: nothing is created under an old name.
func (Orphan[S]) Create(context.Context) (*OrphanState[S], error) { return nil, nil }

// Changes implements provision.Resource.
func (Orphan[S]) Changes(OrphanState[S]) []provision.Change { return nil }

// Permissions are those of the object under the default name. What earlier specs
// have named otherwise is not known before the log group is read.
func (o Orphan[S]) Permissions() Permissions {
	if o.Entry.Current == o.Entry.Default {
		return Permissions{}
	}
	return o.Make(o.Entry.Default).Permissions()
}

// Delete implements provision.Resource: first it deletes the object, and when
// that is seen to be gone, the name.
func (o Orphan[S]) Delete(ctx context.Context, have OrphanState[S]) error {
	if have.Found {
		return o.Make(have.Name).Delete(ctx, have.Object)
	}
	return o.Entry.Unregister(ctx, have.Name)
}

// CheckDelete implements provision.DeleteChecker with that of the object.
func (o Orphan[S]) CheckDelete(ctx context.Context, have OrphanState[S]) ([]provision.Note, error) {
	c, ok := o.Make(have.Name).(provision.DeleteChecker[S])
	if !ok || !have.Found {
		return nil, nil
	}
	return c.CheckDelete(ctx, have.Object)
}

// Explain implements provision.Explainer with that of the object.
func (o Orphan[S]) Explain(ctx context.Context, have OrphanState[S]) string {
	e, ok := o.Make(have.Name).(provision.Explainer[S])
	if !ok || !have.Found {
		return ""
	}
	return e.Explain(ctx, have.Object)
}
