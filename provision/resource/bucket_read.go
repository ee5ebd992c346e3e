package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/names"
)

const publicBlocked = "blocked"

// Read implements provision.Resource. Its calls run in parallel; the tags show whether
// the bucket exists and who owns it.
func (b Bucket) Read(ctx context.Context) (BucketState, error) {
	s := BucketState{Name: b.Name}
	name, owner := &b.Name, &b.ID.Account
	err := parallel(ctx,
		func(ctx context.Context) (err error) {
			s.Tags, err = b.readTags(ctx)
			return err
		},
		func(ctx context.Context) error {
			out, err := b.API.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: name, ExpectedBucketOwner: owner})
			if s.Public = "not blocked"; err == nil {
				s.Public = publicText(deref(out.PublicAccessBlockConfiguration))
			}
			return b.ignoring("NoSuchPublicAccessBlockConfiguration", "read public access block", "s3:GetBucketPublicAccessBlock", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil {
				for _, r := range deref(out.OwnershipControls).Rules { // there is only one
					s.Ownership = string(r.ObjectOwnership)
				}
			}
			return b.ignoring("OwnershipControlsNotFoundError", "read object ownership", "s3:GetBucketOwnershipControls", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil {
				c := deref(out.ServerSideEncryptionConfiguration)
				s.Encryption, s.Blocked = encryptionText(c), blockedIn(c)
			}
			return b.ignoring("ServerSideEncryptionConfigurationNotFoundError", "read encryption", "s3:GetEncryptionConfiguration", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil {
				s.Policy = deref(out.Policy)
			}
			return b.ignoring("NoSuchBucketPolicy", "read bucket policy", "s3:GetBucketPolicy", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil {
				s.Versioning = string(out.Status)
			}
			return b.ignoring("", "read versioning", "s3:GetBucketVersioning", err)
		},
		func(ctx context.Context) error {
			out, err := b.API.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: name, ExpectedBucketOwner: owner})
			if err == nil {
				s.Lifecycle = rulesJSON(out.Rules)
			}
			return b.ignoring("NoSuchLifecycleConfiguration", "read lifecycle", "s3:GetLifecycleConfiguration", err)
		},
		func(ctx context.Context) (err error) {
			s.AccessLogs, err = b.readLogs(ctx)
			return err
		},
	)
	if err != nil {
		return BucketState{}, err
	}
	return s, nil
}

func (b Bucket) readTags(ctx context.Context) (Tags, error) {
	out, err := b.API.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account})
	if err := b.ignoring("NoSuchTagSet", "read bucket", "s3:GetBucketTagging", err); err != nil {
		return nil, err
	}
	if out == nil {
		return Tags{}, nil
	}
	return tagsOf(out.TagSet, func(t types.Tag) (*string, *string) { return t.Key, t.Value }), nil
}

// Discover implements Discoverer. It lists the buckets with our prefix. A name from a
// spec can start with anything, so it looks for each recorded name separately. It lists
// only buckets of this account: another account may have a bucket with a recorded name.
func (b Bucket) Discover(ctx context.Context, recorded Recorded) ([]Found, error) {
	var ours, named []Found
	err := parallel(ctx,
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
	// The list of our prefix has the others.
	all = slices.DeleteFunc(slices.Clone(all), func(name string) bool { return strings.HasPrefix(name, names.Prefix) })
	found := make([][]Found, len(all))
	err := forEach(ctx, len(all), func(ctx context.Context, i int) error {
		list, err := b.list(ctx, all[i])
		found[i] = slices.DeleteFunc(list, func(f Found) bool { return f.Name != all[i] })
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// list lists the account's buckets in the region with a prefix.
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

// ignoring returns nil if the error has the code, which is S3's answer for a setting
// that was never set. Otherwise it explains the error.
func (b Bucket) ignoring(code, doing, permission string, err error) error {
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
	for _, r := range c.Rules { // there is only one
		if d := r.ApplyServerSideEncryptionByDefault; d != nil {
			text := strings.TrimSpace(string(d.SSEAlgorithm) + " " + deref(d.KMSMasterKeyID))
			if d.SSEAlgorithm != types.ServerSideEncryptionAes256 && deref(r.BucketKeyEnabled) {
				text += ", bucket key"
			}
			return text
		}
	}
	return ""
}

// blockedIn are the kinds of encryption that a configuration blocks.
func blockedIn(c types.ServerSideEncryptionConfiguration) (list []types.EncryptionType) {
	for _, r := range c.Rules {
		list = append(list, deref(r.BlockedEncryptionTypes).EncryptionType...)
	}
	return list
}

// policy denies all requests without TLS. It must name both the bucket and its objects.
func (b Bucket) policy() string {
	arn := "arn:" + b.ID.Partition + ":s3:::" + b.Name
	return `{"Version":"2012-10-17","Statement":[{"Sid":"TLSOnly","Effect":"Deny","Principal":"*","Action":"s3:*",` +
		`"Resource":["` + arn + `","` + arn + `/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
}

const maxUploadDays = 7 // then S3 deletes the parts of an unfinished upload

// rules are the bucket's lifecycle: one rule for all objects. If objects expire, old
// versions expire after the same number of days, counted from their replacement or
// deletion, unless OldDays says otherwise. Otherwise a versioned bucket would keep everything
// forever. S3 removes the remaining delete markers: by itself with Days, else if the rule says so.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
func (b Bucket) rules() []types.LifecycleRule {
	r := types.LifecycleRule{
		ID: new("flowbed"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: new("")},
		AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: new(int32(maxUploadDays))},
	}
	if b.ExpireDays > 0 {
		r.Expiration = &types.LifecycleExpiration{Days: new(int32(b.ExpireDays))}
		r.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: new(int32(b.ExpireDays))}
	}
	if b.OldDays > 0 {
		r.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: new(int32(b.OldDays))}
		if r.Expiration == nil {
			r.Expiration = &types.LifecycleExpiration{ExpiredObjectDeleteMarker: new(true)}
		}
	}
	return []types.LifecycleRule{r}
}

// rulesJSON renders the rules in a stable form without empty values, so that all ways
// to write a filter for everything look the same.
func rulesJSON(rules []types.LifecycleRule) string {
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
		return fmt.Sprintf("%q", err.Error()) // cannot happen: rules are plain data
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
