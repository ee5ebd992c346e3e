package resource

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// The tag keys that are ours. Every other key on an object is somebody else's
// and stays as it is.
const (
	KeyEnvironment = "flowbed:environment" // the environment's name
	KeyRegion      = "flowbed:region"      // its region: IAM's names are not regional
	KeyManagedBy   = "flowbed:managed-by"  // always "flowbed"
	KeyVersion     = "flowbed:version"     // the version that made the object
	claimPrefix    = "flowbed:claim:"      // + owner, on account-wide objects
)

// Identity is the environment for which resources are made.
type Identity struct {
	Env       string
	Account   string
	Region    string
	Partition string // "aws", "aws-cn" or "aws-us-gov"
	Version   string // of this program
	Extra     Tags   // the tags of the spec
	Life      *Lifetime
}

// Owner is the environment's name as the engine knows it.
func (i Identity) Owner() string { return i.Env + "@" + i.Region }

// Tags are what an object of the given name carries from its creation.
func (i Identity) Tags(name string) Tags {
	t := Tags{"Name": comma.Replace(name)}
	maps.Copy(t, i.Extra)
	maps.Copy(t, Tags{
		KeyEnvironment: i.Env, KeyRegion: i.Region, KeyManagedBy: "flowbed", KeyVersion: i.Version,
	})
	maps.Copy(t, i.life())
	return t
}

// SharedTags are Tags for an account-wide object, with the environment's claim.
// Its life does not end with that of the environment which made it.
func (i Identity) SharedTags(name string) Tags {
	i.Life = nil
	t := i.Tags(name)
	t[i.claim()] = "in use"
	return t
}

func (i Identity) claim() string { return claimPrefix + i.Owner() }

// ARN is the name of an object of this account; region may be empty.
func (i Identity) ARN(service, region, object string) string {
	return strings.Join([]string{"arn", i.Partition, service, region, i.Account, object}, ":")
}

// Tags are an object's tags.
type Tags map[string]string

// Owner reads the owner from the tags.
func (t Tags) Owner() (o provision.Owner) {
	if t[KeyManagedBy] == "flowbed" && t[KeyEnvironment] != "" {
		o.By = t[KeyEnvironment] + "@" + t[KeyRegion]
	}
	for _, k := range slices.Sorted(maps.Keys(t)) {
		if env, ok := strings.CutPrefix(k, claimPrefix); ok {
			o.Claims = append(o.Claims, env)
		}
	}
	return o
}

// text is a stable rendering, without the version: an object keeps the version
// that made it.
func (t Tags) text() string {
	var b []string
	for _, k := range slices.Sorted(maps.Keys(t)) {
		if k != KeyVersion {
			b = append(b, k+"="+t[k])
		}
	}
	return strings.Join(b, ", ")
}

// given are the tags without those that every object of ours carries, and that
// would fill the plan of a creation.
func (t Tags) given() Tags {
	g := maps.Clone(t)
	for _, k := range []string{KeyEnvironment, KeyRegion, KeyManagedBy, KeyVersion, KeyExpires} {
		delete(g, k)
	}
	return g
}

// missing is what of want is not so in t. An account-wide object keeps the tags
// of the environment that made it; to those who join it only the claim matters.
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

// tagger writes the tags of one object, and no other tags than the given ones.
type tagger struct {
	set  func(context.Context, Tags) error
	drop func(ctx context.Context, keys []string) error
}

// tagChange is the difference between tags, if there is one.
func tagChange(have, want Tags, shared bool, w tagger) (c []provision.Change) {
	if keys, was := have.spent(want); len(keys) > 0 && !shared {
		c = append(c, provision.Change{
			Field: "tags", From: provision.Text(was), Do: func(ctx context.Context) error { return w.drop(ctx, keys) },
		})
	}
	m := have.missing(want, shared)
	if len(m) == 0 {
		return c
	}
	was := Tags{}
	for k := range m {
		if v, ok := have[k]; ok {
			was[k] = v
		}
	}
	to := m
	if len(have) == 0 {
		to = m.given()
	}
	return append(c, provision.Change{
		Field: "tags", From: provision.Text(was.text()), To: provision.Text(to.text()),
		Do: func(ctx context.Context) error { return w.set(ctx, m) },
	})
}

// tagList converts tags to a service's type, in a stable order.
func tagList[T any](t Tags, one func(k, v string) T) []T {
	list := make([]T, 0, len(t))
	for _, k := range slices.Sorted(maps.Keys(t)) {
		list = append(list, one(k, t[k]))
	}
	return list
}

// tagsOf converts a service's type to tags.
func tagsOf[T any](list []T, one func(T) (k, v *string)) Tags {
	t := make(Tags, len(list))
	for _, e := range list {
		k, v := one(e)
		t[deref(k)] = deref(v)
	}
	return t
}

func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}
