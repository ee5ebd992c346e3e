// Package try helps the tests of the sandbox's services: it makes calls to other
// services in few words, panics where what a test builds on does not work, and
// compares AWS's codes of errors.
package try

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// OK is for what a test builds on.
func OK(err error) {
	if err != nil {
		panic(err)
	}
}

// Must is OK for calls with a result.
func Must[T any](v T, err error) T {
	OK(err)
	return v
}

// WantCode compares AWS's code of an error; empty is none.
func WantCode(t *testing.T, err error, want string) {
	t.Helper()
	if have := core.CodeOf(err); have != want || want == "" && err != nil {
		t.Errorf("error: have %v, want code %q", err, want)
	}
}

// Hand makes calls to an account in one region.
type Hand struct {
	*sandbox.Account
	IAM *iam.Client
	S3  *s3.Client
}

// New is a hand in a new account.
func New(region string) Hand { return Of(sandbox.New(), region) }

// Of is another hand in an account.
func Of(a *sandbox.Account, region string) Hand {
	c := a.Config(region)
	return Hand{a, iam.NewFromConfig(c), s3.NewFromConfig(c)}
}

// Trust is a trust policy.
const Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// Policy is a policy with one statement.
func Policy(statement string) string {
	return `{"Version":"2012-10-17","Statement":[{` + statement + `}]}`
}

// Role makes a role.
func (h Hand) Role(name string) error {
	_, err := h.IAM.CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(Trust)})
	return err
}

// HasRole reports whether a role is visible.
func (h Hand) HasRole(name string) bool {
	_, err := h.IAM.GetRole(context.Background(), &iam.GetRoleInput{RoleName: &name})
	return err == nil
}

// Link makes the service-linked role of a service.
func (h Hand) Link(service string) error {
	_, err := h.IAM.CreateServiceLinkedRole(context.Background(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service})
	return err
}

// Profile makes an instance profile.
func (h Hand) Profile(name string) error {
	_, err := h.IAM.CreateInstanceProfile(context.Background(), &iam.CreateInstanceProfileInput{InstanceProfileName: &name})
	return err
}

// AddRole puts a role into an instance profile.
func (h Hand) AddRole(profile, role string) error {
	_, err := h.IAM.AddRoleToInstanceProfile(context.Background(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role})
	return err
}

// Bucket makes a bucket, with a location constraint unless that is empty.
func (h Hand) Bucket(name, constraint string) error {
	in := &s3.CreateBucketInput{Bucket: &name}
	if constraint != "" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(constraint)}
	}
	_, err := h.S3.CreateBucket(context.Background(), in)
	return err
}

// DropBucket deletes a bucket.
func (h Hand) DropBucket(name string) error {
	_, err := h.S3.DeleteBucket(context.Background(), &s3.DeleteBucketInput{Bucket: &name})
	return err
}

// Put writes an object into the bucket one.
func (h Hand) Put(key string) error {
	_, err := h.S3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String("one"), Key: &key, Body: strings.NewReader(key)})
	return err
}
