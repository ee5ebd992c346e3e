package s3

import (
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, getBucketLifecycle, bucketAccess)
	core.Register(service, putBucketLifecycle, bucketAccess)
	core.Register(service, deleteBucketLifecycle, bucketAccess)
}

// copyRules copies rules, so that the caller and the account share no memory.
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
		return nil, core.Fail("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
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
			rules[i].ID = aws.String(r.UniqueID("rule"))
		}
		if ids[*rules[i].ID] {
			return nil, core.Fail("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
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
	switch {
	case len(*rule.ID) > 255:
		return core.Fail("InvalidArgument", "ID length should not exceed allowed limit of 255")
	case !slices.Contains(rule.Status.Values(), rule.Status), (rule.Filter == nil) == (rule.Prefix == nil): //nolint:staticcheck // old clients send Prefix
		return malformedXML()
	case !acts(rule):
		return core.Fail("InvalidRequest", "At least one action needs to be specified in a rule.")
	}
	if err := checkExpiration(rule.Expiration); err != nil {
		return err
	}
	if n := rule.NoncurrentVersionExpiration; n != nil && !positive(n.NoncurrentDays) {
		return core.Fail("InvalidArgument", "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
	}
	return checkAbort(rule.AbortIncompleteMultipartUpload, rule.Filter)
}

// acts reports whether a rule has an action.
func acts(r types.LifecycleRule) bool {
	return r.Expiration != nil || r.NoncurrentVersionExpiration != nil || r.AbortIncompleteMultipartUpload != nil ||
		len(r.Transitions) > 0 || len(r.NoncurrentVersionTransitions) > 0
}

func positive(n *int32) bool { return aws.ToInt32(n) > 0 }

// checkExpiration requires that an expiration sets exactly one field.
func checkExpiration(e *types.LifecycleExpiration) error {
	if e == nil {
		return nil
	}
	set := 0
	for _, given := range []bool{e.Days != nil, e.Date != nil, e.ExpiredObjectDeleteMarker != nil} {
		if given {
			set++
		}
	}
	if set != 1 {
		return malformedXML()
	}
	if e.Days != nil && !positive(e.Days) {
		return core.Fail("InvalidArgument", "'Days' for Expiration action must be a positive integer")
	}
	return nil
}

func checkAbort(a *types.AbortIncompleteMultipartUpload, f *types.LifecycleRuleFilter) error {
	if a == nil {
		return nil
	}
	if !positive(a.DaysAfterInitiation) {
		return core.Fail("InvalidArgument", "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
	}
	if f != nil && (f.Tag != nil || f.And != nil && len(f.And.Tags) > 0) {
		return core.Fail("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags.")
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
