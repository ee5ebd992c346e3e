// Package census finds the environments that an account holds, without a spec
// and without knowing a name: by the tags that all their objects carry.
//
// Each environment has a log group, which is called after it and comes first and
// goes last of all that matters: what the log group says of the environment's
// life, counts. But a run may have been killed before there was one, so other
// objects are looked for too, and an environment of which nothing but a role is
// left is still found. IAM's objects are not in a region; they belong to the one
// that their tags name. Objects of the whole account count for those whose claim
// they carry.
//
// Nothing is ever concluded from a name alone.
package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/resource"
)

// Clients are those of one region.
type Clients struct {
	Account string // whose buckets are looked at

	IAM  *iam.Client
	EC2  *ec2.Client
	ECS  *ecs.Client
	S3   *s3.Client
	SSM  *ssm.Client
	Logs *cloudwatchlogs.Client
}

// Environment is what there is of an environment.
type Environment struct {
	Name, Region string
	Created      time.Time // of its oldest object; zero if none of them says
	Expires      time.Time // zero if it has no ttl
	Objects      []Object  // by kind and name
}

// Object is one object of an environment.
type Object struct {
	Kind string // "bucket", "cluster", "instance", "key pair", "log group", "parameter", "role", "security group"
	Name string // or id
}

// seen is an object as it was found.
type seen struct {
	Object
	created time.Time
	tags    resource.Tags
}

// Region finds the environments of one region, by region and name. IAM's objects
// are among them as far as they belong to the region. An error says what could
// not be looked at; the environments are then those of the rest.
func Region(ctx context.Context, region string, c Clients) ([]Environment, error) {
	searches := []struct {
		what string
		find func(context.Context) ([]seen, error)
	}{
		{"log groups", c.logGroups}, {"instances", c.instances}, {"security groups", c.groups}, {"key pairs", c.keys},
		{"clusters", c.clusters}, {"parameters", c.parameters}, {"roles", c.roles},
		{"buckets", func(ctx context.Context) ([]seen, error) { return c.buckets(ctx, region) }},
	}
	found := make([][]seen, len(searches))
	errs := make([]error, len(searches))
	var wg sync.WaitGroup
	for i, s := range searches {
		wg.Go(func() {
			if found[i], errs[i] = s.find(ctx); errs[i] != nil {
				errs[i] = fmt.Errorf("list %s in %s: %w", s.what, region, errs[i])
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return gather(region, slices.Concat(found...)), errors.Join(errs...)
}

// gather sorts objects by the environments of a region to which they belong.
func gather(region string, objects []seen) (list []Environment) {
	byName := map[string][]seen{}
	for _, o := range objects {
		for _, owner := range owners(o.tags) {
			if name, ok := strings.CutSuffix(owner, "@"+region); ok && name != "" {
				byName[name] = append(byName[name], o)
			}
		}
	}
	for name, all := range byName {
		e := Environment{Name: name, Region: region, Expires: expiry(all)}
		for _, o := range all {
			e.Objects = append(e.Objects, o.Object)
			if shared := len(o.tags.Owner().Claims) > 0; shared || o.created.IsZero() {
				continue // it may be older than this environment
			}
			if e.Created.IsZero() || o.created.Before(e.Created) {
				e.Created = o.created.UTC()
			}
		}
		slices.SortFunc(e.Objects, func(a, b Object) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Environment) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

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

// expiry is when an environment's life ends; zero if never. The log group knows.
// Without one every object has to have an expiry, and the last one counts.
func expiry(all []seen) (last time.Time) {
	for _, o := range all {
		if o.Kind == kindLogGroup {
			at, _ := o.tags.Expires()
			return at
		}
	}
	for _, o := range all {
		if len(o.tags.Owner().Claims) > 0 {
			continue
		}
		at, ok := o.tags.Expires()
		if !ok && o.Kind != kindLease {
			return time.Time{}
		}
		if at.After(last) {
			last = at
		}
	}
	return last
}
