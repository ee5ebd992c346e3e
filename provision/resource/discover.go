package resource

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
)

// Discoverer is a kind of object that can be found without a spec. It needs only the
// client and the ID of the struct.
//
// Discover returns all objects of the kind in the region that may be ours, for every
// environment and under every name. It may also return objects that are not ours: the
// caller must check the tags, because a name proves nothing.
type Discoverer interface {
	Discover(ctx context.Context, recorded Recorded) ([]Found, error)
}

// Recorded returns the names that the environments' log groups record for a kind, which is
// one of those in [RecordedNames]. Objects may have these names. It waits until the log
// groups are read. So a kind should call it in parallel with its own search, or not at all
// if it finds its objects by tags.
type Recorded func(ctx context.Context, kind string) []string

// Found is an object that Discover found.
type Found struct {
	Kind    string    // in the singular, as people read it: "log group"
	Name    string    // or id
	Created time.Time // zero if AWS does not tell it
	Tags    Tags
	Expiry  Expiry
	Costs   []cost.Usage // as for Kind, of the object as it is

	// Doubt is the environment, as name@region, of which the object may be; empty if the
	// tags prove whose it is.
	Doubt string
}

// Expiry tells how an object's expiry affects that of its environment.
type Expiry int

const (
	// ExpiryCounts is for an object that has the expiry of its environment.
	ExpiryCounts Expiry = iota

	// ExpiryDecides is for the object whose expiry overrides that of all others. Its
	// tags also record the names of other objects.
	ExpiryDecides

	// ExpiryNone is for an object without an expiry.
	ExpiryNone
)

// Searches lists all kinds of objects that an environment can have.
type Searches struct {
	Anchor Discoverer // finds the objects with ExpiryDecides
	Others []Discoverer
}

// withTags reads the tags of objects, for services whose lists do not include them. It
// leaves out the objects that no longer exist.
func withTags(ctx context.Context, list []Found, read func(context.Context, Found) (Tags, error)) ([]Found, error) {
	err := forEach(ctx, len(list), func(ctx context.Context, i int) (err error) {
		list[i].Tags, err = read(ctx, list[i])
		if errors.Is(err, provision.ErrAbsent) || awserr.Classify(err) == awserr.Absent {
			list[i].Tags, err = nil, nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(f Found) bool { return f.Tags == nil }), nil
}
