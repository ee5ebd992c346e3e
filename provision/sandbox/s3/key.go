package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/kms"
)

// newKey is the customer's key of new objects; empty if AWS's own keys encrypt them.
func (b *bucket) newKey() string { return b.Encryption.Key }

// keyUse is what S3 does with a key. With a bucket key, the encryption context names the
// bucket, and otherwise the object.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
func (r *request) keyUse(b *bucket, key, object string) kms.Use {
	arn := r.bucketARN(b.Name)
	if !b.Encryption.BucketKey {
		arn += "/" + object
	}
	return kms.Use{Key: key, Service: "s3", Context: map[string]string{"kms:EncryptionContext:aws:s3:arn": arn}}
}

// putAccess also covers the key of the bucket.
func putAccess(r *request, a core.Access, in *s3.PutObjectInput) []core.Access {
	all := objectAccess(r, a, in)
	if b := r.db().Buckets[aws.ToString(in.Bucket)]; b != nil && b.newKey() != "" {
		all = append(all, r.keyUse(b, b.newKey(), aws.ToString(in.Key)).Access(r.Request, "kms:GenerateDataKey")...)
	}
	return all
}

// getAccess also covers the key of the object.
func getAccess(r *request, a core.Access, in *s3.GetObjectInput) []core.Access {
	all := objectAccess(r, a, in)
	b := r.db().Buckets[aws.ToString(in.Bucket)]
	if b == nil {
		return all
	}
	if o, err := b.find(in.Key, in.VersionId); err == nil && o.Key != "" {
		all = append(all, r.keyUse(b, o.Key, aws.ToString(in.Key)).Access(r.Request, "kms:Decrypt")...)
	}
	return all
}

func (r *request) checkKey(key string) error {
	if key == "" {
		return nil
	}
	switch kms.Look(r.Request, key) {
	case kms.NotFound:
		return core.Fail("KMS.NotFoundException", "Key '%s' does not exist", key)
	case kms.Disabled:
		return core.Fail("KMS.DisabledException", "%s is disabled.", key)
	case kms.Invalid:
		return core.Fail("KMS.KMSInvalidStateException", "%s is pending deletion.", key)
	case kms.Asymmetric:
		return core.Fail("KMS.InvalidKeyUsageException", "%s cannot be used for encryption.", key)
	}
	return nil
}
