package sandbox

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"io"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func init() {
	on(putObject)
	on(getObject)
	on(headObject)
	on(deleteObject)
	on(deleteObjects)
	on(putObjectLegalHold)
}

// current is the version that a request without a version means: nil if there
// is none, or if it is a delete marker.
func (b *bucket) current(key string) *object {
	if v := b.Objects[key]; len(v) > 0 && !v[0].Marker {
		return v[0]
	}
	return nil
}

func (b *bucket) version(key, id string) *object {
	for _, o := range b.Objects[key] {
		if o.Version == id {
			return o
		}
	}
	return nil
}

// push puts a version before the others. Without versioning, or while it is
// suspended, it takes the place of the version "null".
func (r *request) push(b *bucket, key string, o *object) {
	if b.Objects == nil {
		b.Objects = map[string][]*object{}
	}
	o.Version, o.Modified = "null", r.now.UTC()
	if b.Versioning == string(types.BucketVersioningStatusEnabled) {
		o.Version = r.uniqueID("v")
	} else {
		b.drop(key, "null")
	}
	b.Objects[key] = append([]*object{o}, b.Objects[key]...)
}

func (b *bucket) drop(key, id string) {
	rest := slices.DeleteFunc(slices.Clone(b.Objects[key]), func(o *object) bool { return o.Version == id })
	if b.Objects[key] = rest; len(rest) == 0 {
		delete(b.Objects, key)
	}
}

func preconditionFailed(which string) error {
	return fail("PreconditionFailed", "At least one of the pre-conditions you specified did not hold: %s", which)
}

func noKey(key string) error {
	return &types.NoSuchKey{Message: aws.String("The specified key does not exist: " + key)}
}

func putObject(r *request, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	key := aws.ToString(in.Key)
	if key == "" || len(key) > 1024 {
		return nil, fail("KeyTooLongError", "Your key is too long")
	}
	have := b.current(key)
	switch {
	case in.IfNoneMatch != nil && *in.IfNoneMatch != "*":
		return nil, fail("NotImplemented", "A header you provided implies functionality that is not implemented: If-None-Match")
	case in.IfNoneMatch != nil && have != nil:
		return nil, preconditionFailed("If-None-Match")
	case in.IfMatch != nil && have == nil:
		return nil, noKey(key)
	case in.IfMatch != nil && *in.IfMatch != have.ETag:
		return nil, preconditionFailed("If-Match")
	}
	body, err := readBody(in.Body)
	if err != nil {
		return nil, err
	}
	sum := md5.Sum(body) // what S3 calls the ETag of a plain object
	o := &object{
		Body: body, ETag: `"` + hex.EncodeToString(sum[:]) + `"`,
		Type: aws.ToString(in.ContentType), Meta: maps.Clone(in.Metadata),
	}
	r.push(b, key, o)
	out := &s3.PutObjectOutput{ETag: aws.String(o.ETag), ServerSideEncryption: types.ServerSideEncryption(b.Encryption.Algorithm)}
	if b.Versioning != "" {
		out.VersionId = aws.String(o.Version)
	}
	return out, nil
}

// readBody reads from the start: after a lost reply the same body comes again.
func readBody(body io.Reader) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	if s, ok := body.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(body)
}

func (b *bucket) find(key, version *string) (*object, error) {
	if version == nil {
		if o := b.current(aws.ToString(key)); o != nil {
			return o, nil
		}
		return nil, noKey(aws.ToString(key))
	}
	o := b.version(aws.ToString(key), *version)
	switch {
	case o == nil:
		return nil, fail("NoSuchVersion", "The specified version does not exist.")
	case o.Marker:
		return nil, fail("MethodNotAllowed", "The specified method is not allowed against this resource.")
	}
	return o, nil
}

func getObject(r *request, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	o, err := b.find(in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	if in.IfMatch != nil && *in.IfMatch != o.ETag {
		return nil, preconditionFailed("If-Match")
	}
	return &s3.GetObjectOutput{
		Body: io.NopCloser(bytes.NewReader(o.Body)), ContentLength: aws.Int64(int64(len(o.Body))),
		ETag: aws.String(o.ETag), Metadata: maps.Clone(o.Meta), LastModified: aws.Time(o.Modified),
		ContentType: aws.String(o.Type), VersionId: aws.String(o.Version),
	}, nil
}

func headObject(r *request, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	o, err := b.find(in.Key, in.VersionId)
	if err != nil {
		return nil, &types.NotFound{Message: aws.String("Not Found")}
	}
	return &s3.HeadObjectOutput{
		ContentLength: aws.Int64(int64(len(o.Body))), ETag: aws.String(o.ETag), Metadata: maps.Clone(o.Meta),
		LastModified: aws.Time(o.Modified), ContentType: aws.String(o.Type), VersionId: aws.String(o.Version),
	}, nil
}

// remove deletes a version, or, without one, what is current: in a versioned
// bucket that puts a delete marker on top, even if there is nothing below it.
func (r *request) remove(b *bucket, key string, version *string) (marker bool, id string, err error) {
	if version != nil {
		o := b.version(key, *version)
		if o == nil {
			return false, *version, nil
		}
		if o.Hold {
			return false, "", fail("AccessDenied", "Access Denied because object protected by object lock.")
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

// The call succeeds even if it cannot delete some of the keys.
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
				Key: aws.String(key), VersionId: o.VersionId, Code: aws.String(codeOf(err)), Message: aws.String("Access Denied"),
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
		return nil, fail("InvalidRequest", "Bucket is missing Object Lock Configuration")
	}
	o, err := b.find(in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	o.Hold = in.LegalHold != nil && in.LegalHold.Status == types.ObjectLockLegalHoldStatusOn
	return &s3.PutObjectLegalHoldOutput{}, nil
}
