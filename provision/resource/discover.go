package resource

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Discoverer is a kind of object that can be found without a spec. Of the struct
// itself only the client and the identity are needed, which says the account and
// the region.
//
// Discover finds every object of the kind in the region that may be ours, of
// whatever environment and under whatever name. What it returns may be somebody
// else's: the tags say whose it is, and no name does.
type Discoverer interface {
	Discover(ctx context.Context, recorded Recorded) ([]Found, error)
}

// Recorded returns names under which there may be objects of a kind: names that
// a spec gives are kept in the tags of the environments' log groups, under the
// kinds of [RecordedNames]. It waits until those have been read, so a kind that
// needs it asks beside its own search, not before, and a kind that finds its
// objects by their tags does not ask at all.
type Recorded func(ctx context.Context, kind string) []string

// Found is an object as Discover finds it.
type Found struct {
	Kind    string    // in the singular, as people read it: "log group"
	Name    string    // or id
	Created time.Time // zero if AWS does not say
	Tags    Tags
	Expiry  Expiry
}

// Expiry is what an object has to say about when its environment expires.
type Expiry int

const (
	// ExpiryCounts is for an object that goes with its environment.
	ExpiryCounts Expiry = iota

	// ExpiryDecides is for the object that is asked before all others, and whose
	// tags keep the names of the others.
	ExpiryDecides

	// ExpiryNone is for an object that has no expiry of its own.
	ExpiryNone
)

// Searches are all kinds of objects that an environment may have.
type Searches struct {
	Anchor Discoverer // finds what decides and keeps names
	Others []Discoverer
}

const mostReads = 8 // of tags at the same time

// withTags reads the tags of objects, for the services whose lists leave them out.
// What is gone by then is left out.
func withTags(ctx context.Context, list []Found, read func(context.Context, Found) (Tags, error)) ([]Found, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(mostReads)
	for i := range list {
		g.Go(func() (err error) {
			list[i].Tags, err = read(ctx, list[i])
			if errors.Is(err, provision.ErrAbsent) || awserr.Classify(err) == awserr.Absent {
				list[i].Tags, err = nil, nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(f Found) bool { return f.Tags == nil }), nil
}
