package resource

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Read implements provision.Resource. It includes instances that are shutting down,
// because down must wait for them. It leaves out terminated ones, which EC2 still shows
// for an hour. If no instance is certainly ours, it returns ErrAbsent, and the state has
// the doubtful ones.
func (i Instance) Read(ctx context.Context) (s InstanceState, err error) {
	found, err := i.search(ctx)
	if err != nil {
		return s, fmt.Errorf("read instance: %w", err)
	}
	var list []EC2Instance
	for _, m := range found.list {
		i.sortInto(&s, &list, m, found)
	}
	fits := func(m EC2Instance) bool { return !m.terminating() && (m.Type == i.Type || i.ignored.Has(fieldType)) }
	if i.Offering.Set() && !slices.ContainsFunc(list, fits) {
		if s.offering, err = i.Offering.Await(ctx); err != nil {
			return s, err
		}
	}
	if len(list) == 0 {
		return s, fmt.Errorf("read instance: %w", provision.ErrAbsent)
	}
	slices.SortFunc(list, older)
	at := len(list) - 1
	for n, m := range slices.Backward(list) {
		if m.State == "running" {
			at = n
			break
		}
	}
	s.EC2Instance = list[at]
	for n, m := range list {
		if n != at {
			s.Others = append(s.Others, m)
		}
	}
	return s, nil
}

// sortInto puts an instance into the list of those that are ours, or into the state.
func (i Instance) sortInto(s *InstanceState, ours *[]EC2Instance, m EC2Instance, f found) {
	tagged, profiled := m.Tags.Owner().By == i.ID.Owner(), i.hasProfile(m)
	switch {
	case tagged && (profiled || !i.Profile.Set() || i.Launched.has(m.ID) || m.starting()):
		*ours = append(*ours, m)
	case i.Launched.has(m.ID): // EC2 does not show its tags yet
	case m.State == "shutting-down": // it will not stay
	case tagged:
		s.Doubtful = append(s.Doubtful, i.withoutProfile(m, f.associations[m.ID]))
	case profiled:
		s.Doubtful = append(s.Doubtful, i.withoutTags(m))
	case m.Tags.Owner().By == "" && m.Tags[KeyEnvironment] == i.ID.Env && m.Tags[KeyRegion] == i.ID.Region:
		s.Doubtful = append(s.Doubtful, i.partlyTagged(m))
	case slices.ContainsFunc(m.Groups, func(g string) bool { return slices.Contains(f.groups, g) }):
		s.Guests = append(s.Guests, i.guest(m, f.groups))
	}
}

// hasProfile reports whether an instance has our instance profile, or one that flowbed has
// given it. Our own may have been deleted, and created again with another id or on another
// path, since.
func (i Instance) hasProfile(m EC2Instance) bool {
	want, ok := i.Profile.Expect()
	return ok && withoutPath(m.Profile) == withoutPath(want.ARN) || m.lent()
}

// lent reports whether flowbed launched the instance with the external profile that it has.
// The profile proves nothing, because others may have it, and the tags, which name it, are
// copied by "Launch more like this". But a copy has not the client token of our launch.
func (m EC2Instance) lent() bool {
	return m.Profile != "" && launchParts(m.Launch)[profilePart] == digest(m.Profile) && strings.HasPrefix(m.Token, tokenPrefix)
}

// profile is the profile that the instance gets.
func (i Instance) profile() provision.Ref[ProfileState] {
	if i.Lent.Set() {
		return i.Lent
	}
	return i.Profile
}

// starting reports whether flowbed launched the instance just now, so that EC2 may not show
// its profile yet. Our client token cannot be copied by accident.
func (m EC2Instance) starting() bool {
	return m.State == "pending" && m.Profile == "" && strings.HasPrefix(m.Token, tokenPrefix)
}

// found is what search finds: instances that have our tags, our profile or one of our groups.
type found struct {
	list         []EC2Instance // oldest first
	groups       []string      // the ids of our groups
	associations map[string]string
}

// search makes its calls in parallel. EC2 also has a filter for the profile of an instance,
// but not every emulator has it, and the associations of profiles show one that
// DescribeInstances shows late.
func (i Instance) search(ctx context.Context) (f found, err error) {
	var tagged, grouped []EC2Instance
	var profiles map[string]types.IamInstanceProfileAssociation
	err = parallel(ctx,
		func(ctx context.Context) (err error) {
			tagged, err = i.living(ctx, filter("tag:"+KeyEnvironment, i.ID.Env), filter("tag:"+KeyRegion, i.ID.Region))
			return err
		},
		func(ctx context.Context) (err error) {
			for _, g := range i.Groups {
				// An error is about the group's own step. A group of others has instances of others.
				if s, err := g.Await(ctx); err == nil && s.Owner().By != "" {
					f.groups = append(f.groups, s.ID)
				}
			}
			if len(f.groups) > 0 {
				grouped, err = i.living(ctx, filter("instance.group-id", f.groups...))
			}
			return err
		},
		func(ctx context.Context) (err error) {
			profiles, err = i.profiles(ctx)
			return err
		},
	)
	if err != nil {
		return f, err
	}
	f.list = append(tagged, grouped...)
	want, _ := i.Profile.Expect()
	var more []string
	for id, a := range profiles {
		if withoutPath(deref(deref(a.IamInstanceProfile).Arn)) == withoutPath(want.ARN) && !slices.ContainsFunc(f.list, func(m EC2Instance) bool { return m.ID == id }) {
			more = append(more, id)
		}
	}
	if len(more) > 0 {
		slices.Sort(more)
		rest, err := i.living(ctx, filter("instance-id", more...))
		if err != nil {
			return f, err
		}
		f.list = append(f.list, rest...)
	}
	f.settle(profiles)
	return f, nil
}

