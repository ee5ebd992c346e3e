package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// companyQuestions are about what environments in a company's account rely on.
func companyQuestions() []question {
	return []question{
		{
			Name: "bucket-blocked", Lane: laneNames, Ask: askBlocked,
			Asks:    "Does S3 tell which kinds of encryption a bucket blocks, and keep them if a request names them?",
			Assumed: "yes, and a new bucket blocks SSE-C; what becomes of them if a request names none is not known",
			Relies:  "Create and encrypt in provision/resource/bucket.go; putBucketEncryption in provision/sandbox/s3/config.go",
			Change:  "BlockedEncryptionTypes in provision/resource/bucket.go; \"What others change\" in docs/company.md",
		},
		{
			Name: "volume-key", Lane: laneNames, Ask: askVolumeKey,
			Asks:    "What does GetEbsDefaultKmsKeyId return where nobody has set a key for EBS volumes?",
			Assumed: "alias/aws/ebs; of any other key, flowbed asks KMS whether AWS manages it, which the policy for up does not allow",
			Relies:  "Look in provision/resource/instance_volumekey.go; getEbsDefaultKmsKeyID in provision/sandbox/ec2/volumekey.go",
			Change:  "Look in provision/resource/instance_volumekey.go, which warns of a key that may be AWS's own",
		},
		{
			Name: "endpoint-token", Lane: laneNames, Ask: askEndpointToken,
			Asks:    "What does CreateVpcEndpoint say to a client token that was used before?",
			Assumed: "the same request returns the same endpoint, and another one is refused with IdempotentParameterMismatch; after the deletion, it is not known",
			Relies:  "create in provision/resource/endpoints.go: each call has a token of its own; createVpcEndpoint in provision/sandbox/ec2/endpoint.go",
			Change:  "create in provision/resource/endpoints.go; if the token of a deleted endpoint is free again, it may be derived, as in docs/decisions/0005-client-tokens.md",
		},
	}
}

// createBucket creates the bucket of the questions.
func (r *run) createBucket(ctx context.Context) error {
	in := &s3.CreateBucketInput{Bucket: aws.String(r.bucket()), BucketNamespace: s3types.BucketNamespaceAccountRegional,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{Tags: []s3types.Tag{{Key: aws.String(tag), Value: &r.Name}}}}
	if r.Region != "us-east-1" {
		in.CreateBucketConfiguration.LocationConstraint = s3types.BucketLocationConstraint(r.Region)
	}
	_, err := r.s3.CreateBucket(ctx, in)
	return err
}

// blocked reads the kinds of encryption that the bucket blocks.
func (r *run) blocked(ctx context.Context) (list []s3types.EncryptionType, err error) {
	out, err := r.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: aws.String(r.bucket())})
	if err != nil || out.ServerSideEncryptionConfiguration == nil {
		return nil, err
	}
	for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
		if rule.BlockedEncryptionTypes != nil {
			list = append(list, rule.BlockedEncryptionTypes.EncryptionType...)
		}
	}
	return list, nil
}

// encrypt sets the bucket's encryption, and returns what it blocks as soon as that is another list
// than before, or else after a while.
func (r *run) encrypt(ctx context.Context, before []s3types.EncryptionType, name *s3types.BlockedEncryptionTypes) (list []s3types.EncryptionType, err error) {
	_, err = r.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: aws.String(r.bucket()),
		ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{Rules: []s3types.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAes256},
			BlockedEncryptionTypes:             name}}}})
	if err != nil {
		return nil, fmt.Errorf("set the bucket's encryption: %w", err)
	}
	_, err = until(ctx, 20*time.Second, 4*time.Second, func() (bool, error) {
		list, err = r.blocked(ctx)
		return !slices.Equal(before, list), err
	})
	if tooLong(err) {
		err = nil
	}
	return list, err
}

