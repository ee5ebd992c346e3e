package s3_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	sandboxs3 "github.com/flowbed/flowbed/provision/sandbox/s3"
	"github.com/flowbed/flowbed/test/try"
)

func TestBucketNames(t *testing.T) {
	for name, want := range map[string]string{
		"abc": "", strings.Repeat("a", 63): "", "a.b-c.9": "", "my-plan": "",
		"ab": "InvalidBucketName", strings.Repeat("a", 64): "InvalidBucketName", "Abc": "InvalidBucketName",
		"a_b": "InvalidBucketName", "a..b": "InvalidBucketName", "-abc": "InvalidBucketName", "abc-": "InvalidBucketName",
		"192.168.5.4": "InvalidBucketName", "xn--abc": "InvalidBucketName", "sthree-abc": "InvalidBucketName",
		"abc-s3alias": "InvalidBucketName", "abc--ol-s3": "InvalidBucketName", "abc.mrap": "InvalidBucketName",
		"abc--x-s3": "InvalidBucketName", "abc-123456789012-us-east-1-an": "InvalidBucketName",
	} {
		t.Run(name, func(t *testing.T) { try.WantCode(t, newClient("us-east-1").Bucket(name, ""), want) })
	}
}

func TestAccountRegionalNames(t *testing.T) {
	for name, want := range map[string]string{
		"abc-123456789012-eu-north-1-an": "",
		"abc-123456789012-us-east-1-an":  "InvalidNamespaceHeader",
		"abc-210987654321-eu-north-1-an": "InvalidNamespaceHeader",
		"abc":                            "InvalidNamespaceHeader",
	} {
		_, err := newClient("eu-north-1").S3.CreateBucket(t.Context(), &s3.CreateBucketInput{
			Bucket: &name, BucketNamespace: types.BucketNamespaceAccountRegional,
			CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-north-1"},
		})
		t.Run(name, func(t *testing.T) { try.WantCode(t, err, want) })
	}
}

func TestBucketCreation(t *testing.T) {
	for _, c := range []struct{ region, constraint, code, again string }{
		{"us-east-1", "", "", ""},
		{"us-east-1", "us-east-1", "InvalidLocationConstraint", ""},
		{"us-east-1", "eu-north-1", "IllegalLocationConstraintException", ""},
		{"eu-north-1", "eu-north-1", "", "BucketAlreadyOwnedByYou"},
		{"eu-north-1", "", "IllegalLocationConstraintException", ""},
		{"eu-north-1", "eu-west-1", "IllegalLocationConstraintException", ""},
	} {
		t.Run(c.region+" "+c.constraint, func(t *testing.T) {
			h := newClient(c.region)
			try.WantCode(t, h.Bucket("one", c.constraint), c.code)
			if c.code == "" {
				try.WantCode(t, h.Bucket("one", c.constraint), c.again)
			}
			sandboxs3.TakeBucket(h.Account, "taken", "210987654321", c.region)
			if c.code == "" {
				try.WantCode(t, h.Bucket("taken", c.constraint), "BucketAlreadyExists")
			}
		})
	}
}

func TestNewBucketIsPrivate(t *testing.T) {
	h, ctx, name := newClient("us-east-1"), t.Context(), aws.String("one")
	try.Must(h.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name, CreateBucketConfiguration: &types.CreateBucketConfiguration{
		Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}}))
	block := try.Must(h.S3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: name})).PublicAccessBlockConfiguration
	if !*block.BlockPublicAcls || !*block.BlockPublicPolicy || !*block.IgnorePublicAcls || !*block.RestrictPublicBuckets {
		t.Errorf("have %+v, want all public access blocked", block)
	}
	own := try.Must(h.S3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: name})).OwnershipControls
	if own.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("have object ownership %s, want BucketOwnerEnforced", own.Rules[0].ObjectOwnership)
	}
	enc := try.Must(h.S3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: name})).ServerSideEncryptionConfiguration
	if enc.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAes256 {
		t.Error("the bucket is not encrypted with S3's keys")
	}
	if set := try.Must(h.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: name})).TagSet; len(set) != 1 || *set[0].Key != "k" {
		t.Errorf("have tags %v, want those of the create call", set)
	}
}
