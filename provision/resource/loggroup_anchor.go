package resource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// KeyMovedTo is on a log group that the environment no longer uses: the name of the one that took
// its place.
const KeyMovedTo = "flowbed:moved-to"

// The log group's name can be one of the user's own, and can change. What it records must not be
// lost then, so a run looks for all log groups of the environment: the one with the name in the
// spec, those that it records, or else the one with the default name, and those that AWS's index
// of tags shows. The index is late, so a name that is known is always read by the name, and what
// the index shows counts only if the group itself has our tags. What it did not show yet, a later
// run finds.

// readAll reads the log group and finds the environment's other ones. A run that deletes the
// environment takes one of those if there is none with the name.
func (l LogGroup) readAll(ctx context.Context) (s LogGroupState, err error) {
	var tagged []string
	var absent error
	own := func(ctx context.Context) (err error) {
		s, err = l.readOne(ctx, l.Name)
		if errors.Is(err, provision.ErrAbsent) {
			absent, err = err, nil
		}
		return err
	}
	var unsearched error
	search := func(ctx context.Context) error {
		tagged, unsearched = l.search(ctx)
		return nil
	}
	if err = parallel(ctx, own, search); err != nil {
		return LogGroupState{}, err
	}
	ours := s.Owner().By == l.ID.Owner()
	if absent == nil && !ours && !l.Destroy {
		return s, nil // the run stops
	}
	switch {
	case unsearched != nil && !l.known(ours, unsearched):
		return LogGroupState{}, unsearched
	case ours:
		tagged = append(tagged, RecordedNames(s.Tags)[KindLogGroup]...)
	default:
		tagged = append(tagged, l.ID.Names().LogGroup())
	}
	others, err := l.others(ctx, tagged)
	if err != nil {
		return LogGroupState{}, err
	}
	if !ours && l.Destroy && len(others) > 0 {
		absent = nil
		s, err = l.instead(ctx, others)
	}
	l.Names.found(s, others)
	return s, errors.Join(absent, err)
}

// known reports whether the run can go on with what is known by name, because it may not or cannot
// ask the index. A run that deletes the environment must find all, unless its policy is from before
// there was a search; such an environment has the default name, or this run has already found, and
// perhaps deleted, its log group.
func (l LogGroup) known(ours bool, unsearched error) bool {
	if !l.Destroy {
		return ours
	}
	return awserr.Classify(unsearched) == awserr.Denied && (ours || l.Name == l.ID.Names().LogGroup() || l.Names.anchored())
}

// instead reads the one of the other log groups that the environment used last, and takes it from
// them.
func (l LogGroup) instead(ctx context.Context, others map[string]Tags) (LogGroupState, error) {
	name := latest(others)
	delete(others, name)
	return l.readOne(ctx, name)
}

// search returns the names of log groups that have the environment's tags in AWS's index.
func (l LogGroup) search(ctx context.Context) ([]string, error) {
	list, err := taggedLogGroups(ctx, l.Tagging, l.ID, Tags{KeyManagedBy: "flowbed", KeyEnvironment: l.ID.Env, KeyRegion: l.ID.Region})
	if err != nil {
		return nil, fmt.Errorf("find log groups by their tags: %w", err)
	}
	return list, nil
}

// taggedLogGroups returns the names of the region's log groups that have tags, in AWS's index.
func taggedLogGroups(ctx context.Context, api *resourcegroupstaggingapi.Client, id Identity, tags Tags) (names []string, err error) {
	in := &resourcegroupstaggingapi.GetResourcesInput{
		ResourceTypeFilters: []string{"logs"},
		TagFilters: tagList(tags, func(k, v string) types.TagFilter {
			return types.TagFilter{Key: &k, Values: []string{v}}
		}),
	}
	for pages := resourcegroupstaggingapi.NewGetResourcesPaginator(api, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range page.ResourceTagMappingList {
			name, is := strings.CutPrefix(deref(r.ResourceARN), LogGroup{ID: id}.arn())
			if is {
				names = append(names, strings.TrimSuffix(name, ":*"))
			}
		}
	}
	return names, nil
}

// others returns the tags of the environment's log groups besides the one with the name in the
// spec: of those that have one of the names, and of those that they record in turn.
func (l LogGroup) others(ctx context.Context, names []string) (map[string]Tags, error) {
	known := map[string]Tags{l.Name: nil}
	for len(names) > 0 {
		list := make([]Found, 0, len(names))
		for _, name := range names {
			if _, again := known[name]; !again {
				known[name] = nil
				list = append(list, Found{Name: name})
			}
		}
		list, err := withTags(ctx, list, l.tagsIfAny)
		if err != nil {
			return nil, err
		}
		names = nil
		for _, f := range list {
			if f.Tags.Owner().By == l.ID.Owner() {
				known[f.Name] = f.Tags
				names = append(names, RecordedNames(f.Tags)[KindLogGroup]...)
			}
		}
	}
	maps.DeleteFunc(known, func(_ string, t Tags) bool { return t == nil })
	return known, nil
}

// tagsIfAny reads the tags of a log group, if it exists: a run may have recorded the name and not
// created the group, and the index still shows one that is gone. The policy allows to read the tags
// of groups with the environment's tag, so AWS denies it for a group that does not exist.
func (l LogGroup) tagsIfAny(ctx context.Context, f Found) (Tags, error) {
	l.Name = f.Name
	if err := l.find(ctx, &LogGroupState{}); err != nil {
		return nil, err
	}
	return l.readTagsOf(ctx, f)
}

func (l LogGroup) readTagsOf(ctx context.Context, f Found) (Tags, error) {
	l.Name = f.Name
	out, err := l.API.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: new(l.arn())})
	if err != nil {
		return nil, fmt.Errorf("read tags of %s: %w", f.Name, err)
	}
	return out.Tags, nil
}

// latest returns the log group that the environment used last, or the empty string.
func latest(groups map[string]Tags) string {
	names := slices.Sorted(maps.Keys(groups))
	for _, name := range names {
		if _, moved := groups[name][KeyMovedTo]; !moved {
			return name
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// FindLogGroup returns the name of an environment's log group for a command without the config
// file: the default name, if that group has the environment's tags, or else the one that AWS's
// index of tags shows. It is the default name if there is neither.
func FindLogGroup(ctx context.Context, api *cloudwatchlogs.Client, tagging *resourcegroupstaggingapi.Client, id Identity) (string, error) {
	names := &NameLog{API: api, ID: id, Group: id.Names().LogGroup()}
	l := LogGroup{API: api, Tagging: tagging, ID: id, Name: names.Group, Names: names, Destroy: true}
	switch s, err := l.readAll(ctx); {
	case errors.Is(err, provision.ErrAbsent), err == nil && s.Owner().By != id.Owner():
		return l.Name, nil
	case err != nil:
		return "", err
	default:
		return s.Name, nil
	}
}

// findPermissions are for the search for the environment's other log groups. Their names are not
// known before, so the permission for their tags requires the owner tag.
func (l LogGroup) findPermissions() []Permission {
	if l.Names == nil {
		return nil
	}
	any := LogGroup{ID: l.ID, Name: "*"}.arn()
	return []Permission{
		on("*", "tag:GetResources"),
		on(any, "logs:ListTagsForResource").when("StringEquals", "aws:ResourceTag/"+KeyEnvironment, l.ID.Env).like(LogGroup{ID: l.ID, Name: "example"}.arn()),
	}
}
