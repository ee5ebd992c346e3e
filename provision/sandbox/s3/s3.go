// Package s3 is the sandbox's S3: buckets, their settings, objects and versions.
//
// It asks iam whether the principals of a bucket policy exist.
package s3

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

var service = core.NewService("s3", func(r *core.Request) *request { return &request{r} },
	core.Rules{Denied: denied, Consistent: consistent})

var part = core.Global("s3", func(_ *core.Request, d *database) any { return d.Buckets })

// request is one call to S3.
type request struct{ *core.Request }

func (r *request) db() *database { return part.Of(r.Request) }

// denied returns S3's error for a denied call, which quotes the resource.
func denied(d core.Denial) error {
	d.Resource = `"` + d.Resource + `"`
	return core.AccessDenied(d)
}

// consistent reports whether a read always sees the last write. S3 promises that for
// objects and their lists, but not for buckets:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
func consistent(operation string) bool {
	return !strings.Contains(operation, "Bucket") && operation != "GetPublicAccessBlock"
}

// database is S3's part: buckets of all regions, and of other accounts, because
// bucket names are global.
type database struct {
	Buckets map[string]*bucket   `json:"buckets,omitempty"`
	Freed   map[string]time.Time `json:"freed,omitempty"` // names of deleted buckets
}

type bucket struct {
	Name       string                `json:"name"`
	Owner      string                `json:"owner"` // an account number
	Region     string                `json:"region"`
	Created    time.Time             `json:"created"`
	Tags       core.Tags             `json:"tags,omitempty"`
	Ownership  string                `json:"ownership,omitempty"`
	Block      *publicBlock          `json:"block,omitempty"`
	Encryption encryption            `json:"encryption"`
	Versioning string                `json:"versioning,omitempty"`
	Policy     string                `json:"policy,omitempty"`
	Lifecycle  []types.LifecycleRule `json:"lifecycle,omitempty"`
	Logging    *logging              `json:"logging,omitempty"`
	Lockable   bool                  `json:"lockable,omitempty"` // object lock is on
	Objects    map[string][]*object  `json:"objects,omitempty"`  // by key; the newest version first
	Uploads    map[string]*upload    `json:"uploads,omitempty"`  // by id
}

type publicBlock struct {
	ACLs, IgnoreACLs, Policy, Restrict bool
}

type encryption struct {
	Algorithm string `json:"algorithm"`
	Key       string `json:"key,omitempty"`
	BucketKey bool   `json:"bucket_key,omitempty"`

	Blocked []types.EncryptionType `json:"blocked,omitempty"` // that objects must not have
}

// object is one version of an object, or a delete marker.
type object struct {
	Version  string            `json:"version"` // "null" if the bucket was not versioned
	Marker   bool              `json:"marker,omitempty"`
	Body     []byte            `json:"body,omitempty"`
	ETag     string            `json:"etag,omitempty"`
	Type     string            `json:"type,omitempty"`
	Meta     map[string]string `json:"meta,omitempty"`
	Hold     bool              `json:"hold,omitempty"` // legal hold
	Modified time.Time         `json:"modified"`
	Key      string            `json:"key,omitempty"` // a KMS key
}

type upload struct {
	Key     string    `json:"key"`
	Started time.Time `json:"started"`
}

// TakeBucket creates a bucket in another account, so that its name is taken.
func TakeBucket(account *core.Account, name, owner, region string) {
	account.Change(region, func(r *core.Request) {
		part.Of(r).add(&bucket{Name: name, Owner: owner, Region: region, Created: time.Now().UTC()})
	})
}

// add adds a bucket with the settings of every new bucket since April 2023: no
// public access, no ACLs, encryption with S3's keys. Since April 2026, it also refuses objects
// that are encrypted with keys of the client.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html
func (d *database) add(b *bucket) *bucket {
	if d.Buckets == nil {
		d.Buckets = map[string]*bucket{}
	}
	if b.Ownership == "" {
		b.Ownership = string(types.ObjectOwnershipBucketOwnerEnforced)
	}
	b.Block = &publicBlock{true, true, true, true}
	b.Encryption = encryption{Algorithm: string(types.ServerSideEncryptionAes256), Blocked: []types.EncryptionType{types.EncryptionTypeSseC}}
	d.Buckets[b.Name] = b
	return b
}

// bucket finds the bucket of a call. As S3 does, it checks the global name, then the
// region, then the owner.
func (r *request) bucket(name, owner *string) (*bucket, error) {
	b := r.db().Buckets[aws.ToString(name)]
	switch {
	case b == nil:
		return nil, core.Fail("NoSuchBucket", "The specified bucket does not exist")
	case b.Region != r.Region:
		return nil, core.Fail("PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint: s3.%s.amazonaws.com", b.Region)
	case owner != nil && *owner != b.Owner, b.Owner != r.AccountID:
		return nil, core.Fail("AccessDenied", "Access Denied")
	}
	return b, nil
}

// The rules for names:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var (
	bucketChars    = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	bucketPrefixes = []string{"xn--", "sthree-", "amzn-s3-demo-"}
	bucketSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
)

func (r *request) checkBucketName(name string, space types.BucketNamespace) error {
	bad := core.Fail("InvalidBucketName", "The specified bucket is not valid.")
	if !bucketChars.MatchString(name) || strings.Contains(name, "..") {
		return bad
	}
	if a, err := netip.ParseAddr(name); err == nil && a.Is4() {
		return bad
	}
	if slices.ContainsFunc(bucketPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) ||
		slices.ContainsFunc(bucketSuffixes, func(s string) bool { return strings.HasSuffix(name, s) }) {
		return bad
	}
	regional := strings.HasSuffix(name, "-an")
	suffix := "-" + r.AccountID + "-" + r.Region + "-an"
	if space == types.BucketNamespaceAccountRegional && !strings.HasSuffix(name, suffix) {
		return core.Fail("InvalidNamespaceHeader", "The requested bucket name did not include the account-regional namespace suffix %s", suffix)
	}
	if space != types.BucketNamespaceAccountRegional && regional { // reserved for the account-regional namespace
		return bad
	}
	return nil
}

// newTags checks tags. They replace all existing tags.
func newTags(list []types.Tag) (core.Tags, error) {
	add := make([]core.Tag, 0, len(list))
	for _, t := range list {
		add = append(add, core.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return core.Tags(nil).With(add, core.TagRules{Code: "InvalidTag", TooMany: "BadRequest", Replace: true})
}
