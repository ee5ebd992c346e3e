package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/names"
)

const publicBlocked = "blocked"

// Read implements provision.Resource. Its calls run at the same time; that for
// the tags says whether the bucket is there, and whose it is.
func (b Bucket) Read(ctx context.Context) (BucketState, error) {
	s := BucketState{Name: b.Name}
	name, owner := &b.Name, &b.ID.Account
	err := atOnce(ctx,
		func(ctx context.Context) (err error) {
			s.Tags, err = b.readTags(ctx)
			return err
		},
		func(ctx context.Context) error {
			out, err := b.API.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: name, ExpectedBucketOwner: owner})
			if s.Public = "not blocked"; err == nil {
				s.Public = publicText(deref(out.PublicAccessBlockConfiguration))
			}
			return b.unless("NoSuchPublicAccessBlockConfiguration", "read public access block", "s3:GetBucketPublicAccessBlock", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil && out.OwnershipControls != nil {
				for _, r := range out.OwnershipControls.Rules { // one
					s.Ownership = string(r.ObjectOwnership)
				}
			}
			return b.unless("OwnershipControlsNotFoundError", "read object ownership", "s3:GetBucketOwnershipControls", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil {
				s.Encryption = encryptionText(deref(out.ServerSideEncryptionConfiguration))
			}
			return b.unless("ServerSideEncryptionConfigurationNotFoundError", "read encryption", "s3:GetEncryptionConfiguration", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil {
				s.Policy = deref(out.Policy)
			}
			return b.unless("NoSuchBucketPolicy", "read bucket policy", "s3:GetBucketPolicy", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil {
				s.Versioning = string(out.Status)
			}
			return b.unless("", "read versioning", "s3:GetBucketVersioning", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil {
				s.Lifecycle = rulesText(out.Rules)
			}
			return b.unless("NoSuchLifecycleConfiguration", "read lifecycle", "s3:GetLifecycleConfiguration", err)
		},
	)
	if err != nil {
		return BucketState{}, err
	}
	return s, nil
}

func (b Bucket) readTags(ctx context.Context) (Tags, error) {
	out, err := b.API.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account})
	if err := b.unless("NoSuchTagSet", "read bucket", "s3:GetBucketTagging", err); err != nil {
		return nil, err
	}
	if out == nil {
		return Tags{}, nil
	}
	return tagsOf(out.TagSet, func(t types.Tag) (*string, *string) { return t.Key, t.Value }), nil
}

// Discover implements Discoverer. Names that a spec gives may begin in any way, so
// each of them is looked for by itself. Only buckets of this account are listed:
// somebody else may have taken a name that we have given up.
func (b Bucket) Discover(ctx context.Context, recorded Recorded) ([]Found, error) {
	var ours, named []Found
	err := atOnce(ctx,
		func(ctx context.Context) (err error) {
			ours, err = b.list(ctx, names.Prefix)
			return err
		},
		func(ctx context.Context) (err error) {
			named, err = b.listNamed(ctx, recorded(ctx, KindBucket))
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("list buckets in %s: %w", b.ID.Region, err)
	}
	return append(ours, named...), nil
}

// listNamed finds buckets by their full names.
func (b Bucket) listNamed(ctx context.Context, all []string) ([]Found, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(mostReads)
	found := make([][]Found, len(all))
	for i, name := range all {
		if strings.HasPrefix(name, names.Prefix) {
			continue // it is among ours
		}
		g.Go(func() error {
			list, err := b.list(ctx, name)
			found[i] = slices.DeleteFunc(list, func(f Found) bool { return f.Name != name })
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// list finds the account's buckets in the region whose names begin so.
func (b Bucket) list(ctx context.Context, prefix string) (list []Found, err error) {
	pages := s3.NewListBucketsPaginator(b.API, &s3.ListBucketsInput{Prefix: &prefix, BucketRegion: &b.ID.Region})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Buckets {
			list = append(list, Found{Kind: "bucket", Name: deref(o.Name), Created: deref(o.CreationDate)})
		}
	}
	return withTags(ctx, list, func(ctx context.Context, f Found) (Tags, error) {
		tags, err := Bucket{API: b.API, ID: b.ID, Name: f.Name}.readTags(ctx)
		if err != nil {
			return nil, fmt.Errorf("read tags of %s: %w", f.Name, err)
		}
		return tags, nil
	})
}

// unless is what an error means to whom a certain code is an answer: S3 says
// "not found" of a setting that was never made.
func (b Bucket) unless(code, doing, permission string, err error) error {
	if err == nil || code != "" && awserr.Code(err) == code {
		return nil
	}
	return b.readError(doing, permission, err)
}

func publicText(c types.PublicAccessBlockConfiguration) string {
	var on []string
	for _, s := range []struct {
		name string
		set  *bool
	}{
		{"BlockPublicAcls", c.BlockPublicAcls}, {"IgnorePublicAcls", c.IgnorePublicAcls},
		{"BlockPublicPolicy", c.BlockPublicPolicy}, {"RestrictPublicBuckets", c.RestrictPublicBuckets},
	} {
		if deref(s.set) {
			on = append(on, s.name)
		}
	}
	switch len(on) {
	case 0:
		return "not blocked"
	case 4:
		return publicBlocked
	}
	return "only " + strings.Join(on, ", ")
}

func encryptionText(c types.ServerSideEncryptionConfiguration) string {
	for _, r := range c.Rules { // one
		if d := r.ApplyServerSideEncryptionByDefault; d != nil {
			return strings.TrimSpace(string(d.SSEAlgorithm) + " " + deref(d.KMSMasterKeyID))
		}
	}
	return ""
}

// policy refuses what does not come over TLS. It must name the bucket as well as
// its objects.
func (b Bucket) policy() string {
	arn := "arn:" + b.ID.Partition + ":s3:::" + b.Name
	return `{"Version":"2012-10-17","Statement":[{"Sid":"TLSOnly","Effect":"Deny","Principal":"*","Action":"s3:*",` +
		`"Resource":["` + arn + `","` + arn + `/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
}

const uploadDays = 7 // after which what was uploaded of an unfinished object goes

// rules are the bucket's lifecycle: one rule for all objects. Where objects
// expire, so do old versions, counted from the day on which they were replaced
// or deleted; otherwise a versioned bucket would keep everything for ever. S3
// removes the delete markers that are left over by itself.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
func (b Bucket) rules() []types.LifecycleRule {
	r := types.LifecycleRule{
		ID: new("flowbed"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: new("")},
		AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: new(int32(uploadDays))},
	}
	if b.ExpireDays > 0 {
		r.Expiration = &types.LifecycleExpiration{Days: new(int32(b.ExpireDays))}
		r.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: new(int32(b.ExpireDays))}
	}
	return []types.LifecycleRule{r}
}

// rulesText is a stable rendering that leaves out what is not set, so that a
// filter for everything reads the same however it was written.
func rulesText(rules []types.LifecycleRule) string {
	if len(rules) == 0 {
		return ""
	}
	b, err := json.Marshal(rules)
	var plain any
	if err == nil {
		err = json.Unmarshal(b, &plain)
	}
	if err == nil {
		b, err = json.Marshal(withoutEmpty(plain))
	}
	if err != nil {
		return fmt.Sprintf("%q", err.Error()) // rules are plain data
	}
	return string(b)
}

func withoutEmpty(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, m := range v {
			if v[k] = withoutEmpty(m); v[k] == nil {
				delete(v, k)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = withoutEmpty(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}
