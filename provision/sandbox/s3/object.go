package s3

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

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, putObject, putAccess)
	core.Register(service, getObject, getAccess)
	core.Register(service, headObject, objectAccess)
}

// current returns the current version of a key: nil if there is none, or if it is a
// delete marker.
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

// push adds a version as the newest. Without versioning, or while it is suspended,
// the new version replaces the version "null".
func (r *request) push(b *bucket, key string, o *object) {
	if b.Objects == nil {
		b.Objects = map[string][]*object{}
	}
	o.Version, o.Modified = "null", r.Now.UTC()
	if b.Versioning == string(types.BucketVersioningStatusEnabled) {
		o.Version = r.UniqueID("v")
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
	return core.Fail("PreconditionFailed", "At least one of the pre-conditions you specified did not hold: %s", which)
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
		return nil, core.Fail("KeyTooLongError", "Your key is too long")
	}
	have := b.current(key)
	switch {
	case in.IfNoneMatch != nil && *in.IfNoneMatch != "*":
		return nil, core.Fail("NotImplemented", "A header you provided implies functionality that is not implemented: If-None-Match")
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
	if err := r.checkKey(b.newKey()); err != nil {
		return nil, err
	}
	sum := md5.Sum(body) // what S3 calls the ETag of a plain object
	o := &object{
		Body: body, ETag: `"` + hex.EncodeToString(sum[:]) + `"`,
		Type: aws.ToString(in.ContentType), Meta: maps.Clone(in.Metadata),
		Key: b.newKey(),
	}
	r.push(b, key, o)
	out := &s3.PutObjectOutput{ETag: aws.String(o.ETag), ServerSideEncryption: types.ServerSideEncryption(b.Encryption.Algorithm)}
	if b.Versioning != "" {
		out.VersionId = aws.String(o.Version)
	}
	return out, nil
}

// readBody reads from the start, because after a lost reply the same body is sent
// again.
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
		return nil, core.Fail("NoSuchVersion", "The specified version does not exist.")
	case o.Marker:
		return nil, core.Fail("MethodNotAllowed", "The specified method is not allowed against this resource.")
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
	if err := r.checkKey(o.Key); err != nil {
		return nil, err
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
