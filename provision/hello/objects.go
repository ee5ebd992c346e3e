package hello

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/names"
)

// object is a version of an object, or a delete marker.
type object struct {
	types.ObjectIdentifier
	modified time.Time
}

// removeObjects removes all versions of the objects whose keys start with a prefix.
func (h *Hello) removeObjects(ctx context.Context, prefix string) error {
	list, err := h.objects(ctx, prefix)
	if err != nil {
		return err
	}
	return h.deleteObjects(ctx, list)
}

// objects lists all versions and delete markers of the objects whose keys start with a prefix.
func (h *Hello) objects(ctx context.Context, prefix string) (list []object, err error) {
	pages := s3.NewListObjectVersionsPaginator(h.S3, &s3.ListObjectVersionsInput{
		Bucket: &h.Bucket, ExpectedBucketOwner: &h.ID.Account, Prefix: &prefix,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if awserr.Gone(err) != nil {
			return nil, fmt.Errorf("list objects in s3://%s/%s: %w", h.Bucket, prefix, err)
		}
		if page == nil {
			return nil, nil
		}
		for _, v := range page.Versions {
			list = append(list, object{types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId}, aws.ToTime(v.LastModified)})
		}
		for _, m := range page.DeleteMarkers {
			list = append(list, object{types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId}, aws.ToTime(m.LastModified)})
		}
	}
	return list, nil
}

// maxDeletes is the most objects that S3 deletes in one call.
const maxDeletes = 1000

func (h *Hello) deleteObjects(ctx context.Context, list []object) error {
	for some := range slices.Chunk(list, maxDeletes) {
		var batch []types.ObjectIdentifier
		for _, o := range some {
			batch = append(batch, o.ObjectIdentifier)
		}
		out, err := h.S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &h.Bucket, ExpectedBucketOwner: &h.ID.Account, Delete: &types.Delete{Objects: batch, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return fmt.Errorf("delete objects in s3://%s: %w", h.Bucket, err)
		}
		if len(out.Errors) > 0 {
			e := out.Errors[0]
			return fmt.Errorf("delete s3://%s/%s: %s: %s", h.Bucket, aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
		}
	}
	return nil
}

// removeUnnamed removes the objects of hello's runs that no deployment names, as soon as such
// a run must have ended. It leaves keys of any other form alone.
func (h *Hello) removeUnnamed(ctx context.Context, named map[string]bool, c *Cleaned) error {
	list, err := h.objects(ctx, names.HelloPrefix)
	if err != nil {
		return err
	}
	runs, last := map[string][]object{}, map[string]time.Time{}
	for _, o := range list {
		id := names.HelloRun(aws.ToString(o.Key))
		if id == "" || named[id] {
			continue
		}
		runs[id] = append(runs[id], o)
		if o.modified.After(last[id]) {
			last[id] = o.modified
		}
	}
	for _, id := range slices.Sorted(maps.Keys(runs)) {
		if h.Shared {
			c.Foreign++
			continue
		}
		if until := last[id].Add(Longest + removal); time.Now().Before(until) {
			c.busy(until)
			continue
		}
		if err := h.deleteObjects(ctx, runs[id]); err != nil {
			return err
		}
		c.Removed++
	}
	return nil
}
