package resource

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flowbed/flowbed/provision"
)

// The tag keys of flowbed. It never changes tags with other keys, except those of the spec.
const (
	KeyEnvironment = "flowbed:environment" // the environment's name
	KeyRegion      = "flowbed:region"      // its region: IAM's objects have none of their own
	KeyManagedBy   = "flowbed:managed-by"  // always "flowbed"
	KeyVersion     = "flowbed:version"     // the version that created the object
	KeySpecTags    = "flowbed:tags"        // the keys of the tags from the spec; see specTags
	claimPrefix    = "flowbed:claim:"      // + owner, on account-wide objects; see claimValue

	// KeyProtected is "on" on each object that only one environment uses, if that
	// environment is protected from deletion.
	KeyProtected = "flowbed:deletion-protection"

	// KeyUnused is "on" on each private subnet if the tasks and the agent run in public ones: the subnets and
	// their route tables stay until down.
	KeyUnused = "flowbed:unused"

	// KeyUnfinished is on a new object with ignored fields, until it has them all. On a shared
	// object, it is about the environment that created it, and only that one removes it.
	KeyUnfinished = "flowbed:unfinished"
)

// Identity identifies the environment and its account and region, and has the tags for
// its objects.
type Identity struct {
	Env       string
	Account   string
	Region    string
	Partition string // "aws", "aws-cn" or "aws-us-gov"
	Version   string // of flowbed
	Extra     Tags   // the tags in the spec
	Life      *Lifetime
	Protected bool // from deletion
}

// Owner is the name of the environment in provision.Owner: name@region.
func (i Identity) Owner() string { return i.Env + "@" + i.Region }

// Tags returns the desired tags of an object with this name.
func (i Identity) Tags(name string) Tags {
	t := Tags{"Name": comma.Replace(name)}
	maps.Copy(t, i.Extra)
	maps.Copy(t, Tags{
		KeyEnvironment: i.Env, KeyRegion: i.Region, KeyManagedBy: "flowbed", KeyVersion: i.Version,
	})
	if keys := i.Extra.specTags(); keys != "" {
		t[KeySpecTags] = keys
	}
	maps.Copy(t, i.life())
	if i.Protected {
		t[KeyProtected] = protectionOn
	}
	return t
}

// maxTags is how many tags AWS allows on an object.
const maxTags = 50

const (
	protectionOn  = "on"
	unfinishedYes = "yes"
)

// marked adds to the tags of a new object that it is unfinished, if some of its fields are
// ignored later.
func marked(ctx context.Context, t Tags) Tags {
	if provision.Unfinished(ctx) && len(t) < maxTags {
		t[KeyUnfinished] = unfinishedYes
	}
	return t
}

// specTags is the record of the keys, as the value of a tag: separated by spaces. AWS allows
// 256 characters, so keys that exceed that are not recorded, nor are keys with a space: up does
// not remove their tags.
func (t Tags) specTags() string {
	var record string
	for _, k := range slices.Sorted(maps.Keys(t)) {
		if longer := strings.TrimPrefix(record+" "+k, " "); !strings.ContainsFunc(k, unicode.IsSpace) && utf8.RuneCountInString(longer) <= 256 {
			record = longer
		}
	}
	return record
}

// stale returns the tags that earlier runs set and the spec no longer wants: for a lifetime,
// for protection, for a log group that the environment no longer uses, and those of the
// record. These tags are ours, so up removes them.
func (t Tags) stale(want Tags) Tags {
	keys := []string{KeyExpires, KeyProtected, KeyTTL, KeyMovedTo, KeyUnused, KeySpecTags}
	for _, k := range strings.Fields(t[KeySpecTags]) {
		if !strings.HasPrefix(k, "flowbed:") && !strings.HasPrefix(k, "aws:") { // somebody changed the record
			keys = append(keys, k)
		}
	}
	old := Tags{}
	for _, k := range keys {
		_, wanted := want[k]
		if v, there := t[k]; there && !wanted {
			old[k] = v
		}
	}
	return old
}

// SharedTags returns Tags for an account-wide object, with the environment's claim and
// without an expiry or protection: the object may outlive the environment that created it.
func (i Identity) SharedTags(name string) Tags {
	i.Life, i.Protected = nil, false
	t := i.Tags(name)
	delete(t, KeySpecTags) // up removes no tags from an object that others use, too
	t[i.claim()] = claimValue
	return t
}

func (i Identity) claim() string { return claimPrefix + i.Owner() }

// ARN is the ARN of an object in this account; region may be empty.
func (i Identity) ARN(service, region, object string) string {
	return strings.Join([]string{"arn", i.Partition, service, region, i.Account, object}, ":")
}

// Tags are the tags of an object.
type Tags map[string]string

