package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, deleteObject, objectAccess)
	core.Register(service, deleteObjects, deleteObjectsAccess)
	core.Register(service, putObjectLegalHold, objectAccess)
}

// remove deletes the given version, or else the current one. In a versioned bucket,
// deleting the current version adds a delete marker, even if the key does not exist.
func (r *request) remove(b *bucket, key string, version *string) (marker bool, id string, err error) {
	if version != nil {
		o := b.version(key, *version)
		if o == nil {
			return false, *version, nil
		}
		if o.Hold {
			return false, "", core.Fail("AccessDenied", "Access Denied because object protected by object lock.")
		}
		b.drop(key, *version)
		return o.Marker, *version, nil
	}
	if b.Versioning == "" {
		b.drop(key, "null")
		return false, "", nil
	}
	o := &object{Marker: true}
	r.push(b, key, o)
	return true, o.Version, nil
}

func deleteObject(r *request, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	key := aws.ToString(in.Key)
	if in.IfMatch != nil {
		have := b.current(key)
		if have == nil {
			return nil, noKey(key)
		}
		if *in.IfMatch != "*" && *in.IfMatch != have.ETag {
			return nil, preconditionFailed("If-Match")
		}
	}
	marker, id, err := r.remove(b, key, in.VersionId)
	if err != nil {
		return nil, err
	}
	out := &s3.DeleteObjectOutput{DeleteMarker: aws.Bool(marker)}
	if id != "" {
		out.VersionId = aws.String(id)
	}
	return out, nil
}

// deleteObjects succeeds even if it cannot delete some of the keys.
func deleteObjects(r *request, in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if n := len(in.Delete.Objects); n == 0 || n > 1000 {
		return nil, malformedXML()
	}
	out := &s3.DeleteObjectsOutput{}
	for _, o := range in.Delete.Objects {
		key := aws.ToString(o.Key)
		marker, id, err := r.remove(b, key, o.VersionId)
		if err != nil {
			out.Errors = append(out.Errors, types.Error{
				Key: aws.String(key), VersionId: o.VersionId, Code: aws.String(core.CodeOf(err)), Message: aws.String("Access Denied"),
			})
			continue
		}
		if aws.ToBool(in.Delete.Quiet) {
			continue
		}
		d := types.DeletedObject{Key: aws.String(key), DeleteMarker: aws.Bool(marker)}
		if id != "" {
			d.VersionId = aws.String(id)
		}
		out.Deleted = append(out.Deleted, d)
	}
	return out, nil
}

func putObjectLegalHold(r *request, in *s3.PutObjectLegalHoldInput) (*s3.PutObjectLegalHoldOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if !b.Lockable {
		return nil, core.Fail("InvalidRequest", "Bucket is missing Object Lock Configuration")
	}
	o, err := b.find(in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	o.Hold = in.LegalHold != nil && in.LegalHold.Status == types.ObjectLockLegalHoldStatusOn
	return &s3.PutObjectLegalHoldOutput{}, nil
}
