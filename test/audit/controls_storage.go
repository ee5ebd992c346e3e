package audit

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

var storageControls = []Control{
	{"S3.8, CIS 2.1.4, CKV2_AWS_6, CKV_AWS_53–56", "all four public access blocks of the bucket are on", "PublicAccessBlock", buckets(func(_ *Account, b Bucket) bool {
		return aws.ToBool(b.Block.BlockPublicAcls) && aws.ToBool(b.Block.BlockPublicPolicy) &&
			aws.ToBool(b.Block.IgnorePublicAcls) && aws.ToBool(b.Block.RestrictPublicBuckets)
	})},
	{"S3.2, S3.3, CKV_AWS_20, CKV_AWS_57", "the bucket policy allows nobody in", "Allow statements of the bucket policy", buckets(func(_ *Account, b Bucket) bool {
		return len(b.Policy.allows()) == 0
	})},
	{"S3.5, CIS 2.1.1", "the bucket accepts only TLS", "a deny of s3:* without aws:SecureTransport, on bucket and objects", buckets(func(_ *Account, b Bucket) bool {
		return slices.ContainsFunc(b.Policy.Statement, func(s Statement) bool {
			return s.Effect == "Deny" && s.Principal == "*" && slices.Contains(s.Action, "s3:*") && len(s.Condition) == 1 &&
				slices.Equal(s.Condition["Bool"]["aws:SecureTransport"], List{"false"}) && len(s.Resource) == 2
		})
	})},
	{"S3.12, CKV2_AWS_65", "the bucket has ACLs disabled", "OwnershipControls", buckets(func(_ *Account, b Bucket) bool {
		return b.Ownership == s3types.ObjectOwnershipBucketOwnerEnforced
	})},
	{"CKV_AWS_19, AWS-0088", "the bucket is encrypted", "default encryption", buckets(func(_ *Account, b Bucket) bool {
		return b.Encryption == s3types.ServerSideEncryptionAes256 || b.Encryption == s3types.ServerSideEncryptionAwsKms
	})},
	{"S3.14, CKV_AWS_21, AWS-0090", "the bucket is versioned", "Versioning", buckets(func(_ *Account, b Bucket) bool {
		return b.Versioning == s3types.BucketVersioningStatusEnabled
	})},
	{"S3.10, S3.13, CKV2_AWS_61", "the bucket has a lifecycle that aborts unfinished uploads", "Lifecycle", buckets(func(_ *Account, b Bucket) bool {
		return slices.ContainsFunc(b.Lifecycle, func(r s3types.LifecycleRule) bool {
			return r.Status == s3types.ExpirationStatusEnabled && r.AbortIncompleteMultipartUpload != nil
		})
	})},
	{"–", "no other account can take the bucket's name after deletion", "the name is in the account-regional namespace", buckets(func(a *Account, b Bucket) bool {
		return strings.HasSuffix(b.Name, "-"+a.Number+"-"+a.Region+"-an")
	})},
	{"–", "logs expire", "retentionInDays", func(a *Account) []string {
		return each(a.LogGroups, "log group", logGroup, func(g logstypes.LogGroup) bool { return aws.ToInt32(g.RetentionInDays) > 0 })
	}},
	{"CKV2_AWS_34", "the Prefect API key is a SecureString", "Type of the parameter", func(a *Account) []string {
		return each(a.keys(), "parameter", parameter, func(p ssmtypes.ParameterMetadata) bool { return p.Type == ssmtypes.ParameterTypeSecureString })
	}},
}

func buckets(passes func(*Account, Bucket) bool) func(*Account) []string {
	return func(a *Account) []string {
		return each(a.Buckets, "bucket", func(b Bucket) string { return b.Name }, func(b Bucket) bool { return passes(a, b) })
	}
}

func logGroup(g logstypes.LogGroup) string { return aws.ToString(g.LogGroupName) }

func parameter(p ssmtypes.ParameterMetadata) string { return aws.ToString(p.Name) }

// keys returns the parameters, except the lease's, which is not secret.
func (a *Account) keys() []ssmtypes.ParameterMetadata {
	return slices.DeleteFunc(slices.Clone(a.Parameters), func(p ssmtypes.ParameterMetadata) bool {
		return !strings.HasSuffix(parameter(p), "/prefect-api-key")
	})
}
