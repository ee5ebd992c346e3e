package s3

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, listObjectsV2, bucketAccess)
	core.Register(service, listObjectVersions, bucketAccess)
	core.Register(service, createMultipartUpload, objectAccess)
	core.Register(service, uploadPart, objectAccess)
	core.Register(service, listMultipartUploads, bucketAccess)
	core.Register(service, abortMultipartUpload, objectAccess)
}

const maxPage = 1000 // entries on one page of any list

// checkListing rejects options that the sandbox does not support.
func checkListing(delimiter *string) error {
	if aws.ToString(delimiter) != "" {
		return core.Fail("NotImplemented", "the sandbox lists without a delimiter only")
	}
	return nil
}

func listObjectsV2(r *request, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if err := checkListing(in.Delimiter); err != nil {
		return nil, err
	}
	var all []types.Object
	for _, key := range core.SortedKeys(b.Objects) {
		o := b.current(key)
		if o == nil || !strings.HasPrefix(key, aws.ToString(in.Prefix)) || key <= aws.ToString(in.StartAfter) && in.StartAfter != nil {
			continue
		}
		all = append(all, types.Object{
			Key: aws.String(key), ETag: aws.String(o.ETag), LastModified: aws.Time(o.Modified),
			Size: aws.Int64(int64(len(o.Body))), StorageClass: types.ObjectStorageClassStandard,
		})
	}
	list, next, err := core.Page(all, in.ContinuationToken, in.MaxKeys, maxPage)
	if err != nil {
		return nil, err
	}
	return &s3.ListObjectsV2Output{
		Contents: list, KeyCount: aws.Int32(int32(len(list))), Name: aws.String(b.Name), Prefix: in.Prefix,
		IsTruncated: aws.Bool(next != nil), NextContinuationToken: next,
	}, nil
}

// listObjectVersions continues after a key and a version. Versions and delete
// markers count together.
func listObjectVersions(r *request, in *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if err := checkListing(in.Delimiter); err != nil {
		return nil, err
	}
	if in.VersionIdMarker != nil && in.KeyMarker == nil {
		return nil, core.Fail("InvalidArgument", "A version-id marker cannot be specified without a key marker.")
	}
	most := core.PageSize(in.MaxKeys, maxPage)
	out := &s3.ListObjectVersionsOutput{Name: aws.String(b.Name), Prefix: in.Prefix, IsTruncated: aws.Bool(false)}
	n := 0
	var lastKey, lastID string
	for key, o := range b.versionsAfter(in.KeyMarker, in.VersionIdMarker) {
		if !strings.HasPrefix(key, aws.ToString(in.Prefix)) {
			continue
		}
		if n == most {
			out.IsTruncated, out.NextKeyMarker, out.NextVersionIdMarker = aws.Bool(true), &lastKey, &lastID
			break
		}
		n, lastKey, lastID = n+1, key, o.Version
		latest := aws.Bool(o == b.Objects[key][0])
		if o.Marker {
			out.DeleteMarkers = append(out.DeleteMarkers, types.DeleteMarkerEntry{
				Key: aws.String(key), VersionId: aws.String(o.Version), IsLatest: latest, LastModified: aws.Time(o.Modified),
			})
			continue
		}
		out.Versions = append(out.Versions, types.ObjectVersion{
			Key: aws.String(key), VersionId: aws.String(o.Version), IsLatest: latest, ETag: aws.String(o.ETag),
			LastModified: aws.Time(o.Modified), Size: aws.Int64(int64(len(o.Body))),
		})
	}
	return out, nil
}

// versionsAfter returns a bucket's versions and delete markers by key, the newest of
// each key first. They start after a key, or after one version of a key. If that
// version no longer exists, they start with the key's newest version.
func (b *bucket) versionsAfter(key, version *string) iter.Seq2[string, *object] {
	return func(yield func(string, *object) bool) {
		for _, k := range core.SortedKeys(b.Objects) {
			list := b.Objects[k]
			switch {
			case k < aws.ToString(key), key != nil && k == *key && version == nil:
				continue
			case key != nil && k == *key:
				list = list[1+slices.IndexFunc(list, func(o *object) bool { return o.Version == *version }):]
			}
			for _, o := range list {
				if !yield(k, o) {
					return
				}
			}
		}
	}
}

func createMultipartUpload(r *request, in *s3.CreateMultipartUploadInput) (*s3.CreateMultipartUploadOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Uploads == nil {
		b.Uploads = map[string]*upload{}
	}
	id := r.UniqueID("upload")
	b.Uploads[id] = &upload{Key: aws.ToString(in.Key), Started: r.Now.UTC()}
	return &s3.CreateMultipartUploadOutput{Bucket: aws.String(b.Name), Key: in.Key, UploadId: &id}, nil
}

func (b *bucket) upload(id, key *string) error {
	if u := b.Uploads[aws.ToString(id)]; u == nil || u.Key != aws.ToString(key) {
		return &types.NoSuchUpload{Message: aws.String("The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")}
	}
	return nil
}

func uploadPart(r *request, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if err := b.upload(in.UploadId, in.Key); err != nil {
		return nil, err
	}
	return &s3.UploadPartOutput{ETag: aws.String(fmt.Sprintf(`"part%d"`, aws.ToInt32(in.PartNumber)))}, nil
}

func listMultipartUploads(r *request, in *s3.ListMultipartUploadsInput) (*s3.ListMultipartUploadsOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if err := checkListing(in.Delimiter); err != nil {
		return nil, err
	}
	out := &s3.ListMultipartUploadsOutput{Bucket: aws.String(b.Name), IsTruncated: aws.Bool(false)}
	most := core.PageSize(in.MaxUploads, maxPage)
	for _, id := range core.SortedKeys(b.Uploads) {
		u := b.Uploads[id]
		if !strings.HasPrefix(u.Key, aws.ToString(in.Prefix)) || in.UploadIdMarker != nil && id <= *in.UploadIdMarker {
			continue
		}
		if len(out.Uploads) == most {
			last := out.Uploads[most-1]
			out.IsTruncated, out.NextKeyMarker, out.NextUploadIdMarker = aws.Bool(true), last.Key, last.UploadId
			break
		}
		out.Uploads = append(out.Uploads, types.MultipartUpload{Key: aws.String(u.Key), UploadId: aws.String(id), Initiated: aws.Time(u.Started)})
	}
	return out, nil
}

func abortMultipartUpload(r *request, in *s3.AbortMultipartUploadInput) (*s3.AbortMultipartUploadOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if err := b.upload(in.UploadId, in.Key); err != nil {
		return nil, err
	}
	delete(b.Uploads, *in.UploadId)
	return &s3.AbortMultipartUploadOutput{}, nil
}