// Owner returns the owner, the claims and the marks in the tags.
func (t Tags) Owner() (o provision.Owner) {
	if t[KeyManagedBy] == "flowbed" && t[KeyEnvironment] != "" {
		o.By = t[KeyEnvironment] + "@" + t[KeyRegion]
		o.Protected = t[KeyProtected] == protectionOn
		if t[KeyUnfinished] != "" {
			o.Unfinished = "the tag " + KeyUnfinished
		}
	}
	for _, k := range slices.Sorted(maps.Keys(t)) {
		env, ok := strings.CutPrefix(k, claimPrefix)
		if !ok {
			continue
		}
		if mark, leaving := markOf(env, t[k]); leaving {
			o.Leaving = append(o.Leaving, mark)
		} else {
			o.Claims = append(o.Claims, env)
		}
	}
	return o
}

// text renders the tags in sorted order. It leaves out the version, which never changes, and
// the record, which repeats the keys of others.
func (t Tags) text() string {
	var b []string
	for _, k := range slices.Sorted(maps.Keys(t)) {
		if k != KeyVersion && k != KeySpecTags {
			b = append(b, k+"="+t[k])
		}
	}
	return strings.Join(b, ", ")
}

// withoutOwnerTags leaves out the tags that all our objects have: they would fill the plan
// of a creation.
func (t Tags) withoutOwnerTags() Tags {
	g := maps.Clone(t)
	for _, k := range []string{KeyEnvironment, KeyRegion, KeyManagedBy, KeyVersion, KeySpecTags, KeyExpires, KeyProtected, KeyUnfinished} {
		delete(g, k)
	}
	return g
}

// missing returns those tags of want that t does not have. An account-wide object keeps the
// tags of the environment that created it: others need only their claim.
func (t Tags) missing(want Tags, shared bool) Tags {
	joined := shared && t.Owner().By != ""
	m := Tags{}
	for k, v := range want {
		if k == KeyVersion && t[k] != "" || joined && !strings.HasPrefix(k, claimPrefix) {
			continue
		}
		if have, ok := t[k]; !ok || have != v {
			m[k] = v
		}
	}
	return m
}

// added is how many more tags t will have with those of want.
func (t Tags) added(want Tags, shared bool) (n int) {
	for k := range t.missing(want, shared) {
		if _, there := t[k]; !there {
			n++
		}
	}
	return n
}

// tagger sets and removes tags of one object. It does not change other tags.
type tagger struct {
	set  func(context.Context, Tags) error
	drop func(ctx context.Context, keys []string) error
}

// tagChange returns the changes of tags, if there are any.
func tagChange(have, want Tags, shared bool, w tagger) []provision.Change {
	c := wantedChange(have, want, shared, w)
	if mark := have[KeyUnfinished]; mark != "" && have.Owner().By == want.Owner().By {
		c = append(c, provision.Change{
			Field: "tags", From: provision.Text(KeyUnfinished + "=" + mark), Of: want["Name"], Required: true, Last: true,
			Do: func(ctx context.Context) error { return w.drop(ctx, []string{KeyUnfinished}) },
		})
	}
	return c
}

// wantedChange is the change to the wanted tags, if they differ. It removes tags before it sets
// others: a run that is killed in between still finds the keys in the record.
func wantedChange(have, want Tags, shared bool, w tagger) []provision.Change {
	var old Tags
	if !shared {
		old = have.stale(want)
	}
	m := have.missing(want, shared)
	if len(old)+len(m) == 0 {
		return nil
	}
	was, claims := Tags{}, false
	maps.Copy(was, old)
	for k := range m {
		if v, ok := have[k]; ok {
			was[k] = v
		}
		claims = claims || strings.HasPrefix(k, claimPrefix)
	}
	to := m
	if len(have) == 0 {
		to = m.withoutOwnerTags()
	}
	from, now := was.text(), to.text()
	if keys := m[KeySpecTags]; from == "" && now == "" && keys != "" { // an earlier version set the tags
		now = KeySpecTags + "=" + keys
	}
	return []provision.Change{{
		Field: "tags", From: provision.Text(from), To: provision.Text(now), Of: want["Name"], Claims: claims, Required: true,
		Do: func(ctx context.Context) error {
			if len(old) > 0 {
				if err := w.drop(ctx, slices.Sorted(maps.Keys(old))); err != nil {
					return err
				}
			}
			if len(m) == 0 {
				return nil
			}
			return w.set(ctx, m)
		},
	}}
}

// tagList converts tags to the type of a service, in sorted order.
func tagList[T any](t Tags, one func(k, v string) T) []T {
	list := make([]T, 0, len(t))
	for _, k := range slices.Sorted(maps.Keys(t)) {
		list = append(list, one(k, t[k]))
	}
	return list
}

// tagsOf converts the type of a service to tags.
func tagsOf[T any](list []T, one func(T) (k, v *string)) Tags {
	t := make(Tags, len(list))
	for _, e := range list {
		k, v := one(e)
		t[deref(k)] = deref(v)
	}
	return t
}

// deref follows a pointer in a reply of AWS. It returns the zero value for nil, also where
// AWS promises a value: a proxy or an outage can garble a reply, and flowbed must not crash.
func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}
