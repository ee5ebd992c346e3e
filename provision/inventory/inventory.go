// Package inventory finds the environments that an account holds, without a spec
// and without knowing a name: by the tags that all their objects carry. The kinds
// of objects find their own (resource.Discoverer), and package stack says which
// kinds there are; here they become environments with an age and an expiry.
//
// Each environment has a log group, which is called after it and comes first and
// goes last of all that matters: what the log group says of the environment's
// life, counts. It also keeps the names of objects that a spec has named, which
// are looked for as soon as it has been read, while the other searches run. But a
// run may have been killed before there was a log group, so an environment of which
// nothing but a role is left is still found. IAM's objects are not in a region; they belong
// to the one that their tags name. Objects of the whole account count for those
// whose claim they carry.
//
// Nothing is ever concluded from a name alone.
package inventory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowbed/flowbed/provision/resource"
)

// Environment is what there is of an environment.
type Environment struct {
	Name, Region string
	Created      time.Time // of its oldest object; zero if none of them says
	Expires      time.Time // zero if it has no ttl
	Objects      []Object  // by kind and name
}

// Object is one object of an environment.
type Object struct {
	Kind string // in the singular: "log group"
	Name string // or id
}

// Region finds the environments of one region, by name. IAM's objects are among
// them as far as they belong to the region. An error says what could not be looked
// at; the environments are then those of the rest.
func Region(ctx context.Context, region string, s resource.Searches) ([]Environment, error) {
	found := make([][]resource.Found, 1+len(s.Others))
	errs := make([]error, len(found))
	var wg sync.WaitGroup
	anchors := make(chan struct{}) // closed when those in found[0] are complete
	wg.Go(func() {
		defer close(anchors)
		found[0], errs[0] = s.Anchor.Discover(ctx, func(context.Context, string) []string { return nil })
	})
	recorded := func(ctx context.Context, kind string) []string {
		select {
		case <-anchors:
			return recordedNames(found[0], region, kind)
		case <-ctx.Done():
			return nil
		}
	}
	for i, o := range s.Others {
		wg.Go(func() { found[i+1], errs[i+1] = o.Discover(ctx, recorded) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return gather(region, slices.Concat(found...)), errors.Join(errs...)
}

// recordedNames are what the anchors of a region's environments keep for a kind.
func recordedNames(anchors []resource.Found, region, kind string) (all []string) {
	for _, a := range anchors {
		if a.Expiry != resource.ExpiryDecides || !strings.HasSuffix(a.Tags.Owner().By, "@"+region) {
			continue
		}
		all = append(all, resource.RecordedNames(a.Tags)[kind]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// gather sorts objects by the environments of a region to which they belong.
func gather(region string, objects []resource.Found) (list []Environment) {
	byName := map[string][]resource.Found{}
	for _, o := range objects {
		for _, owner := range owners(o.Tags) {
			if name, ok := strings.CutSuffix(owner, "@"+region); ok && name != "" {
				byName[name] = append(byName[name], o)
			}
		}
	}
	for name, all := range byName {
		e := Environment{Name: name, Region: region, Expires: expiry(all)}
		for _, o := range all {
			e.Objects = append(e.Objects, Object{o.Kind, o.Name})
			if shared(o) || o.Created.IsZero() {
				continue // it may be older than this environment
			}
			if e.Created.IsZero() || o.Created.Before(e.Created) {
				e.Created = o.Created.UTC()
			}
		}
		slices.SortFunc(e.Objects, func(a, b Object) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Environment) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// shared reports whether an object may be that of several environments.
func shared(o resource.Found) bool { return len(o.Tags.Owner().Claims) > 0 }

// owners are the environments, as name@region, to which an object belongs: its
// maker, or if it may be shared, those who claim it.
func owners(t resource.Tags) []string {
	switch o := t.Owner(); {
	case o.By == "":
		return nil
	case len(o.Claims) > 0:
		return o.Claims
	default:
		return []string{o.By}
	}
}

// expiry is when an environment's life ends; zero if never. One object decides, if
// it is there. Without it every object has to have an expiry, and the last one
// counts.
func expiry(all []resource.Found) (last time.Time) {
	for _, o := range all {
		if o.Expiry == resource.ExpiryDecides {
			at, _ := o.Tags.Expires()
			return at
		}
	}
	for _, o := range all {
		if shared(o) {
			continue
		}
		at, ok := o.Tags.Expires()
		if !ok && o.Expiry != resource.ExpiryNone {
			return time.Time{}
		}
		if at.After(last) {
			last = at
		}
	}
	return last
}