func askBlocked(ctx context.Context, r *run) (answer, error) {
	if err := r.createBucket(ctx); err != nil && awserr.Classify(err) != awserr.Conflict {
		return answer{}, fmt.Errorf("create bucket: %w", err)
	}
	first, err := r.blocked(ctx)
	if err != nil {
		return answer{}, fmt.Errorf("read the bucket's encryption: %w", err)
	}
	named := []s3types.EncryptionType{s3types.EncryptionTypeSseC}
	kept, err := r.encrypt(ctx, named, &s3types.BlockedEncryptionTypes{EncryptionType: named})
	if err != nil {
		return answer{}, err
	}
	unnamed, err := r.encrypt(ctx, kept, nil)
	if err != nil {
		return answer{}, err
	}
	return judged(slices.Equal(first, named) && slices.Equal(kept, named),
		"a new bucket blocks %v; after a request that names %v it blocks %v, and after one that names none %v", first, named, kept, unnamed)
}

func askVolumeKey(ctx context.Context, r *run) (answer, error) {
	out, err := r.ec2.GetEbsDefaultKmsKeyId(ctx, &ec2.GetEbsDefaultKmsKeyIdInput{})
	if err != nil {
		return answer{}, fmt.Errorf("read the key for EBS volumes: %w", err)
	}
	alias := strings.HasSuffix(aws.ToString(out.KmsKeyId), "alias/aws/ebs")
	return judged(alias, "it returns %s", map[bool]string{true: "the alias of AWS's own key", false: "something else than the alias of AWS's own key"}[alias])
}

// askEndpointToken makes endpoints for S3 in the default VPC that are in no route table, so that
// nothing uses them. They cost nothing.
func askEndpointToken(ctx context.Context, r *run) (answer, error) {
	vpcs, err := r.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: []ec2types.Filter{{Name: aws.String("is-default"), Values: []string{"true"}}}})
	if err != nil {
		return answer{}, fmt.Errorf("find the default VPC: %w", err)
	}
	if len(vpcs.Vpcs) == 0 {
		return couldNot("the region has no default VPC")
	}
	create := func(service string) (string, error) {
		out, err := r.ec2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
			VpcId: vpcs.Vpcs[0].VpcId, ServiceName: aws.String("com.amazonaws." + r.Region + "." + service), VpcEndpointType: ec2types.VpcEndpointTypeGateway,
			ClientToken: aws.String(r.object("endpoint")), TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeVpcEndpoint,
				Tags: []ec2types.Tag{{Key: aws.String(tag), Value: &r.Name}}}}})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.VpcEndpoint.VpcEndpointId), nil
	}
	first, err := create("s3")
	if err != nil {
		return answer{}, fmt.Errorf("create VPC endpoint: %w", err)
	}
	same, err := create("s3")
	again := compare(first, same, err)
	other, err := create("dynamodb")
	mismatch := awserr.Code(err) == "IdempotentParameterMismatch"
	another := compare(first, other, err)
	if err := r.deleteEndpoint(ctx, first); err != nil {
		return answer{}, fmt.Errorf("delete VPC endpoint: %w", err)
	}
	late, err := create("s3")
	return judged(again == sameEndpoint && mismatch, "the same request: %s; another request: %s; after the deletion: %s",
		again, another, compare(first, late, err))
}

const sameEndpoint = "the same endpoint"

func compare(first, id string, err error) string {
	switch {
	case err != nil:
		return codeOf(err)
	case id == first:
		return sameEndpoint
	}
	return "another endpoint"
}

func (r *run) deleteEndpoint(ctx context.Context, id string) error {
	out, err := r.ec2.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id}})
	if err != nil {
		return err
	}
	for _, u := range out.Unsuccessful {
		if u.Error != nil {
			return fmt.Errorf("%s: %s", aws.ToString(u.Error.Code), aws.ToString(u.Error.Message))
		}
	}
	return nil
}

func (r *run) findEndpoints(ctx context.Context) (ids []string, err error) {
	out, err := r.ec2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{Filters: []ec2types.Filter{r.ours()}})
	if err != nil {
		return nil, err
	}
	for _, e := range out.VpcEndpoints {
		if state := ec2types.State(e.State); state != "deleted" && state != "deleting" && state != ec2types.StateDeleted && state != ec2types.StateDeleting {
			ids = append(ids, aws.ToString(e.VpcEndpointId))
		}
	}
	return ids, nil
}
