package s3

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

func init() {
	core.Register(service, getPublicAccessBlock, bucketAccess)
	core.Register(service, putPublicAccessBlock, bucketAccess)
	core.Register(service, deletePublicAccessBlock, bucketAccess)
	core.Register(service, getBucketOwnershipControls, bucketAccess)
	core.Register(service, putBucketOwnershipControls, bucketAccess)
	core.Register(service, deleteBucketOwnershipControls, bucketAccess)
	core.Register(service, getBucketEncryption, bucketAccess)
	core.Register(service, putBucketEncryption, bucketAccess)
	core.Register(service, deleteBucketEncryption, bucketAccess)
	core.Register(service, getBucketVersioning, bucketAccess)
	core.Register(service, putBucketVersioning, bucketAccess)
	core.Register(service, getBucketPolicy, bucketAccess)
	core.Register(service, putBucketPolicy, bucketAccess)
	core.Register(service, deleteBucketPolicy, bucketAccess)
}

func getPublicAccessBlock(r *request, in *s3.GetPublicAccessBlockInput) (*s3.GetPublicAccessBlockOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Block == nil {
		return nil, core.Fail("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	}
	return &s3.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
		BlockPublicAcls: aws.Bool(b.Block.ACLs), IgnorePublicAcls: aws.Bool(b.Block.IgnoreACLs),
		BlockPublicPolicy: aws.Bool(b.Block.Policy), RestrictPublicBuckets: aws.Bool(b.Block.Restrict),
	}}, nil
}

func putPublicAccessBlock(r *request, in *s3.PutPublicAccessBlockInput) (*s3.PutPublicAccessBlockOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	c := in.PublicAccessBlockConfiguration
	b.Block = &publicBlock{
		aws.ToBool(c.BlockPublicAcls), aws.ToBool(c.IgnorePublicAcls),
		aws.ToBool(c.BlockPublicPolicy), aws.ToBool(c.RestrictPublicBuckets),
	}
	return &s3.PutPublicAccessBlockOutput{}, nil
}

func deletePublicAccessBlock(r *request, in *s3.DeletePublicAccessBlockInput) (*s3.DeletePublicAccessBlockOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	b.Block = nil
	return &s3.DeletePublicAccessBlockOutput{}, nil
}

func getBucketOwnershipControls(r *request, in *s3.GetBucketOwnershipControlsInput) (*s3.GetBucketOwnershipControlsOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Ownership == "" {
		return nil, core.Fail("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
	}
	return &s3.GetBucketOwnershipControlsOutput{OwnershipControls: &types.OwnershipControls{
		Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnership(b.Ownership)}},
	}}, nil
}

func putBucketOwnershipControls(r *request, in *s3.PutBucketOwnershipControlsInput) (*s3.PutBucketOwnershipControlsOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	rules := in.OwnershipControls.Rules
	if len(rules) != 1 || !slices.Contains(rules[0].ObjectOwnership.Values(), rules[0].ObjectOwnership) {
		return nil, malformedXML()
	}
	b.Ownership = string(rules[0].ObjectOwnership)
	return &s3.PutBucketOwnershipControlsOutput{}, nil
}

func deleteBucketOwnershipControls(r *request, in *s3.DeleteBucketOwnershipControlsInput) (*s3.DeleteBucketOwnershipControlsOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	b.Ownership = ""
	return &s3.DeleteBucketOwnershipControlsOutput{}, nil
}

func malformedXML() error {
	return core.Fail("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func getBucketEncryption(r *request, in *s3.GetBucketEncryptionInput) (*s3.GetBucketEncryptionOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	d := &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryption(b.Encryption.Algorithm)}
	if b.Encryption.Key != "" {
		d.KMSMasterKeyID = aws.String(b.Encryption.Key)
	}
	rule := types.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: d, BucketKeyEnabled: aws.Bool(b.Encryption.BucketKey)}
	if len(b.Encryption.Blocked) > 0 {
		rule.BlockedEncryptionTypes = &types.BlockedEncryptionTypes{EncryptionType: b.Encryption.Blocked}
	}
	return &s3.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{rule},
	}}, nil
}

