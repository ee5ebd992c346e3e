package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/flowbed/flowbed/provision"
)

// Former is an object of the environment under a name that the spec does not
// give any more. Such names are not forgotten, because the log group keeps them:
// its own name never changes, and its tags hold, for each kind of object that
// can be renamed, the names under which there may be one. A name is put there
// before an object of that name is made, and taken away when it is seen to be
// gone; that is a part of its removal. See docs/decisions/0008-former-names.md.
type Former[S provision.State] struct {
	Logs   provision.Ref[LogGroupState]
	Anchor *Anchor
	ID     Identity
	Record Record

	// Make is the object under one of its names, as far as its removal needs it.
	Make func(name string) Kind[S]

	// AccountWide reports whether a name belongs to the whole account.
	AccountWide func(name string) bool

	// Removing says that the anchor goes too, so that its tags may stay as they are.
	Removing bool

	Struck *Struck
}

// Struck are the names that this run has taken out of a record already.
type Struck struct{ sync.Map }

// FormerState is the first object that is found under a former name, or what is
// left of it.
type FormerState[S provision.State] struct {
	Name   string
	Object S    // as it is found
	Found  bool // otherwise only the name is still recorded

	owner provision.Owner
}

// Owner implements provision.State.
func (s FormerState[S]) Owner() provision.Owner { return s.owner }

// Label says which object it is.
func (s FormerState[S]) Label() string {
	if !s.Found {
		return s.Name + ", of which only the name is left"
	}
	return s.Name
}

// Read implements provision.Resource. It makes no call as long as there is no
// name but the present one.
func (f Former[S]) Read(ctx context.Context) (s FormerState[S], err error) {
	names, recorded, err := f.names(ctx)
	if err != nil {
		return s, err
	}
	for _, name := range names {
		object, err := f.Make(name).Read(ctx)
		if err == nil {
			if owner, ours := f.owned(name, object.Owner()); ours {
				return FormerState[S]{Name: name, Object: object, Found: true, owner: owner}, nil
			}
		} else if !errors.Is(err, provision.ErrAbsent) {
			return s, fmt.Errorf("read %s: %w", name, err)
		}
		if recorded && !f.Removing {
			return FormerState[S]{Name: name, owner: provision.Owner{By: f.ID.Owner()}}, nil
		}
	}
	return s, fmt.Errorf("read former names: %w", provision.ErrAbsent)
}

// names are the former names, and whether they are recorded. Without a record it
// is the default name under which there may be something.
func (f Former[S]) names(ctx context.Context) (names []string, recorded bool, err error) {
	anchor, err := f.Logs.Await(ctx)
	if err != nil && !errors.Is(err, provision.ErrAbsent) {
		return nil, false, err
	}
	if err == nil && anchor.Owner().By == f.ID.Owner() {
		names, recorded = f.Record.names(anchor.Tags)
	}
	if !recorded {
		names = []string{f.Record.Default}
	}
	return slices.DeleteFunc(names, func(n string) bool {
		_, struck := f.Struck.Load(n)
		return struck || n == "" || n == f.Record.Current
	}), recorded, nil
}

// owned says for whom the engine should take the object, if it is ours or we
// have a share in it. One that is now called so for another purpose is spared.
func (f Former[S]) owned(name string, o provision.Owner) (provision.Owner, bool) {
	us := f.ID.Owner()
	claimed := slices.Contains(o.Claims, us)
	abandoned := f.AccountWide != nil && f.AccountWide(name) && o.By != "" && len(o.Claims) == 0
	if slices.Contains(f.Record.Spared, name) || o.By != us && !claimed && !abandoned {
		return o, false
	}
	if o.By == us && len(o.Claims) > 0 && !claimed {
		return o, false // we have left it to the others
	}
	return provision.Owner{By: us, Claims: o.Claims}, true
}

// DependsUntilDeleted implements provision.DependsUntilDeleted: one name may go after another, and
// the log group has them all.
func (Former[S]) DependsUntilDeleted() {}

// Create implements provision.Resource: nothing is ever made under such a name.
func (f Former[S]) Create(context.Context) (*FormerState[S], error) { return nil, nil }

// Changes implements provision.Resource.
func (f Former[S]) Changes(FormerState[S]) []provision.Change { return nil }

// Delete implements provision.Resource: first the object goes, and when it is
// seen to be gone, its name.
func (f Former[S]) Delete(ctx context.Context, have FormerState[S]) error {
	if have.Found {
		return f.Make(have.Name).Delete(ctx, have.Object)
	}
	if err := f.Anchor.strike(ctx, f.Record, have.Name); err != nil {
		return fmt.Errorf("forget the name %s: %w", have.Name, err)
	}
	f.Struck.Store(have.Name, true)
	return nil
}

// CheckDelete implements provision.DeleteChecker with those of the object.
func (f Former[S]) CheckDelete(ctx context.Context, have FormerState[S]) ([]provision.Note, error) {
	o, ok := f.Make(have.Name).(provision.DeleteChecker[S])
	if !ok || !have.Found {
		return nil, nil
	}
	return o.CheckDelete(ctx, have.Object)
}

// Explain implements provision.Explainer with what the object knows.
func (f Former[S]) Explain(ctx context.Context, have FormerState[S]) string {
	e, ok := f.Make(have.Name).(provision.Explainer[S])
	if !ok || !have.Found {
		return ""
	}
	return e.Explain(ctx, have.Object)
}

// Permissions are those of the object under the default name. What earlier specs
// have named otherwise is not known before the log group is read.
func (f Former[S]) Permissions() Permissions {
	if f.Record.Current == f.Record.Default {
		return Permissions{}
	}
	return f.Make(f.Record.Default).Permissions()
}
