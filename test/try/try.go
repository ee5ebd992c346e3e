// Package try helps test the sandbox's services, with short calls and checks of
// error codes.
//
// It makes calls to other services in few words, and panics if a test's setup fails.
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

// OK panics on an error. It is for calls that set up a test.
func OK(err error) {
	if err != nil {
		panic(err)
	}
}

// Must is like OK, for calls that return a result.
func Must[T any](v T, err error) T {
	OK(err)
	return v
}

// WantCode checks the AWS code of an error. An empty code means no error.
func WantCode(t *testing.T, err error, want string) {
	t.Helper()
	if have := core.CodeOf(err); have != want || want == "" && err != nil {
		t.Errorf("have error %v, want code %q", err, want)
	}
}

// User makes calls to an account in one region.
type User struct {
	*sandbox.Account
	IAM *iam.Client
	S3  *s3.Client
}

// New returns a user of a new account.
func New(region string) User { return Of(sandbox.New(), region) }

// Of returns a user of an existing account.
func Of(a *sandbox.Account, region string) User {
	c := a.Config(region)
	return User{a, iam.NewFromConfig(c), s3.NewFromConfig(c)}
}

// Trust is a trust policy.
const Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// Policy returns a policy with one statement.
func Policy(statement string) string {
	return `{"Version":"2012-10-17","Statement":[{` + statement + `}]}`
}

// Role creates a role.
func (h User) Role(name string) error {
	_, err := h.IAM.CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(Trust)})
	return err
}

// HasRole reports whether a role is visible.
func (h User) HasRole(name string) bool {
	_, err := h.IAM.GetRole(context.Background(), &iam.GetRoleInput{RoleName: &name})
	return err == nil
}

// Link creates the service-linked role of a service.
func (h User) Link(service string) error {
	_, err := h.IAM.CreateServiceLinkedRole(context.Background(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service})
	return err
}

// Profile creates an instance profile.
func (h User) Profile(name string) error {
	_, err := h.IAM.CreateInstanceProfile(context.Background(), &iam.CreateInstanceProfileInput{InstanceProfileName: &name})
	return err
}

// AddRole adds a role to an instance profile.
func (h User) AddRole(profile, role string) error {
	_, err := h.IAM.AddRoleToInstanceProfile(context.Background(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role})
	return err
}

// Bucket creates a bucket. An empty constraint means no location constraint.
func (h User) Bucket(name, constraint string) error {
	in := &s3.CreateBucketInput{Bucket: &name}
	if constraint != "" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(constraint)}
	}
	_, err := h.S3.CreateBucket(context.Background(), in)
	return err
}

// DropBucket deletes a bucket.
func (h User) DropBucket(name string) error {
	_, err := h.S3.DeleteBucket(context.Background(), &s3.DeleteBucketInput{Bucket: &name})
	return err
}

// Put writes an object to the bucket "one".
func (h User) Put(key string) error {
	_, err := h.S3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String("one"), Key: &key, Body: strings.NewReader(key)})
	return err
}
