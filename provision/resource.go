package provision

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// ErrAbsent is the error of Read, possibly wrapped, if the object does not exist.
var ErrAbsent = errors.New("does not exist")

// Resource is the desired state of one object. S is the type of its actual state.
//
// The fields of the implementing struct may hold references to earlier steps
// ([Ref], or a slice of Ref). They are the edges of the graph.
type Resource[S State] interface {
	// Read returns the actual state, or ErrAbsent if the object does not exist. It
	// must not change anything.
	Read(ctx context.Context) (S, error)

	// Create creates the object and records its owner in the same call. It may leave
	// the rest to Changes. It returns the state that follows from its request and
	// the reply, so that the engine can go on without a reading, or nil if only a
	// reading can tell. The engine reads the object before the step is done either way.
	Create(ctx context.Context) (*S, error)

	// Changes lists the differences between the actual state and the desired one. It
	// is pure: it makes no calls. Changes of the zero state describes a creation.
	Changes(have S) []Change

	// Delete deletes the object. The engine calls it again only if Read finds a new
	// state. For an object that can be shared, see Sharer.
	Delete(ctx context.Context, have S) error
}

// State is the actual state of an object.
type State interface {
	Owner() Owner
}

// Owner tells who owns an object and who uses it.
type Owner struct {
	By     string   // the environment that owns it; empty if flowbed did not create it
	Claims []string // the environments that use it, if it can be shared

	// Leaving are the marks of environments that are leaving the object; see Sharer.
	Leaving []Leaving

	// Shared means that others may have claims on the object although its step does not
	// have the ownership Share: it has the name of a shared object from an earlier spec.
	Shared bool

	// Unfinished is what marks an object that has not had all its fields since its owner created
	// it, such as "the tag x": until then, the owner ignores none; see Graph.Ignore. It is empty
	// if the object has no mark.
	Unfinished string

	// Protected means that the owner asked for protection from deletion. The engine only
	// carries it: the command decides what it means.
	Protected bool

	// Leave is why a run that deletes the object must leave it, and what the user can do.
	// The run goes on without the object, which then counts as left. It is empty if the
	// run may delete the object.
	Leave string

	// Doubt is why it is not certain that an object belongs to the environment, and what
	// the user can do: then up stops, and a run that deletes leaves the object. The state of
	// a Read that returns ErrAbsent can have it, too. It is empty if there is no doubt, or
	// if only the owner is missing, which the engine sees for itself.
	Doubt string

	// Kept says in place of the claims why a run keeps the object, such as "still has logs".
	Kept string

	// Notes are for the reader of a plan that deletes, releases or leaves the object.
	Notes []Note
}

// UsedBy tells why the object stays: who uses it, or what Kept says.
func (o Owner) UsedBy(users []string) string {
	if o.Kept != "" {
		return o.Kept
	}
	return "is used by " + strings.Join(users, ", ")
}

// Others returns the claims of all environments but env.
func (o Owner) Others(env string) []string {
	return slices.DeleteFunc(slices.Clone(o.Claims), func(c string) bool { return c == env })
}

// Uses reports whether an environment has a claim, or a mark in place of its claim.
func (o Owner) Uses(env string) bool { return slices.Contains(o.Users(), env) }

// Users returns the environments that have a claim or a mark.
func (o Owner) Users() []string {
	list := slices.Clone(o.Claims)
	for _, m := range o.Leaving {
		list = append(list, m.Env)
	}
	return list
}

// DataSource is something that the engine only reads.
type DataSource[S any] interface {
	Read(ctx context.Context) (S, error)
}

// Noter is an optional interface of data sources: it returns notes for the reader of a plan. It is
// pure. A note with severity Error stops up before it changes anything.
type Noter[S any] interface{ Notes(have S) []Note }

