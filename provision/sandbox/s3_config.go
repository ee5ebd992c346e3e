package sandbox

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func init() {
	on(getPublicAccessBlock)
	on(putPublicAccessBlock)
	on(deletePublicAccessBlock)
	on(getBucketOwnershipControls)
	on(putBucketOwnershipControls)
	on(deleteBucketOwnershipControls)
	on(getBucketEncryption)
	on(putBucketEncryption)
	on(deleteBucketEncryption)
	on(getBucketVersioning)
	on(putBucketVersioning)
	on(getBucketPolicy)
	on(putBucketPolicy)
	on(deleteBucketPolicy)
	on(getBucketLifecycle)
	on(putBucketLifecycle)
	on(deleteBucketLifecycle)
}

func getPublicAccessBlock(r *request, in *s3.GetPublicAccessBlockInput) (*s3.GetPublicAccessBlockOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if b.Block == nil {
		return nil, fail("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
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
		return nil, fail("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
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
	return fail("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
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
	return &s3.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: d, BucketKeyEnabled: aws.Bool(b.Encryption.BucketKey)}},
	}}, nil
}

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
		return nil, fail("InvalidArgument", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
	}
	b.Encryption = encryption{string(d.SSEAlgorithm), aws.ToString(d.KMSMasterKeyID), aws.ToBool(rules[0].BucketKeyEnabled)}
	return &s3.PutBucketEncryptionOutput{}, nil
}

// Without a configuration of its own, a bucket is encrypted with S3's keys.
func deleteBucketEncryption(r *request, in *s3.DeleteBucketEncryptionInput) (*s3.DeleteBucketEncryptionOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	b.Encryption = encryption{Algorithm: string(types.ServerSideEncryptionAes256)}
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
		return nil, fail("IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	if b.Lockable && status == types.BucketVersioningStatusSuspended {
		return nil, fail("InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
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
		return nil, fail("NoSuchBucketPolicy", "The bucket policy does not exist")
	}
	return &s3.GetBucketPolicyOutput{Policy: aws.String(b.Policy)}, nil
}

func putBucketPolicy(r *request, in *s3.PutBucketPolicyInput) (*s3.PutBucketPolicyOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	text := aws.ToString(in.Policy)
	p, wrong := r.parsePolicy(text, bucketPolicy)
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
		return nil, fail("MalformedPolicy", "%s", wrong)
	}
	if b.Block != nil && b.Block.Policy && p.public() {
		return nil, fail("AccessDenied", "User: %s is not authorized to perform: s3:PutBucketPolicy on resource: %q because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.", r.arn("iam", "", "user/sandbox"), arn)
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

// copyRules copies rules, so that the caller's and the account's share nothing.
func copyRules(rules []types.LifecycleRule) (list []types.LifecycleRule) {
	b, err := json.Marshal(rules)
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		panic(err) // rules are plain data
	}
	return list
}

func getBucketLifecycle(r *request, in *s3.GetBucketLifecycleConfigurationInput) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if len(b.Lifecycle) == 0 {
		return nil, fail("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	}
	return &s3.GetBucketLifecycleConfigurationOutput{Rules: copyRules(b.Lifecycle)}, nil
}

func putBucketLifecycle(r *request, in *s3.PutBucketLifecycleConfigurationInput) (*s3.PutBucketLifecycleConfigurationOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if in.LifecycleConfiguration == nil || len(in.LifecycleConfiguration.Rules) == 0 || len(in.LifecycleConfiguration.Rules) > 1000 {
		return nil, malformedXML()
	}
	rules := copyRules(in.LifecycleConfiguration.Rules)
	ids := map[string]bool{}
	for i := range rules {
		if rules[i].ID == nil {
			rules[i].ID = aws.String(r.uniqueID("rule"))
		}
		if ids[*rules[i].ID] {
			return nil, fail("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
		}
		ids[*rules[i].ID] = true
		if err := checkRule(rules[i]); err != nil {
			return nil, err
		}
	}
	b.Lifecycle = rules
	return &s3.PutBucketLifecycleConfigurationOutput{}, nil
}

func checkRule(rule types.LifecycleRule) error {
	positive := func(n *int32) bool { return n == nil || *n > 0 }
	switch {
	case len(*rule.ID) > 255:
		return fail("InvalidArgument", "ID length should not exceed allowed limit of 255")
	case !slices.Contains(rule.Status.Values(), rule.Status), (rule.Filter == nil) == (rule.Prefix == nil): //nolint:staticcheck // Prefix is what old clients send
		return malformedXML()
	case rule.Expiration == nil && rule.NoncurrentVersionExpiration == nil && rule.AbortIncompleteMultipartUpload == nil &&
		len(rule.Transitions) == 0 && len(rule.NoncurrentVersionTransitions) == 0:
		return fail("InvalidRequest", "At least one action needs to be specified in a rule.")
	}
	if e := rule.Expiration; e != nil {
		set := 0
		for _, given := range []bool{e.Days != nil, e.Date != nil, e.ExpiredObjectDeleteMarker != nil} {
			if given {
				set++
			}
		}
		if set != 1 {
			return malformedXML()
		}
		if !positive(e.Days) {
			return fail("InvalidArgument", "'Days' for Expiration action must be a positive integer")
		}
	}
	if n := rule.NoncurrentVersionExpiration; n != nil && (n.NoncurrentDays == nil || !positive(n.NoncurrentDays)) {
		return fail("InvalidArgument", "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
	}
	if a := rule.AbortIncompleteMultipartUpload; a != nil {
		if a.DaysAfterInitiation == nil || !positive(a.DaysAfterInitiation) {
			return fail("InvalidArgument", "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
		}
		if f := rule.Filter; f != nil && (f.Tag != nil || f.And != nil && len(f.And.Tags) > 0) {
			return fail("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags.")
		}
	}
	return nil
}

func deleteBucketLifecycle(r *request, in *s3.DeleteBucketLifecycleInput) (*s3.DeleteBucketLifecycleOutput, error) {
	b, err := r.bucket(in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	b.Lifecycle = nil
	return &s3.DeleteBucketLifecycleOutput{}, nil
}
