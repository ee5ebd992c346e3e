package sandbox

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func init() {
	on(createBucket)
	on(deleteBucket)
	on(headBucket)
	on(listBuckets)
	on(getBucketLocation)
	on(getBucketTagging)
	on(putBucketTagging)
	on(deleteBucketTagging)
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
	t, err := s3Tags(conf.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkOwnership(in.ObjectOwnership, in.ACL); err != nil {
		return nil, err
	}
	if old := r.S3.Buckets[name]; old != nil {
		return r.createAgain(old)
	}
	if at, ok := r.S3.Freed[name]; ok && r.now.Before(at.Add(r.a.ReuseLag)) {
		return nil, fail("OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.")
	}
	delete(r.S3.Freed, name)
	b := r.S3.add(&bucket{Name: name, Owner: r.Account, Region: r.region, Created: r.now.UTC(), Tags: t, Ownership: string(in.ObjectOwnership)})
	if aws.ToBool(in.ObjectLockEnabledForBucket) {
		b.Lockable, b.Versioning = true, string(types.BucketVersioningStatusEnabled)
	}
	return &s3.CreateBucketOutput{Location: aws.String("/" + name), BucketArn: aws.String(r.bucketARN(name))}, nil
}

// createAgain is the creation of a bucket that there is.
func (r *request) createAgain(old *bucket) (*s3.CreateBucketOutput, error) {
	switch {
	case old.Owner != r.Account:
		return nil, &types.BucketAlreadyExists{Message: aws.String("The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")}
	case r.region == "us-east-1" && old.Region == "us-east-1":
		// For compatibility this one region says nothing, and changes nothing but ACLs.
		return &s3.CreateBucketOutput{Location: aws.String("/" + old.Name)}, nil
	}
	return nil, &types.BucketAlreadyOwnedByYou{Message: aws.String("Your previous request to create the named bucket succeeded and you already own it.")}
}

// checkOwnership has the rule that a bucket without ACLs, as every one is unless
// the request says otherwise, takes none.
func checkOwnership(o types.ObjectOwnership, acl types.BucketCannedACL) error {
	if o != "" && !slices.Contains(o.Values(), o) {
		return fail("InvalidArgument", "Invalid x-amz-object-ownership header: %s", o)
	}
	withACLs := o == types.ObjectOwnershipObjectWriter || o == types.ObjectOwnershipBucketOwnerPreferred
	if !withACLs && acl != "" && acl != types.BucketCannedACLPrivate {
		return fail("InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	}
	return nil
}

func (r *request) bucketARN(name string) string { return "arn:" + r.partition() + ":s3:::" + name }

// checkLocation has the one rule for us-east-1, and the other for the rest.
func (r *request) checkLocation(constraint string) error {
	switch {
	case r.region == "us-east-1" && constraint == "", constraint == r.region && constraint != "us-east-1":
		return nil
	case constraint == "us-east-1":
		return fail("InvalidLocationConstraint", "The specified location-constraint is not valid")
	case constraint == "":
		constraint = "unspecified"
	}
	return fail("IllegalLocationConstraintException", "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", constraint)
}

// Unfinished uploads do not keep a bucket, but versions and delete markers do.
func deleteBucket(r *request, in *s3.DeleteBucketInput) (*s3.DeleteBucketOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if len(b.Objects) > 0 {
		if b.Versioning != "" {
			return nil, fail("BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
		}
		return nil, fail("BucketNotEmpty", "The bucket you tried to delete is not empty")
	}
	delete(r.S3.Buckets, b.Name)
	if r.a.ReuseLag > 0 {
		if r.S3.Freed == nil {
			r.S3.Freed = map[string]time.Time{}
		}
		r.S3.Freed[b.Name] = r.now
	}
	return &s3.DeleteBucketOutput{}, nil
}

// A HEAD request has no body, so there is no code but the status's.
func headBucket(r *request, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	switch codeOf(err) {
	case "":
		return &s3.HeadBucketOutput{BucketRegion: aws.String(b.Region)}, nil
	case "NoSuchBucket":
		return nil, &types.NotFound{Message: aws.String("Not Found")}
	case "PermanentRedirect":
		return nil, fail("MovedPermanently", "Moved Permanently")
	}
	return nil, fail("Forbidden", "Forbidden")
}

func listBuckets(r *request, in *s3.ListBucketsInput) (*s3.ListBucketsOutput, error) {
	var all []types.Bucket
	for _, b := range sorted(r.S3.Buckets) {
		if b.Owner == r.Account && strings.HasPrefix(b.Name, aws.ToString(in.Prefix)) && (in.BucketRegion == nil || *in.BucketRegion == b.Region) {
			all = append(all, types.Bucket{
				Name: aws.String(b.Name), BucketRegion: aws.String(b.Region), CreationDate: aws.Time(b.Created),
				BucketArn: aws.String(r.bucketARN(b.Name)),
			})
		}
	}
	list, next, err := page(all, in.ContinuationToken, in.MaxBuckets, 10000)
	if err != nil {
		return nil, err
	}
	return &s3.ListBucketsOutput{Buckets: list, ContinuationToken: next, Prefix: in.Prefix}, nil
}

func getBucketLocation(r *request, in *s3.GetBucketLocationInput) (*s3.GetBucketLocationOutput, error) {
	b := r.S3.Buckets[aws.ToString(in.Bucket)]
	if b != nil && b.Region != r.region && b.Owner == r.Account { // this one call is answered everywhere
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
		return nil, fail("NoSuchTagSet", "The TagSet does not exist")
	}
	out := &s3.GetBucketTaggingOutput{}
	for _, k := range b.Tags.keys() {
		out.TagSet = append(out.TagSet, types.Tag{Key: aws.String(k), Value: aws.String(b.Tags[k])})
	}
	return out, nil
}

func putBucketTagging(r *request, in *s3.PutBucketTaggingInput) (*s3.PutBucketTaggingOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	t, err := s3Tags(in.Tagging.TagSet)
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
