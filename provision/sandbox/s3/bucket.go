package s3

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, createBucket, createBucketAccess)
	core.Register(service, deleteBucket, bucketAccess)
	core.Register(service, headBucket, bucketAccess)
	core.Register(service, listBuckets, core.Anything)
	core.Register(service, getBucketLocation, bucketAccess)
	core.Register(service, getBucketTagging, bucketAccess)
	core.Register(service, putBucketTagging, bucketAccess)
	core.Register(service, deleteBucketTagging, bucketAccess)
}

func createBucket(r *request, in *s3.CreateBucketInput) (*s3.CreateBucketOutput, error) {
	name := aws.ToString(in.Bucket)
	if err := r.checkBucketName(name, in.BucketNamespace); err != nil {
		return nil, err
	}
	conf := types.CreateBucketConfiguration{}
	if in.CreateBucketConfiguration != nil {
		conf = *in.CreateBucketConfiguration
	}
	if err := r.checkLocation(string(conf.LocationConstraint)); err != nil {
		return nil, err
	}
	t, err := newTags(conf.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkOwnership(in.ObjectOwnership, in.ACL); err != nil {
		return nil, err
	}
	if old := r.db().Buckets[name]; old != nil {
		return r.createAgain(old)
	}
	if at, ok := r.db().Freed[name]; ok && r.Now.Before(at.Add(r.Account.ReuseLag)) {
		return nil, core.Fail("OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.")
	}
	delete(r.db().Freed, name)
	b := r.db().add(&bucket{Name: name, Owner: r.AccountID, Region: r.Region, Created: r.Now.UTC(), Tags: t, Ownership: string(in.ObjectOwnership)})
	if aws.ToBool(in.ObjectLockEnabledForBucket) {
		b.Lockable, b.Versioning = true, string(types.BucketVersioningStatusEnabled)
	}
	return &s3.CreateBucketOutput{Location: aws.String("/" + name), BucketArn: aws.String(r.bucketARN(name))}, nil
}

// createAgain returns the reply to the creation of an existing bucket.
func (r *request) createAgain(old *bucket) (*s3.CreateBucketOutput, error) {
	switch {
	case old.Owner != r.AccountID:
		return nil, &types.BucketAlreadyExists{Message: aws.String("The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")}
	case r.Region == "us-east-1" && old.Region == "us-east-1":
		// For compatibility, this region alone returns no error and changes only ACLs.
		return &s3.CreateBucketOutput{Location: aws.String("/" + old.Name)}, nil
	}
	return nil, &types.BucketAlreadyOwnedByYou{Message: aws.String("Your previous request to create the named bucket succeeded and you already own it.")}
}

// checkOwnership rejects ACLs on a bucket with ACLs disabled, which is the default.
func checkOwnership(o types.ObjectOwnership, acl types.BucketCannedACL) error {
	if o != "" && !slices.Contains(o.Values(), o) {
		return core.Fail("InvalidArgument", "Invalid x-amz-object-ownership header: %s", o)
	}
	withACLs := o == types.ObjectOwnershipObjectWriter || o == types.ObjectOwnershipBucketOwnerPreferred
	if !withACLs && acl != "" && acl != types.BucketCannedACLPrivate {
		return core.Fail("InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	}
	return nil
}

func (r *request) bucketARN(name string) string { return "arn:" + r.Partition() + ":s3:::" + name }

// checkLocation applies one rule in us-east-1, and another in all other regions.
func (r *request) checkLocation(constraint string) error {
	switch {
	case r.Region == "us-east-1" && constraint == "", constraint == r.Region && constraint != "us-east-1":
		return nil
	case constraint == "us-east-1":
		return core.Fail("InvalidLocationConstraint", "The specified location-constraint is not valid")
	case constraint == "":
		constraint = "unspecified"
	}
	return core.Fail("IllegalLocationConstraintException", "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", constraint)
}

// deleteBucket fails if the bucket has versions or delete markers. Unfinished
// uploads do not matter.
func deleteBucket(r *request, in *s3.DeleteBucketInput) (*s3.DeleteBucketOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if len(b.Objects) > 0 {
		if b.Versioning != "" {
			return nil, core.Fail("BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
		}
		return nil, core.Fail("BucketNotEmpty", "The bucket you tried to delete is not empty")
	}
	delete(r.db().Buckets, b.Name)
	if r.Account.ReuseLag > 0 {
		if r.db().Freed == nil {
			r.db().Freed = map[string]time.Time{}
		}
		r.db().Freed[b.Name] = r.Now
	}
	return &s3.DeleteBucketOutput{}, nil
}

// headBucket's reply to HEAD has no body, so an error has only its status as a code.
func headBucket(r *request, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	switch core.CodeOf(err) {
	case "":
		return &s3.HeadBucketOutput{BucketRegion: aws.String(b.Region)}, nil
	case "NoSuchBucket":
		return nil, &types.NotFound{Message: aws.String("Not Found")}
	case "PermanentRedirect":
		return nil, core.Fail("MovedPermanently", "Moved Permanently")
	}
	return nil, core.Fail("Forbidden", "Forbidden")
}

func listBuckets(r *request, in *s3.ListBucketsInput) (*s3.ListBucketsOutput, error) {
	var all []types.Bucket
	for _, b := range core.Sorted(r.db().Buckets) {
		if b.Owner == r.AccountID && strings.HasPrefix(b.Name, aws.ToString(in.Prefix)) && (in.BucketRegion == nil || *in.BucketRegion == b.Region) {
			all = append(all, types.Bucket{
				Name: aws.String(b.Name), BucketRegion: aws.String(b.Region), CreationDate: aws.Time(b.Created),
				BucketArn: aws.String(r.bucketARN(b.Name)),
			})
		}
	}
	list, next, err := core.Page(all, in.ContinuationToken, in.MaxBuckets, 10000)
	if err != nil {
		return nil, err
	}
	return &s3.ListBucketsOutput{Buckets: list, ContinuationToken: next, Prefix: in.Prefix}, nil
}

func getBucketLocation(r *request, in *s3.GetBucketLocationInput) (*s3.GetBucketLocationOutput, error) {
	b := r.db().Buckets[aws.ToString(in.Bucket)]
	if b != nil && b.Region != r.Region && b.Owner == r.AccountID { // this call works in every region
		return &s3.GetBucketLocationOutput{LocationConstraint: types.BucketLocationConstraint(b.Region)}, nil
	}
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	out := &s3.GetBucketLocationOutput{}
	if b.Region != "us-east-1" {
		out.LocationConstraint = types.BucketLocationConstraint(b.Region)
	}
	return out, nil
}

func getBucketTagging(r *request, in *s3.GetBucketTaggingInput) (*s3.GetBucketTaggingOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if len(b.Tags) == 0 {
		return nil, core.Fail("NoSuchTagSet", "The TagSet does not exist")
	}
	out := &s3.GetBucketTaggingOutput{}
	for _, k := range b.Tags.Keys() {
		out.TagSet = append(out.TagSet, types.Tag{Key: aws.String(k), Value: aws.String(b.Tags[k])})
	}
	return out, nil
}

func putBucketTagging(r *request, in *s3.PutBucketTaggingInput) (*s3.PutBucketTaggingOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	t, err := newTags(in.Tagging.TagSet)
	if err != nil {
		return nil, err
	}
	b.Tags = t
	return &s3.PutBucketTaggingOutput{}, nil
}

func deleteBucketTagging(r *request, in *s3.DeleteBucketTaggingInput) (*s3.DeleteBucketTaggingOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	b.Tags = nil
	return &s3.DeleteBucketTaggingOutput{}, nil
}
