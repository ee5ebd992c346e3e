package resource

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// What every service takes as a key and a value of a tag; IAM, SSM and ECS are
// the strictest.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
var (
	tagKey   = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$`)
	tagValue = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$`)
)

// The names that the spec lets through.
var (
	envName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+){1,3}-[0-9]$`)
)

// FuzzTags checks that every service accepts the tags of any environment, that the tags
// name the owner of the object, and that other tags do not change the owner.
func FuzzTags(f *testing.F) {
	f.Add("dev", "us-east-1", "flowbed-dev-agent", "team", "data")
	f.Add("a-----------------b-", "us-gov-west-1", "/flowbed/dev/prefect-api-key", "flowbed:claim:x@y", "in use")
	f.Add("a", "eu-isoe-west-1", "", "Name", "")
	f.Add("prod", "ap-southeast-1", "x", "flowbed:environment", "dev")
	f.Fuzz(func(t *testing.T, env, region, name, key, value string) {
		if !envName.MatchString(env) || !regionName.MatchString(region) || !tagValue.MatchString(name) {
			return
		}
		id := Identity{Env: env, Region: region, Account: "123456789012", Partition: "aws", Version: "1.0.0"}
		reserved := strings.HasPrefix(strings.ToLower(key), "aws:") || strings.HasPrefix(strings.ToLower(key), "flowbed:")
		if !reserved && utf8.ValidString(key) && tagKey.MatchString(key) && tagValue.MatchString(value) {
			id.Extra = Tags{key: value}
		}
		own, shared := id.Tags(name), id.SharedTags(name)
		for _, tags := range []Tags{own, shared} {
			if len(tags) > 50 {
				t.Errorf("%d tags", len(tags))
			}
			for k, v := range tags {
				if !tagKey.MatchString(k) || !tagValue.MatchString(v) {
					t.Errorf("no service takes the tag %q = %q", k, v)
				}
			}
		}
		// AWS gives tags back as lists, in whatever order.
		back := tagsOf(tagList(own, func(k, v string) [2]string { return [2]string{k, v} }), func(p [2]string) (*string, *string) { return &p[0], &p[1] })
		if !maps.Equal(back, own) {
			t.Errorf("have %v, want %v", back, own)
		}
		if o := own.Owner(); o.By != id.Owner() || len(o.Claims) != 0 {
			t.Errorf("the owner of %v is %+v", own, o)
		}
		if o := shared.Owner(); o.By != id.Owner() || !slices.Equal(o.Claims, []string{id.Owner()}) {
			t.Errorf("the owner of %v is %+v", shared, o)
		}
		if m := own.missing(own, false); len(m) > 0 {
			t.Errorf("missing of itself: %v", m)
		}

		// Foreign tags never make an object ours: only ours do, all of them.
		theirs := Tags{key: value}
		if o := theirs.Owner(); o.By != "" {
			t.Errorf("one tag makes %+v the owner", o)
		}
		theirs = Tags{KeyEnvironment: env, KeyRegion: region + "x", KeyManagedBy: "flowbed", key: value}
		if key != KeyRegion && theirs.Owner().By == id.Owner() {
			t.Errorf("%v is taken for an object of %s", theirs, id.Owner())
		}
	})
}
