package resource

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/names"
)

const (
	maxCountPages = 20 // how many pages count reads: 20,000 entries
	maxEmptyings  = 3  // how often Delete empties a bucket to which others still write
	maxNamedKeys  = 3  // how many keys an error names
)

// contents counts the contents of a bucket.
type contents struct {
	objects, versions, markers int
	more                       bool // the bucket has more than was counted
	others                     bool // not all of it is from `flowbed hello`
}

func (c contents) empty() bool { return c.objects+c.versions+c.markers == 0 }

func (c contents) String() string {
	var parts []string
	for _, p := range []struct {
		n   int
		one string
	}{{c.objects, "object"}, {c.versions, "older version"}, {c.markers, "delete marker"}} {
		switch {
		case p.n == 1:
			parts = append(parts, "1 "+p.one)
		case p.n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", p.n, p.one))
		}
	}
	text := strings.Join(parts, ", ")
	if c.more {
		return "more than " + text
	}
	return text
}

// CheckDelete implements provision.DeleteChecker. A bucket that is not empty stops the
// run, unless ForceDestroy is set.
func (b Bucket) CheckDelete(ctx context.Context, _ BucketState) ([]provision.Note, error) {
	c, err := b.count(ctx)
	switch {
	case err != nil || c.empty():
		return nil, err
	case b.ForceDestroy:
		return []provision.Note{{Severity: provision.Warn, Text: fmt.Sprintf("%s will be deleted with the bucket %s", c, b.Name)}}, nil
	}
	text, hint := b.notEmpty()
	if !c.others && !c.more && !b.Orphan {
		hint = "`flowbed hello` has left this: remove it with `flowbed hello --clean" + b.Flags + "`, or delete the bucket with it (--force-destroy-bucket)"
	}
	return []provision.Note{{Severity: provision.Error, Text: fmt.Sprintf("%s: %s → %s", text, c, hint)}}, nil
}

func (b Bucket) notEmpty() (text, hint string) {
	if b.Orphan {
		return fmt.Sprintf("the old bucket %s is not empty", b.Name),
			"empty it, or delete it with its contents (--force-destroy-bucket); to keep it, remove its tag " + KeyEnvironment
	}
	return fmt.Sprintf("bucket %s is not empty", b.Name),
		"empty it, or delete it with its contents (--force-destroy-bucket, or force_destroy = true)"
}

// count counts versions, not objects: after all objects are deleted, a versioned bucket
// still has their old versions and delete markers.
func (b Bucket) count(ctx context.Context) (c contents, err error) {
	pages := s3.NewListObjectVersionsPaginator(b.API, b.listVersions())
	for n := 0; pages.HasMorePages(); n++ {
		if n == maxCountPages {
			c.more = true
			return c, nil
		}
		page, err := pages.NextPage(ctx)
		if awserr.Code(err) == "NoSuchBucket" {
			return contents{}, nil
		}
		if err != nil {
			return c, b.readError("count objects", "s3:ListBucketVersions", err)
		}
		for _, m := range page.DeleteMarkers {
			c.others = c.others || names.HelloRun(deref(m.Key)) == ""
		}
		for _, v := range page.Versions {
			c.others = c.others || names.HelloRun(deref(v.Key)) == ""
			if deref(v.IsLatest) {
				c.objects++
			} else {
				c.versions++
			}
		}
		c.markers += len(page.DeleteMarkers)
	}
	return c, nil
}

func (b Bucket) listVersions() *s3.ListObjectVersionsInput {
	return &s3.ListObjectVersionsInput{Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account}
}

// Delete implements provision.Resource. With ForceDestroy, it first deletes the bucket
// policy, which may deny the other deletions, then unfinished uploads, then all versions.
// It repeats this if others still write to the bucket.
func (b Bucket) Delete(ctx context.Context, _ BucketState) error {
	if !b.ForceDestroy {
		return b.deleteBucket(ctx)
	}
	_, err := b.API.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account})
	if awserr.Gone(err) != nil {
		return fmt.Errorf("delete bucket policy: %w", err)
	}
	for range maxEmptyings {
		if err := b.empty(ctx); err != nil {
			return err
		}
		if err = b.deleteBucket(ctx); awserr.Code(err) != "BucketNotEmpty" {
			return err
		}
	}
	return fmt.Errorf("delete bucket: something still writes to it: %w", err)
}

func (b Bucket) deleteBucket(ctx context.Context) error {
	_, err := b.API.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account})
	switch {
	case awserr.Code(err) == "BucketNotEmpty" && !b.ForceDestroy:
		text, hint := b.notEmpty() // CheckDelete found it empty
		return fmt.Errorf("delete bucket: %s: %w → %s", text, err, hint)
	case awserr.Gone(err) != nil:
		return fmt.Errorf("delete bucket: %w", err)
	}
	return nil
}

func (b Bucket) empty(ctx context.Context) error {
	if err := b.abortUploads(ctx); err != nil {
		return err
	}
	pages := s3.NewListObjectVersionsPaginator(b.API, b.listVersions()) // a page has up to 1000 versions, the limit of DeleteObjects
	for pages.HasMorePages() {
		if err := provision.Stopped(ctx); err != nil {
			return err
		}
		page, err := pages.NextPage(ctx)
		if err := awserr.Gone(err); err != nil {
			return b.readError("list objects", "s3:ListBucketVersions", err)
		}
		if page == nil {
			return nil
		}
		batch := make([]types.ObjectIdentifier, 0, len(page.Versions)+len(page.DeleteMarkers))
		for _, v := range page.Versions {
			batch = append(batch, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			batch = append(batch, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		if err := b.deleteBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// deleteBatch checks the result for each key: the call succeeds even if it deletes
// nothing.
func (b Bucket) deleteBatch(ctx context.Context, batch []types.ObjectIdentifier) error {
	if len(batch) == 0 {
		return nil
	}
	out, err := b.API.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account,
		Delete: &types.Delete{Objects: batch, Quiet: new(true)},
	})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete objects: %w", err)
	}
	if out == nil || len(out.Errors) == 0 {
		return nil
	}
	var names []string
	for _, e := range out.Errors[:min(len(out.Errors), maxNamedKeys)] {
		names = append(names, fmt.Sprintf("%s (version %s)", deref(e.Key), deref(e.VersionId)))
	}
	if len(out.Errors) > maxNamedKeys {
		names = append(names, "…")
	}
	first := out.Errors[0]
	return fmt.Errorf("delete objects: %d of %d failed: %s: %w", len(out.Errors), len(batch), strings.Join(names, ", "),
		&smithy.OperationError{ServiceID: s3.ServiceID, OperationName: "DeleteObjects", Err: &smithy.GenericAPIError{
			Code: deref(first.Code), Message: deref(first.Message),
		}})
}

func (b Bucket) abortUploads(ctx context.Context) error {
	pages := s3.NewListMultipartUploadsPaginator(b.API, &s3.ListMultipartUploadsInput{Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account})
	for pages.HasMorePages() {
		if err := provision.Stopped(ctx); err != nil {
			return err
		}
		page, err := pages.NextPage(ctx)
		if err := awserr.Gone(err); err != nil {
			return b.readError("list unfinished uploads", "s3:ListBucketMultipartUploads", err)
		}
		if page == nil {
			return nil
		}
		for _, u := range page.Uploads {
			_, err := b.API.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: &b.Name, ExpectedBucketOwner: &b.ID.Account, Key: u.Key, UploadId: u.UploadId,
			})
			if err := awserr.Gone(err); err != nil {
				return fmt.Errorf("abort upload of %s: %w", deref(u.Key), err)
			}
		}
	}
	return nil
}
