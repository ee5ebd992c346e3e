package sandbox

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// pair is one tag of a request.
type pair struct{ key, value string }

// tagRules are what services do not have in common about tags.
type tagRules struct {
	Code     string // of the error for a bad tag
	TooMany  string // of the error for more than 50 tags
	FoldCase bool   // keys that differ only in case are the same
	Replace  bool   // the new tags take the place of all others
}

// What all the services used here accept; EC2 takes more.
var tagChars = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

const mostTags = 50

// with returns t and the new tags, which it checks; t itself stays as it is.
func (t tags) with(add []pair, rules tagRules) (tags, error) {
	all := tags{}
	if !rules.Replace {
		maps.Copy(all, t)
	}
	seen := map[string]bool{}
	for _, p := range add {
		id := p.key
		if rules.FoldCase {
			id = strings.ToLower(id)
			for k := range all {
				if strings.ToLower(k) == id && !seen[id] {
					delete(all, k)
				}
			}
		}
		switch {
		case p.key == "" || len([]rune(p.key)) > 128:
			return nil, fail(rules.Code, "The tag key %q must have 1 to 128 characters", p.key)
		case len([]rune(p.value)) > 256:
			return nil, fail(rules.Code, "The value of the tag %q must have at most 256 characters", p.key)
		case strings.HasPrefix(strings.ToLower(p.key), "aws:"):
			return nil, fail(rules.Code, "Tag keys that start with aws: are reserved for AWS: %q", p.key)
		case !tagChars.MatchString(p.key) || !tagChars.MatchString(p.value):
			return nil, fail(rules.Code, "The tag %q contains characters that are not allowed", p.key)
		case seen[id]:
			return nil, fail(rules.Code, "Duplicate tag keys found: %q", p.key)
		}
		seen[id] = true
		all[p.key] = p.value
	}
	if len(all) > mostTags {
		return nil, fail(rules.TooMany, "An object can have at most %d tags", mostTags)
	}
	return all, nil
}

// without returns t without some keys; t itself stays as it is.
func (t tags) without(keys []string) tags {
	rest := maps.Clone(t)
	for _, k := range keys {
		delete(rest, k)
	}
	return rest
}

func (t tags) keys() []string { return slices.Sorted(maps.Keys(t)) }