// putBucketEncryption does not look at the key: a wrong one lets each upload fail.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html
func putBucketEncryption(r *request, in *s3.PutBucketEncryptionInput) (*s3.PutBucketEncryptionOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	rules := in.ServerSideEncryptionConfiguration.Rules
	if len(rules) != 1 || rules[0].ApplyServerSideEncryptionByDefault == nil {
		return nil, malformedXML()
	}
	d := rules[0].ApplyServerSideEncryptionByDefault
	if !slices.Contains(d.SSEAlgorithm.Values(), d.SSEAlgorithm) {
		return nil, malformedXML()
	}
	if d.SSEAlgorithm == types.ServerSideEncryptionAes256 && d.KMSMasterKeyID != nil {
		return nil, core.Fail("InvalidArgument", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
	}
	b.Encryption = encryption{Algorithm: string(d.SSEAlgorithm), Key: aws.ToString(d.KMSMasterKeyID), BucketKey: aws.ToBool(rules[0].BucketKeyEnabled)}
	if blocked := rules[0].BlockedEncryptionTypes; blocked != nil { // AWS does not say what happens without it
		b.Encryption.Blocked = blocked.EncryptionType
	}
	return &s3.PutBucketEncryptionOutput{}, nil
}

// deleteBucketEncryption resets a bucket to encryption with S3's keys, the default.
func deleteBucketEncryption(r *request, in *s3.DeleteBucketEncryptionInput) (*s3.DeleteBucketEncryptionOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	b.Encryption = encryption{Algorithm: string(types.ServerSideEncryptionAes256), Blocked: b.Encryption.Blocked}
	return &s3.DeleteBucketEncryptionOutput{}, nil
}

func getBucketVersioning(r *request, in *s3.GetBucketVersioningInput) (*s3.GetBucketVersioningOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3.GetBucketVersioningOutput{Status: types.BucketVersioningStatus(b.Versioning)}, nil
}

func putBucketVersioning(r *request, in *s3.PutBucketVersioningInput) (*s3.PutBucketVersioningOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	status := in.VersioningConfiguration.Status
	if !slices.Contains(status.Values(), status) {
		return nil, core.Fail("IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	if b.Lockable && status == types.BucketVersioningStatusSuspended {
		return nil, core.Fail("InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
	}
	b.Versioning = string(status)
	return &s3.PutBucketVersioningOutput{}, nil
}

func getBucketPolicy(r *request, in *s3.GetBucketPolicyInput) (*s3.GetBucketPolicyOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Policy == "" {
		return nil, core.Fail("NoSuchBucketPolicy", "The bucket policy does not exist")
	}
	return &s3.GetBucketPolicyOutput{Policy: aws.String(b.Policy)}, nil
}

func putBucketPolicy(r *request, in *s3.PutBucketPolicyInput) (*s3.PutBucketPolicyOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	text := aws.ToString(in.Policy)
	p, wrong := core.ParsePolicy(text, core.ResourcePolicy, func(name string) bool { return iam.Principal(r.Request, name) })
	if wrong == "" && len(text) > 20<<10 {
		wrong = "Normalized policy document exceeds the maximum allowed size of 20480 bytes"
	}
	arn := r.bucketARN(b.Name)
	for _, s := range p.Statement {
		for _, name := range append(slices.Clone(s.Resource), s.NotResource...) {
			if name != arn && !strings.HasPrefix(name, arn+"/") {
				wrong = "Policy has invalid resource"
			}
		}
	}
	if wrong != "" {
		return nil, core.Fail("MalformedPolicy", "%s", wrong)
	}
	if b.Block != nil && b.Block.Policy && public(p) {
		return nil, core.Fail("AccessDenied", "User: %s is not authorized to perform: s3:PutBucketPolicy on resource: %q because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.", r.ARN("iam", "", "user/sandbox"), arn)
	}
	b.Policy = text
	return &s3.PutBucketPolicyOutput{}, nil
}

func deleteBucketPolicy(r *request, in *s3.DeleteBucketPolicyInput) (*s3.DeleteBucketPolicyOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	b.Policy = ""
	return &s3.DeleteBucketPolicyOutput{}, nil
}
