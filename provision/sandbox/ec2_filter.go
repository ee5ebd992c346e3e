package sandbox

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// matches reports whether an object passes all filters, given what it has under
// the name of each. A filter that is not known for this kind of object is an
// error, as it is to EC2.
func matches(filters []types.Filter, t tags, values map[string][]string) (bool, error) {
	all := true
	for _, f := range filters {
		name := aws.ToString(f.Name)
		have, known := values[name]
		if key, ok := strings.CutPrefix(name, "tag:"); ok {
			if v, ok := t[key]; ok {
				have = []string{v}
			}
		} else if name == "tag-key" {
			have = t.keys()
		} else if !known {
			return false, fail("InvalidParameterValue", "The filter '%s' is invalid", name)
		}
		all = all && slices.ContainsFunc(have, func(h string) bool {
			return slices.ContainsFunc(f.Values, func(want string) bool { return wild(want, h) })
		})
	}
	return all, nil
}

// wild compares with EC2's wildcards, * and ?.
func wild(pattern, s string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == s
	}
	p := regexp.QuoteMeta(pattern)
	p = strings.ReplaceAll(strings.ReplaceAll(p, `\*`, ".*"), `\?`, ".")
	return regexp.MustCompile("^(?s:" + p + ")$").MatchString(s)
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func ec2TagList(t tags) (list []types.Tag) {
	for _, k := range t.keys() {
		list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(t[k])})
	}
	return list
}

func ec2Tags(have tags, list []types.Tag) (tags, error) {
	add := make([]pair, 0, len(list))
	for _, t := range list {
		add = append(add, pair{aws.ToString(t.Key), aws.ToString(t.Value)})
	}
	return have.with(add, tagRules{Code: "InvalidParameterValue", TooMany: "TagLimitExceeded"})
}

// specified are the tags for one kind of object among those of a creating call.
// Each kind that is named must be one of those that the call makes.
func specified(specs []types.TagSpecification, kind types.ResourceType, others ...types.ResourceType) (tags, error) {
	t := tags{}
	for _, s := range specs {
		if s.ResourceType != kind {
			if !slices.Contains(others, s.ResourceType) {
				return nil, fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", s.ResourceType)
			}
			continue
		}
		var err error
		if t, err = ec2Tags(t, s.Tags); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// tagged is the place where an object's tags are, by its id.
func (d *ec2DB) tagged(id string) (*tags, error) {
	prefix, _, _ := strings.Cut(id, "-")
	switch prefix {
	case "i":
		return tagsIn(d.Instances, id, noInstance, func(o *instance) *tags { return &o.Tags })
	case "sg":
		return tagsIn(d.Groups, id, noGroup, func(o *securityGroup) *tags { return &o.Tags })
	case "vol":
		return tagsIn(d.Volumes, id, noVolume, func(o *volume) *tags { return &o.Tags })
	case "eni":
		return tagsIn(d.Interfaces, id, noInterface, func(o *nic) *tags { return &o.Tags })
	case "vpc":
		return tagsIn(d.VPCs, id, noVPC, func(o *vpc) *tags { return &o.Tags })
	case "subnet":
		return tagsIn(d.Subnets, id, noSubnet, func(o *subnet) *tags { return &o.Tags })
	case "key":
		for _, k := range d.Keys {
			if k.ID == id {
				return &k.Tags, nil
			}
		}
		return nil, fail("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", id)
	}
	return nil, fail("InvalidID", "The ID '%s' is not valid", id)
}

func tagsIn[T any](all map[string]*T, id string, missing func(string) error, of func(*T) *tags) (*tags, error) {
	if o := all[id]; o != nil {
		return of(o), nil
	}
	return nil, missing(id)
}
