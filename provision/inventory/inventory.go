// Package inventory finds the environments in an account by the tags of their
// objects. It needs no config file and no names. Each kind finds its own objects
// (resource.Discoverer), and package stack lists the kinds. This package groups the
// objects into environments with an age and an expiry.
//
// Each environment has a log group, which up creates first and down deletes last. The
// log group decides when its environment expires. Its tags also record names that a
// config file gave, so the search for those objects starts after the log groups are
// read, and runs in parallel with the other searches. A run may have been killed
// before it created the log group, so an environment can also consist of a single
// role. IAM's objects have no region: they belong to the region in their tags. An
// account-wide object belongs to every environment that has a claim on it.
//
// A name alone proves nothing.
package inventory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/resource"
)

// Environment is an environment that has at least one object.
type Environment struct {
	Name, Region string
	Created      time.Time // of its oldest object; zero if AWS tells it for none of them
	Expires      time.Time // zero if it has no ttl
	Objects      []Object  // by kind and name
	Protected    bool      // from deletion, by the tags of one of its objects

	Costs []cost.Usage // of the objects that it has for itself
}

// Object is one object of an environment.
type Object struct {
	Kind string // in the singular: "log group"
	Name string // or id
}

// Region finds the environments of one region, sorted by name. It includes the objects
// of IAM that belong to the region. If some kinds cannot be listed, it returns the
// environments of the others together with the joined errors.
func Region(ctx context.Context, region string, s resource.Searches) ([]Environment, error) {
	found := make([][]resource.Found, 1+len(s.Others))
	errs := make([]error, len(found))
	var wg crash.Group
	anchors := make(chan struct{}) // closed when found[0] is complete
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

// recordedNames are the names that the anchors of a region's environments record for a
// kind.
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

// gather groups objects by their environments in a region.
func gather(region string, objects []resource.Found) (list []Environment) {
	byName := map[string][]resource.Found{}
	for _, o := range objects {
		for _, owner := range owners(o) {
			if name, ok := strings.CutSuffix(owner, "@"+region); ok && name != "" {
				byName[name] = append(byName[name], o)
			}
		}
	}
	for name, all := range byName {
		if !slices.ContainsFunc(all, certain) {
			continue
		}
		e := Environment{Name: name, Region: region, Expires: expiry(all)}
		for _, o := range all {
			e.Objects = append(e.Objects, Object{o.Kind, o.Name})
			if shared(o) || !certain(o) { // it may be older than this environment
				continue
			}
			e.Protected = e.Protected || o.Tags.Owner().Protected && !slices.ContainsFunc(all, func(c resource.Found) bool { return replaces(c, o) })
			e.Costs = append(e.Costs, o.Costs...)
			if o.Created.IsZero() {
				continue
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

// shared reports whether several environments may use an object.
func shared(o resource.Found) bool { return len(o.Tags.Owner().Users()) > 0 }

// certain reports whether the tags of an object prove whose it is. What may not be of an
// environment is named with it, but makes none.
func certain(o resource.Found) bool { return o.Doubt == "" }

// owners are the environments, as name@region, to which an object belongs: its owner,
// or all environments that have a claim on it, or the one to which it may belong.
func owners(f resource.Found) []string {
	switch o := f.Tags.Owner(); {
	case f.Doubt != "":
		return []string{f.Doubt}
	case o.By == "":
		return nil
	case len(o.Users()) > 0:
		return o.Users()
	default:
		return []string{o.By}
	}
}

// expiry is when an environment expires; zero if never. If there are objects with
// ExpiryDecides, they decide; of those only the ones that no other has replaced, if there are
// any. Every object that counts must have an expiry, and the latest one counts.
func expiry(all []resource.Found) (last time.Time) {
	if deciding := filter(all, func(o resource.Found) bool { return o.Expiry == resource.ExpiryDecides }); len(deciding) > 0 {
		all = deciding
		if current := filter(all, func(o resource.Found) bool { return !replaced(o) }); len(current) > 0 {
			all = current
		}
	}
	for _, o := range all {
		if shared(o) || !certain(o) {
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

// replaced reports whether an object has handed over what it records to another one.
func replaced(o resource.Found) bool { return o.Tags[resource.KeyMovedTo] != "" }

// replaces reports whether the environment uses c instead of o, or instead of what records o.
func replaces(c, o resource.Found) bool {
	return replaced(o) && !replaced(c) && c.Expiry == resource.ExpiryDecides
}

func filter(all []resource.Found, keep func(resource.Found) bool) []resource.Found {
	return slices.DeleteFunc(slices.Clone(all), func(o resource.Found) bool { return !keep(o) })
}
