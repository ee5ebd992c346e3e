package core

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Tags are the tags of an object.
type Tags map[string]string

// Tag is one tag of a request.
type Tag struct{ Key, Value string }

// TagRules are what services do not have in common about tags.
type TagRules struct {
	Code     string // of the error for a bad tag
	TooMany  string // of the error for more than 50 tags
	FoldCase bool   // keys that differ only in case are the same
	Replace  bool   // the new tags take the place of all others
}

// What all the services used here accept; EC2 takes more.
var tagChars = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

const mostTags = 50

// With returns t and the new tags, which it checks; t itself stays as it is.
func (t Tags) With(add []Tag, rules TagRules) (Tags, error) {
	all := Tags{}
	if !rules.Replace {
		maps.Copy(all, t)
	}
	seen := map[string]bool{}
	for _, p := range add {
		id := p.Key
		if rules.FoldCase {
			id = strings.ToLower(id)
			for k := range all {
				if strings.ToLower(k) == id && !seen[id] {
					delete(all, k)
				}
			}
		}
		switch {
		case p.Key == "" || len([]rune(p.Key)) > 128:
			return nil, Fail(rules.Code, "The tag key %q must have 1 to 128 characters", p.Key)
		case len([]rune(p.Value)) > 256:
			return nil, Fail(rules.Code, "The value of the tag %q must have at most 256 characters", p.Key)
		case strings.HasPrefix(strings.ToLower(p.Key), "aws:"):
			return nil, Fail(rules.Code, "Tag keys that start with aws: are reserved for AWS: %q", p.Key)
		case !tagChars.MatchString(p.Key) || !tagChars.MatchString(p.Value):
			return nil, Fail(rules.Code, "The tag %q contains characters that are not allowed", p.Key)
		case seen[id]:
			return nil, Fail(rules.Code, "Duplicate tag keys found: %q", p.Key)
		}
		seen[id] = true
		all[p.Key] = p.Value
	}
	if len(all) > mostTags {
		return nil, Fail(rules.TooMany, "An object can have at most %d tags", mostTags)
	}
	return all, nil
}

// Without returns t without some keys; t itself stays as it is.
func (t Tags) Without(keys []string) Tags {
	rest := maps.Clone(t)
	for _, k := range keys {
		delete(rest, k)
	}
	return rest
}

// Keys are the tags' keys in order.
func (t Tags) Keys() []string { return slices.Sorted(maps.Keys(t)) }
