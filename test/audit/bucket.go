package audit

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Bucket is a bucket with its settings. A setting that was never made is nil or
// empty.
type Bucket struct {
	Name       string
	Block      s3types.PublicAccessBlockConfiguration
	Policy     Policy
	Ownership  s3types.ObjectOwnership
	Encryption s3types.ServerSideEncryption
	Versioning s3types.BucketVersioningStatus
	Lifecycle  []s3types.LifecycleRule
	Logs       string // the bucket with its access logs
}

func (a *Account) buckets(ctx context.Context, cfg aws.Config) error {
	api := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })
	list, err := api.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return err
	}
	for _, o := range list.Buckets {
		if !strings.Contains(*o.Name, a.Number) && cfg.BaseEndpoint != nil {
			continue // of another account: moto lists the buckets of all accounts
		}
		b := Bucket{Name: *o.Name}
		for _, read := range []func(context.Context, *s3.Client) error{b.readAccess, b.readPolicy, b.readKeeping} {
			if err := read(ctx, api); err != nil {
				return err
			}
		}
		a.Buckets = append(a.Buckets, b)
	}
	return nil
}

func (b *Bucket) readAccess(ctx context.Context, api *s3.Client) error {
	block, err := api.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b.Name})
	if err := unless("NoSuchPublicAccessBlockConfiguration", err); err != nil {
		return err
	}
	if block != nil && block.PublicAccessBlockConfiguration != nil {
		b.Block = *block.PublicAccessBlockConfiguration
	}
	owner, err := api.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &b.Name})
	if err := unless("OwnershipControlsNotFoundError", err); err != nil {
		return err
	}
	if owner != nil && owner.OwnershipControls != nil {
		for _, r := range owner.OwnershipControls.Rules { // one
			b.Ownership = r.ObjectOwnership
		}
	}
	return nil
}

func (b *Bucket) readPolicy(ctx context.Context, api *s3.Client) error {
	policy, err := api.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &b.Name})
	if err := unless("NoSuchBucketPolicy", err); err != nil {
		return err
	}
	if policy != nil && policy.Policy != nil {
		if b.Policy, err = ParsePolicy(*policy.Policy); err != nil {
			return err
		}
	}
	secret, err := api.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &b.Name})
	if err := unless("ServerSideEncryptionConfigurationNotFoundError", err); err != nil {
		return err
	}
	if secret != nil && secret.ServerSideEncryptionConfiguration != nil {
		for _, r := range secret.ServerSideEncryptionConfiguration.Rules { // one
			if d := r.ApplyServerSideEncryptionByDefault; d != nil {
				b.Encryption = d.SSEAlgorithm
			}
		}
	}
	return nil
}

func (b *Bucket) readKeeping(ctx context.Context, api *s3.Client) error {
	version, err := api.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b.Name})
	if err != nil {
		return err
	}
	b.Versioning = version.Status
	life, err := api.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b.Name})
	if err := unless("NoSuchLifecycleConfiguration", err); err != nil {
		return err
	}
	if life != nil {
		b.Lifecycle = life.Rules
	}
	logs, err := api.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: &b.Name})
	if err != nil {
		return err
	}
	if logs.LoggingEnabled != nil {
		b.Logs = aws.ToString(logs.LoggingEnabled.TargetBucket)
	}
	return nil
}
