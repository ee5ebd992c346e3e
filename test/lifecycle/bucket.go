package lifecycle

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

func bucketName(w *World) *string {
	return aws.String("flows-" + w.ID.Env + "-" + w.ID.Account + "-" + w.ID.Region + "-an")
}

// Bucket is the flow bucket.
var Bucket = register(Case{
	Name: "bucket", Step: "bucket",
	Add: func(w *World, g *provision.Graph) {
		provision.Add(g, "bucket", provision.Own, resource.Bucket{
			API: s3Client(w), ID: w.ID, Name: *bucketName(w), Regional: true, Versioning: true, ExpireDays: 30,
		})
	},
	Fields: []Field{
		{"public access", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: name})
			return err
		})},
		{"public access", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
				Bucket: name, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
					BlockPublicAcls: aws.Bool(true), IgnorePublicAcls: aws.Bool(true)}})
			return err
		})},
		{"object ownership", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
				Bucket: name, OwnershipControls: &types.OwnershipControls{
					Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipObjectWriter}}}})
			return err
		})},
		{"encryption", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
				Bucket: name, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
					Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
						SSEAlgorithm: types.ServerSideEncryptionAwsKms}}}}})
			return err
		})},
		{"policy", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: name})
			return err
		})},
		{"policy", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: name, Policy: aws.String(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject",` +
					`"Resource":"arn:aws:s3:::` + *name + `/*"}]}`)})
			return err
		})},
		{"versioning", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
				Bucket: name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
			return err
		})},
		{"lifecycle", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: name})
			return err
		})},
		{"lifecycle", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			_, err := api.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
					ID: aws.String("soon"), Status: types.ExpirationStatusEnabled,
					Filter:     &types.LifecycleRuleFilter{Prefix: aws.String("results/")},
					Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}}}}})
			return err
		})},
		{"tags", onBucket(func(ctx context.Context, api *s3.Client, name *string) error {
			out, err := api.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: name})
			if err != nil {
				return err
			}
			for i, t := range out.TagSet {
				if *t.Key == "team" {
					out.TagSet[i].Value = aws.String("another")
				}
			}
			_, err = api.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
				Bucket: name, Tagging: &types.Tagging{TagSet: out.TagSet}})
			return err
		})},
	},
	Fill: func(ctx context.Context, w *World) error { return fill(ctx, s3Client(w)) },
	Foreign: func(ctx context.Context, w *World, tags resource.Tags) error {
		_, err := s3Client(w).CreateBucket(ctx, &s3.CreateBucketInput{
			Bucket: bucketName(w), BucketNamespace: types.BucketNamespaceAccountRegional,
			CreateBucketConfiguration: &types.CreateBucketConfiguration{Tags: list(tags, s3Tag)}})
		return err
	},
})

// fill puts an object, an old version of it and an unfinished upload into the account's
// only bucket.
func fill(ctx context.Context, api *s3.Client) error {
	out, err := api.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return err
	}
	if n := len(out.Buckets); n != 1 {
		return fmt.Errorf("there are %d buckets, want 1", n)
	}
	name := out.Buckets[0].Name
	for range 2 {
		if _, err := api.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: aws.String("flow.py"), Body: strings.NewReader("x")}); err != nil {
			return err
		}
	}
	_, err = api.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: name, Key: aws.String("big")})
	return err
}

func s3Client(w *World) *s3.Client { return s3.NewFromConfig(w.Config) }

func onBucket(f func(context.Context, *s3.Client, *string) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error { return f(ctx, s3Client(w), bucketName(w)) }
}

func s3Tag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
