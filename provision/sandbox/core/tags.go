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

// TagRules says how a service's rules for tags differ from other services'.
type TagRules struct {
	Code     string // error code for a bad tag
	TooMany  string // error code for more than 50 tags
	FoldCase bool   // keys that differ only in case are the same
	Replace  bool   // new tags replace all existing ones
}

// tagChars matches what every service here accepts. EC2 accepts more.
var tagChars = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

const maxTags = 50

// With checks the new tags and returns t plus them. It does not change t.
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
	if len(all) > maxTags {
		return nil, Fail(rules.TooMany, "An object can have at most %d tags", maxTags)
	}
	return all, nil
}

// Without returns t without some keys. It does not change t.
func (t Tags) Without(keys []string) Tags {
	rest := maps.Clone(t)
	for _, k := range keys {
		delete(rest, k)
	}
	return rest
}

// Keys returns the keys in order.
func (t Tags) Keys() []string { return slices.Sorted(maps.Keys(t)) }
