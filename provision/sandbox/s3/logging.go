package s3

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, getBucketLogging, bucketAccess)
	core.Register(service, putBucketLogging, bucketAccess)
}

// logging is where S3 logs the requests to a bucket.
type logging struct {
	Bucket string `json:"bucket"`
	Prefix string `json:"prefix,omitempty"`

	// Dated is what the names of the logs are partitioned by; empty for plain names.
	Dated string `json:"dated,omitempty"`
}

func getBucketLogging(r *request, in *s3.GetBucketLoggingInput) (*s3.GetBucketLoggingOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Logging == nil {
		return &s3.GetBucketLoggingOutput{}, nil
	}
	on := &types.LoggingEnabled{TargetBucket: aws.String(b.Logging.Bucket), TargetPrefix: aws.String(b.Logging.Prefix)}
	if b.Logging.Dated != "" {
		on.TargetObjectKeyFormat = &types.TargetObjectKeyFormat{
			PartitionedPrefix: &types.PartitionedPrefix{PartitionDateSource: types.PartitionDateSource(b.Logging.Dated)},
		}
	}
	return &s3.GetBucketLoggingOutput{LoggingEnabled: on}, nil
}

// putBucketLogging checks the target, but not whether the logging service may write to it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func putBucketLogging(r *request, in *s3.PutBucketLoggingInput) (*s3.PutBucketLoggingOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if in.BucketLoggingStatus == nil {
		return nil, malformedXML()
	}
	on := in.BucketLoggingStatus.LoggingEnabled
	if on == nil {
		b.Logging = nil
		return &s3.PutBucketLoggingOutput{}, nil
	}
	if on.TargetBucket == nil || on.TargetPrefix == nil {
		return nil, malformedXML()
	}
	target := r.db().Buckets[*on.TargetBucket]
	switch {
	case target == nil:
		return nil, core.Fail("InvalidTargetBucketForLogging", "The target bucket for logging does not exist")
	case target.Owner != b.Owner:
		return nil, core.Fail("InvalidTargetBucketForLogging", "The owner for the bucket to be logged and the target bucket must be the same.")
	case target.Region != b.Region:
		return nil, core.Fail("CrossLocationLoggingProhibited", "Cross S3 location logging not allowed.")
	}
	b.Logging = &logging{Bucket: target.Name, Prefix: *on.TargetPrefix}
	if f := on.TargetObjectKeyFormat; f != nil && f.PartitionedPrefix != nil {
		b.Logging.Dated = string(f.PartitionedPrefix.PartitionDateSource)
	}
	return &s3.PutBucketLoggingOutput{}, nil
}