// The following interfaces are optional. Declare which of them a kind implements,
// so that the compiler checks it:
//
//	var _ provision.Predictor[BucketState] = Bucket{}
//
// [Add] panics if a method has the name of an optional one but another signature:
// the engine would never call it.
type (
	// Labelled states have a label: the name or id by which the service knows the
	// object.
	Labelled interface{ Label() string }

	// Named resources know what their object will be called, although its state does not follow
	// from that: plans show the name before the object exists. Of a Predictor, plans show the
	// label of the predicted state. It is pure.
	Named interface{ ObjectName() string }

	// Patient resources set how long a step may go without progress before it
	// fails. The default is Graph.Patience.
	Patient interface{ Patience() time.Duration }

	// Usual resources tell how long the object usually takes to be as desired, in words such
	// as "4–6 minutes", if that is known. It is empty if it is not.
	Usual interface{ Usually() string }

	// DeletePatient resources set how long the deletion of their object may go without
	// progress. The default is that of the step.
	DeletePatient interface{ DeletePatience() time.Duration }

	// Validator returns notes for the reader of a plan. It is pure. A note with
	// severity Error stops up before it changes anything. A warning tells what will not
	// work after up either; see Graph.Warnings.
	Validator[S State] interface {
		Validate(have S, found bool) []Note
	}

	// UseChecker returns what an external object lacks for our use, with the same
	// severities.
	UseChecker[S State] interface{ CheckUse(have S) []Note }

	// DeleteChecker returns what prevents a deletion, also one that is a part of a replacement.
	// A note with severity Error stops a run before it changes anything.
	DeleteChecker[S State] interface {
		CheckDelete(ctx context.Context, have S) ([]Note, error)
	}

	// Keeper returns the objects of earlier steps that must stay because of what a run
	// leaves of its own object, so that a plan can say so before the run begins. With stays,
	// the run leaves the object itself. It is pure.
	Keeper[S State] interface {
		Keeps(have S, stays bool) []Kept
	}

	// BlockerFinder returns what keeps the service from deleting the object, in a fixed
	// order. The engine calls it while down waits for the object to go, whether the service
	// has rejected the deletion or not: views show what the step waits for, and its patience
	// starts again whenever the answer is a new one. A finder that cannot tell returns nil.
	BlockerFinder[S State] interface {
		Blockers(ctx context.Context, have S) []Blocker
	}

	// Predictor returns the part of the state that follows from names, so that a
	// plan can show what depends on an object that does not exist yet.
	Predictor[S State] interface{ Predicted() S }

	// Replacer reports whether a Predictor's object is replaced by a new one, which is then
	// as predicted, so that a plan can show what depends on that one. It is pure, and asks no
	// other steps.
	Replacer[S State] interface{ Replaces(have S) bool }

	// DependsUntilDeleted resources need the objects that they refer to until their
	// own object is gone, not only until the service has accepted its deletion.
	DependsUntilDeleted interface{ DependsUntilDeleted() }

	// DeletedAfterDependents resources can only be deleted once the objects that refer to them
	// are gone. It is DependsUntilDeleted, said by the other side.
	DeletedAfterDependents interface{ DeletedAfterDependents() }

	// CreatedByDependents resources are created by the objects that refer to them, not by up.
	// Down ends such a step only after all steps that refer to it, and reads it once more
	// then: until the end, they may create another object.
	CreatedByDependents interface{ CreatedByDependents() }

	// Quitter returns an error if the object will not reach its desired state by itself,
	// so that the step need not wait until its patience has run out. The engine calls it
	// while up waits, and it may make calls.
	Quitter[S State] interface {
		Quit(ctx context.Context, have S) error
	}

	// Detailer reads more of an object that differs, which only the reader of a plan needs.
	// Plan calls it once for each reading, and shows the differences of the state that it
	// returns. A run acts on readings without it, so what there is to do must not depend on it.
	// What cannot be read is left out of the state.
	Detailer[S State] interface {
		Detail(ctx context.Context, have S) S
	}

	// Ignorer resources must know which of their fields are ignored (see Graph.Ignore), because
	// more than one change depends on a difference: for example, an object that must be
	// replaced is not repaired. Ignoring returns the resource that knows; Changes still lists
	// the differences. It is pure.
	Ignorer[S State] interface {
		Ignoring(fields Fields) Resource[S]
	}

	// Explainer returns the likely cause of a failed step, or an empty string if it
	// knows none. Have is the zero state if the run created the object and can no
	// longer find it.
	Explainer[S State] interface {
		Explain(ctx context.Context, have S) string
	}
)

// Change is one difference, and the call that removes it.
type Change struct {
	Field    string // what differs, in the service's terms
	From, To Value
	Replace  bool   // the change needs a new object
	Why      string // the reason, where a reader would ask for one

	// Causes say in a few words each why a long value differs, for example
	// "prefect 3.9.0 → 3.9.1": the difference itself is many lines.
	Causes []string

	// Independent changes that are adjacent in the list run at the same time. All
	// others run in the order of the list.
	Independent bool

	// Claims marks the change that records this environment as a user of a shared
	// object. The engine makes it alone, before all others.
	Claims bool

	// Required changes are made even if the config file ignores their field; see Graph.Ignore.
	Required bool

	// Last marks a change that is made only when nothing else differs.
	Last bool

	// Do removes the difference. If it is nil, and Joint is, too, the difference goes away
	// without a call, and the engine waits for that.
	Do func(ctx context.Context) error

	// Of tells objects of one step apart whose differences are the same, such as subnets that
	// lack a tag. It may be empty.
	Of string

	// Joint is set instead of Do if one call removes several differences; see Together.
	Joint *Joint
}

// Joint is a call that removes the differences that have it.
type Joint struct {
	Do func(ctx context.Context, fields Fields) error
}

// Fields are names of fields.
type Fields []string

// Has reports whether a field is one of them.
func (f Fields) Has(field string) bool { return slices.Contains(f, field) }

// Together returns the changes with one call that removes them all. The engine passes the
// fields of those that remain without the ignored ones. The call sets these and no others: it
// leaves others out of its request, or repeats in it what the object has.
func Together(list []Change, do func(ctx context.Context, fields Fields) error) []Change {
	list = slices.Clone(list)
	j := &Joint{do}
	for i := range list {
		list[i].Do, list[i].Joint = nil, j
	}
	return list
}

// Kept is an object that a run must leave.
type Kept struct {
	Object Edge
	Why    string // for example "i-0123, which is left, is in it"
}

// Note is a message about a step.
type Note struct {
	Severity Severity
	Text     string
}

// Severity is the effect of a note on the run.
type Severity int

// Info and Warn are only shown. Error stops a run before it changes anything.
const (
	Info Severity = iota
	Warn
	Error
)

func (s Severity) String() string { return [...]string{"info", "warning", "error"}[s] }

// Ownership tells what a step may do with an object that already exists.
type Ownership int

const (
	// Own reports a conflict if the object has another owner or none.
	Own Ownership = iota
	// Adopt also takes an object that nobody owns, and tells so in the plan.
	Adopt
	// External uses an object that must exist, and never writes to it.
	External
	// Share is for account-wide names. If the object is absent, the step creates it,
	// with a claim. If another environment created it, the step adds its own claim.
	// If nobody owns it, the step uses it as if it were external. The last environment
	// that leaves deletes the object. The kind must implement Sharer.
	Share
	// Prune is for objects that the spec no longer has: up deletes what is ours.
	Prune
)