// settle sorts the list, takes out what is in it twice, and adds profiles that
// DescribeInstances does not show yet.
func (f *found) settle(profiles map[string]types.IamInstanceProfileAssociation) {
	slices.SortFunc(f.list, older)
	f.list = slices.CompactFunc(f.list, func(a, b EC2Instance) bool { return a.ID == b.ID })
	f.associations = map[string]string{}
	for n, m := range f.list {
		a, ok := profiles[m.ID]
		if !ok {
			continue
		}
		f.associations[m.ID] = deref(a.AssociationId)
		if m.Profile == "" {
			f.list[n].Profile = deref(deref(a.IamInstanceProfile).Arn)
		}
	}
}

// living returns the instances that match, without terminated ones.
func (i Instance) living(ctx context.Context, filters ...types.Filter) (list []EC2Instance, err error) {
	pages := ec2.NewDescribeInstancesPaginator(i.API, &ec2.DescribeInstancesInput{Filters: append(filters,
		filter("instance-state-name", "pending", "running", "stopping", "stopped", "shutting-down"))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Reservations {
			for _, o := range r.Instances {
				list = append(list, ec2InstanceOf(o))
			}
		}
	}
	return list, nil
}

// profiles returns the associations of instance profiles in the region, by instance.
func (i Instance) profiles(ctx context.Context) (map[string]types.IamInstanceProfileAssociation, error) {
	all := map[string]types.IamInstanceProfileAssociation{}
	pages := ec2.NewDescribeIamInstanceProfileAssociationsPaginator(i.API,
		&ec2.DescribeIamInstanceProfileAssociationsInput{MaxResults: new(int32(1000))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if awserr.Code(err) == "InvalidAction" { // an emulator without this call: DescribeInstances has to do
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		for _, a := range page.IamInstanceProfileAssociations {
			if a.IamInstanceProfile != nil && (a.State == types.IamInstanceProfileAssociationStateAssociated ||
				a.State == types.IamInstanceProfileAssociationStateAssociating) {
				all[deref(a.InstanceId)] = a
			}
		}
	}
	return all, nil
}

// Discover implements Discoverer. It leaves out instances that are shutting down. The same
// rule as for Read tells which instances are certainly of an environment.
func (i Instance) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	var tagged []EC2Instance
	var profiles map[string]types.IamInstanceProfileAssociation
	err = parallel(ctx,
		func(ctx context.Context) (err error) {
			tagged, err = i.living(ctx, hasOwnerTag())
			return err
		},
		func(ctx context.Context) (err error) {
			profiles, err = i.profiles(ctx)
			return err
		},
	)
	if err == nil {
		list, err = i.discovered(ctx, tagged, profiles)
	}
	if err != nil {
		return nil, fmt.Errorf("list instances in %s: %w", i.ID.Region, err)
	}
	return list, nil
}

func (i Instance) discovered(ctx context.Context, tagged []EC2Instance, profiles map[string]types.IamInstanceProfileAssociation) (list []Found, err error) {
	f := found{list: tagged}
	f.settle(profiles)
	sizes := i.volumeSizes(ctx, f.list)
	add := func(m EC2Instance, doubt string) {
		if m.State == "shutting-down" {
			return
		}
		o := Found{Kind: "instance", Name: m.ID, Created: m.Launched, Tags: m.Tags, Doubt: doubt}
		if doubt != "" {
			o.Kind = "doubtful instance"
		} else {
			o.Costs = m.costs(sizes)
		}
		list = append(list, o)
	}
	for _, m := range f.list {
		env, doubt := m.Tags[KeyEnvironment], ""
		if withoutPath(m.Profile) != i.profileOf(env) && !m.lent() && !m.starting() {
			doubt = env + "@" + m.Tags[KeyRegion]
		}
		add(m, doubt)
	}
	untagged := map[string]string{} // environments by instance
	for id, a := range profiles {
		env, is := i.environmentOf(deref(deref(a.IamInstanceProfile).Arn))
		if is && !slices.ContainsFunc(tagged, func(m EC2Instance) bool { return m.ID == id && m.Tags[KeyEnvironment] == env }) {
			untagged[id] = env
		}
	}
	if len(untagged) == 0 {
		return list, nil
	}
	rest, err := i.living(ctx, filter("instance-id", slices.Sorted(maps.Keys(untagged))...))
	for _, m := range rest {
		add(m, untagged[m.ID]+"@"+i.ID.Region)
	}
	return list, err
}

// profileOf is the ARN of the instance profile of an environment's agent, without its path.
func (i Instance) profileOf(env string) string {
	return i.ID.profileARN(rootPath, Names{Env: env, Account: i.ID.Account, Region: i.ID.Region}.Agent())
}

// environmentOf is the environment whose agent has an instance profile.
func (i Instance) environmentOf(profile string) (env string, ok bool) {
	before, after, _ := strings.Cut(i.profileOf("*"), "*")
	env, begins := strings.CutPrefix(withoutPath(profile), before)
	env, ends := strings.CutSuffix(env, after)
	return env, begins && ends && env != ""
}

// Launched remembers which instances a run has launched: those are ours, whatever EC2 shows
// of them. A nil Launched remembers nothing.
type Launched struct {
	mu  sync.Mutex
	ids []string
}

func (l *Launched) add(id string) {
	if l == nil || id == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids = append(l.ids, id)
}

func (l *Launched) has(id string) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.ids, id)
}
