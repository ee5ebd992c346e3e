package provision

import (
	"context"
	"errors"
	"time"
)

// ErrAbsent is returned by Read, possibly wrapped, if the object does not exist.
var ErrAbsent = errors.New("does not exist")

// Resource is one object, written as the state that it should have. S is the
// state in which it is found.
//
// The fields of the implementing struct may hold references to earlier steps
// ([Ref], or a slice of Ref); they are the edges of the graph.
type Resource[S State] interface {
	// Read says how the object is, or ErrAbsent. It must not change anything.
	Read(ctx context.Context) (S, error)

	// Create makes the object exist with its owner recorded in the same call,
	// and need not do more: what it leaves undone, Changes lists next time. It
	// returns the state that its request and the reply are known to have led to,
	// so that the engine need not ask before it goes on; or nil, if only a
	// reading can tell. Either way the object is read before its step is done.
	Create(ctx context.Context) (*S, error)

	// Changes lists the differences between have and the wanted state. It is
	// pure: it makes no calls. Changes of the zero state describes a creation.
	Changes(have S) []Change

	// Delete removes the object, or this environment's share in it. It is
	// called again only when the state that Read finds has changed.
	Delete(ctx context.Context, have S) error
}

// State is what a resource is found to be.
type State interface {
	Owner() Owner
}

// Owner says who made an object, and who uses it.
type Owner struct {
	By     string   // the environment that made it; empty if this program did not
	Claims []string // the environments that use it, if it may be shared
}

// DataSource is something that exists without us and is only read.
type DataSource[S any] interface {
	Read(ctx context.Context) (S, error)
}

// The following interfaces are optional. State which of them a kind implements,
// so that the compiler holds it to that:
//
//	var _ provision.Predictor[BucketState] = Bucket{}
//
// [Add] panics on a method that has the name of an optional one and another
// signature: the engine would not see it, and what it guards would be unguarded.
type (
	// Labelled states say how the service calls the object: a name or an id.
	Labelled interface{ Label() string }

	// Patient resources say how long a step may go on without any progress
	// before it fails. The default is Graph.Patience.
	Patient interface{ Patience() time.Duration }

	// Validator says what a reader of the plan should know beyond the changes.
	// It is pure. A note of severity Error stops up before anything is changed.
	Validator[S State] interface {
		Validate(have S, found bool) []Note
	}

	// UseChecker says what an external object lacks for our use.
	UseChecker[S State] interface{ CheckUse(have S) []Note }

	// DeleteChecker says what prevents a deletion; Error stops down before
	// anything is changed.
	DeleteChecker[S State] interface {
		CheckDelete(ctx context.Context, have S) ([]Note, error)
	}

	// Predictor says what the state will be as far as names decide it, so that
	// a plan can show what depends on an object that does not exist yet.
	Predictor[S State] interface{ Predicted() S }

	// DependsUntilDeleted resources need what they refer to until they are gone,
	// and not only until their deletion has been accepted.
	DependsUntilDeleted interface{ DependsUntilDeleted() }

	// Explainer adds what is known about the cause when a step has run out of
	// patience or failed; it returns an empty string if nothing is. Have is the
	// zero state if the object was created and is not found any more.
	Explainer[S State] interface {
		Explain(ctx context.Context, have S) string
	}
)

// Change is one difference, and the call that removes it.
type Change struct {
	Field    string // what differs, in the words of the service
	From, To Value
	Replace  bool   // the object cannot be changed in place: a new one takes over
	Why      string // the reason, where a reader would ask for one

	// Independent changes that stand next to each other in the list are made at
	// the same time. All others are made in the order of the list.
	Independent bool

	// Do removes the difference. If it is nil, the difference settles by itself
	// and is only awaited.
	Do func(ctx context.Context) error
}

// Note is a remark about a step.
type Note struct {
	Severity Severity
	Text     string
}

// Severity says what a note means for the run.
type Severity int

// Info and Warn are only shown. Error stops a run before it has changed anything.
const (
	Info Severity = iota
	Warn
	Error
)

func (s Severity) String() string { return [...]string{"info", "warning", "error"}[s] }

// Ownership says what a step may do with an object that it did not make.
type Ownership int

const (
	// Own refuses an object of another owner.
	Own Ownership = iota
	// Adopt takes over an object that nobody owns, and says so in the plan.
	Adopt
	// External uses an object that must exist, and never writes to it.
	External
	// Share is for names that belong to the whole account: the object is created
	// if it is absent, joined by a claim if another environment created it and
	// shares it (it has a claim from its creation), and used as if it were
	// external otherwise. The last one to leave deletes it.
	Share
	// Prune is for objects that the spec no longer has: up deletes what is ours.
	Prune
)
