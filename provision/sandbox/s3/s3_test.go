package s3_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	sandboxs3 "github.com/flowbed/flowbed/provision/sandbox/s3"
	"github.com/flowbed/flowbed/test/try"
)

// client is a try.User with more S3 calls.
type client struct{ try.User }

func newClient(region string) client { return client{try.New(region)} }

func (h client) drop(key string) error {
	_, err := h.S3.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: aws.String("one"), Key: &key})
	return err
}

func (h client) versioning(status types.BucketVersioningStatus) error {
	_, err := h.S3.PutBucketVersioning(context.Background(), &s3.PutBucketVersioningInput{
		Bucket: aws.String("one"), VersioningConfiguration: &types.VersioningConfiguration{Status: status},
	})
	return err
}

func (h client) bucketPolicy(parts string) error {
	_, err := h.S3.PutBucketPolicy(context.Background(), &s3.PutBucketPolicyInput{Bucket: aws.String("one"), Policy: aws.String(try.Policy(parts))})
	return err
}

func (h client) lifecycle(rules ...types.LifecycleRule) error {
	_, err := h.S3.PutBucketLifecycleConfiguration(context.Background(), &s3.PutBucketLifecycleConfigurationInput{
		Bucket: aws.String("one"), LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
	})
	return err
}

func TestS3Rules(t *testing.T) {
	ctx, one, me, other := context.Background(), aws.String("one"), aws.String(sandbox.DefaultAccount), aws.String("210987654321")
	world := `"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::one/*"`
	rule := func(change func(*types.LifecycleRule)) types.LifecycleRule {
		r := types.LifecycleRule{
			ID: aws.String("a"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)},
		}
		change(&r)
		return r
	}
	same := func(*types.LifecycleRule) {}
	for _, c := range []struct {
		name string
		do   func(h client) error
		want string
	}{
		{"unknown bucket", func(h client) error {
			_, err := h.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: aws.String("two")})
			return err
		}, "NoSuchBucket"},
		{"head of an unknown bucket", func(h client) error {
			_, err := h.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("two")})
			return err
		}, "NotFound"},
		{"expected owner is ours", func(h client) error {
			_, err := h.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: one, ExpectedBucketOwner: me})
			return err
		}, ""},
		{"expected owner is another account", func(h client) error {
			_, err := h.S3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: one, ExpectedBucketOwner: other})
			return err
		}, "AccessDenied"},
		{"bucket of another account", func(h client) error {
			sandboxs3.TakeBucket(h.Account, "taken", *other, "us-east-1")
			return h.DropBucket("taken")
		}, "AccessDenied"},
		{"another region", func(h client) error { return try.Of(h.Account, "eu-north-1").DropBucket("one") }, "PermanentRedirect"},
		{"no tags", func(h client) error {
			_, err := h.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: one})
			return err
		}, "NoSuchTagSet"},
		{"no policy", func(h client) error {
			_, err := h.S3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: one})
			return err
		}, "NoSuchBucketPolicy"},
		{"no lifecycle", func(h client) error {
			_, err := h.S3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: one})
			return err
		}, "NoSuchLifecycleConfiguration"},
		{"block deleted", func(h client) error {
			try.Must(h.S3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: one}))
			_, err := h.S3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: one})
			return err
		}, "NoSuchPublicAccessBlockConfiguration"},
		{"ownership deleted", func(h client) error {
			try.Must(h.S3.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: one}))
			_, err := h.S3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: one})
			return err
		}, "OwnershipControlsNotFoundError"},

		{"public policy", func(h client) error { return h.bucketPolicy(world) }, "AccessDenied"},
		{"public policy without block", func(h client) error {
			try.Must(h.S3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: one}))
			return h.bucketPolicy(world)
		}, ""},
		{"limited to an organization", func(h client) error {
			return h.bucketPolicy(world + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`)
		}, ""},
		{"limited to TLS is public", func(h client) error {
			return h.bucketPolicy(world + `,"Condition":{"Bool":{"aws:SecureTransport":"true"}}`)
		}, "AccessDenied"},
		{"deny for everybody", func(h client) error { return h.bucketPolicy(strings.Replace(world, "Allow", "Deny", 1)) }, ""},
		{"another bucket's policy", func(h client) error { return h.bucketPolicy(strings.Replace(world, "one/*", "two/*", 1)) }, "MalformedPolicy"},
		{"policy without principal", func(h client) error {
			return h.bucketPolicy(`"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::one"`)
		}, "MalformedPolicy"},
		{"policy for an unknown role", func(h client) error {
			return h.bucketPolicy(strings.Replace(world, `"*"`, `{"AWS":"arn:aws:iam::123456789012:role/nobody"}`, 1))
		}, "MalformedPolicy"},

		{"lifecycle", func(h client) error { return h.lifecycle(rule(same)) }, ""},
		{"same rule twice", func(h client) error { return h.lifecycle(rule(same), rule(same)) }, "InvalidArgument"},
		{"rule without action", func(h client) error { return h.lifecycle(rule(func(r *types.LifecycleRule) { r.Expiration = nil })) }, "InvalidRequest"},
		{"rule without filter", func(h client) error { return h.lifecycle(rule(func(r *types.LifecycleRule) { r.Filter = nil })) }, "MalformedXML"},
		{"no days", func(h client) error {
			return h.lifecycle(rule(func(r *types.LifecycleRule) { r.Expiration.Days = aws.Int32(0) }))
		}, "InvalidArgument"},
		{"days and markers", func(h client) error {
			return h.lifecycle(rule(func(r *types.LifecycleRule) { r.Expiration.ExpiredObjectDeleteMarker = aws.Bool(true) }))
		}, "MalformedXML"},

		{"delete with object", func(h client) error { try.OK(h.Put("k")); return h.DropBucket("one") }, "BucketNotEmpty"},
		{"delete with old version", func(h client) error {
			try.OK(h.versioning("Enabled"))
			try.OK(h.Put("k"))
			try.OK(h.drop("k"))
			return h.DropBucket("one")
		}, "BucketNotEmpty"},
		{"delete with marker alone", func(h client) error { try.OK(h.versioning("Enabled")); try.OK(h.drop("k")); return h.DropBucket("one") }, "BucketNotEmpty"},
		{"delete with upload", func(h client) error {
			try.Must(h.S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: one, Key: aws.String("k")}))
			return h.DropBucket("one")
		}, ""},
		{"delete emptied", func(h client) error { try.OK(h.Put("k")); try.OK(h.drop("k")); return h.DropBucket("one") }, ""},
		{"too many keys at once", func(h client) error {
			_, err := h.S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: one, Delete: &types.Delete{Objects: slices.Repeat([]types.ObjectIdentifier{{Key: one}}, 1001)}})
			return err
		}, "MalformedXML"},
		{"hold without lock", func(h client) error {
			try.OK(h.Put("k"))
			_, err := h.S3.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: one, Key: aws.String("k")})
			return err
		}, "InvalidRequest"},
		{"abort twice", func(h client) error {
			id := try.Must(h.S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: one, Key: aws.String("k")})).UploadId
			try.Must(h.S3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: one, Key: aws.String("k"), UploadId: id}))
			_, err := h.S3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: one, Key: aws.String("k"), UploadId: id})
			return err
		}, "NoSuchUpload"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newClient("us-east-1")
			try.WantCode(t, h.Bucket("one", ""), "")
			try.WantCode(t, c.do(h), c.want)
		})
	}
}

// Conditional writes carry a lease: it is created once, and only its holder can renew
// or release it.
func TestConditionalWrites(t *testing.T) {
	h, ctx, one, key := newClient("us-east-1"), t.Context(), aws.String("one"), aws.String("lease")
	try.WantCode(t, h.Bucket("one", ""), "")
	put := func(none, match *string) (*s3.PutObjectOutput, error) {
		return h.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: one, Key: key, Body: strings.NewReader("me"), IfNoneMatch: none, IfMatch: match})
	}
	drop := func(etag string) error {
		_, err := h.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: one, Key: key, IfMatch: &etag})
		return err
	}
	_, err := put(nil, aws.String(`"x"`))
	try.WantCode(t, err, "NoSuchKey")
	made := try.Must(put(aws.String("*"), nil))
	_, err = put(aws.String("*"), nil)
	try.WantCode(t, err, "PreconditionFailed")
	_, err = put(nil, aws.String(`"x"`))
	try.WantCode(t, err, "PreconditionFailed")
	_, err = put(nil, made.ETag)
	try.WantCode(t, err, "")
	try.WantCode(t, drop(`"x"`), "PreconditionFailed")
	try.WantCode(t, drop(*made.ETag), "")
	try.WantCode(t, drop(*made.ETag), "NoSuchKey")

	h.Fault = func(c sandbox.Call) sandbox.Fault { return sandbox.Fault{Lose: c.Operation == "PutObject"} }
	_, err = put(aws.String("*"), nil)
	try.WantCode(t, err, "PreconditionFailed") // the first PutObject, whose reply was lost, wrote it
	got := try.Must(h.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: one, Key: key}))
	if body := try.Must(io.ReadAll(got.Body)); string(body) != "me" {
		t.Errorf("the object is %q, want the body that was written", body)
	}
}

func TestVersions(t *testing.T) {
	h, ctx, one := newClient("us-east-1"), t.Context(), aws.String("one")
	try.OK(h.Bucket("one", ""))
	try.OK(h.Put("k")) // null
	try.OK(h.versioning("Enabled"))
	try.OK(h.Put("k"))
	try.OK(h.drop("k")) // a marker on top
	try.OK(h.versioning("Suspended"))
	try.OK(h.Put("k")) // replaces null
	list := func(size int32) (text string, pages int) {
		p := s3.NewListObjectVersionsPaginator(h.S3, &s3.ListObjectVersionsInput{Bucket: one, MaxKeys: &size})
		for ; p.HasMorePages(); pages++ {
			page := try.Must(p.NextPage(ctx))
			for _, v := range page.Versions {
				text += fmt.Sprintf("%s latest=%v null=%v; ", *v.Key, *v.IsLatest, *v.VersionId == "null")
			}
			for range page.DeleteMarkers {
				text += "marker; "
			}
		}
		return text, pages
	}
	want := "k latest=true null=true; k latest=false null=false; marker; "
	if have, _ := list(1000); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
	if _, pages := list(1); pages != 3 {
		t.Errorf("have %d pages of one, want 3", pages)
	}
	if n := *try.Must(h.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: one})).KeyCount; n != 1 {
		t.Errorf("have %d current objects, want 1", n)
	}
}

func TestFreedNameStaysTakenForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newClient("us-east-1")
		h.ReuseLag = time.Minute
		try.OK(h.Bucket("one", ""))
		try.WantCode(t, h.DropBucket("one"), "")
		try.WantCode(t, h.Bucket("one", ""), "OperationAborted")
		time.Sleep(time.Minute)
		try.WantCode(t, h.Bucket("one", ""), "")
	})
}
