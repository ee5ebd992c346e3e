package resource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

func (r Role) tags() Tags {
	if r.Shared {
		return r.ID.SharedTags(r.Name)
	}
	return r.ID.Tags(r.Name)
}

// inline calls Inline, if it is set.
func (r Role) inline() map[string]string {
	if r.Inline == nil {
		return nil
	}
	return r.Inline()
}

// Create implements provision.Resource.
func (r Role) Create(ctx context.Context) (*RoleState, error) {
	if err := r.Names.Register(ctx); err != nil {
		return nil, err
	}
	tags := marked(ctx, r.tags())
	in := &iam.CreateRoleInput{
		RoleName: &r.Name, AssumeRolePolicyDocument: &r.Trust, Description: &r.Description,
		Tags: tagList(tags, iamTag),
	}
	if r.path() != rootPath {
		in.Path = new(r.path())
	}
	if r.Boundary != "" { // in this call, because an account may refuse a role without one
		in.PermissionsBoundary = &r.Boundary
	}
	_, err := r.API.CreateRole(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("create role: %w", err)
	}
	have := r.Predicted()
	have.Trust, have.Tags = r.Trust, tags
	return &have, nil
}

func iamTag(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }

// Changes implements provision.Resource. A role on another path is replaced, and the new one
// gets all the rest. The boundary comes before the policies: whoever runs up may be allowed to
// write those only to a role that has it.
func (r Role) Changes(have RoleState) []provision.Change {
	moved := r.pathChange(have)
	if r.Replaces(have) {
		return moved
	}
	tags := tagChange(have.Tags, r.tags(), r.Shared, tagger{r.setTags, r.dropTags})
	if !r.Shared { // a shared role needs our claim first, so that no policy of ours is without one
		independent(tags)
	}
	before := slices.Concat(tags, moved, r.boundaryChange(have))
	return append(before, independent(r.policyChanges(have))...)
}

func (r Role) policyChanges(have RoleState) (c []provision.Change) {
	c = append(c, diffPolicy("trust policy", have.Trust, r.Trust, r.setTrust)...)
	want := r.inline()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		c = append(c, diffPolicy("policy "+name, have.Inline[name], want[name], r.putPolicy(name, want[name]))...)
	}
	for _, arn := range r.Managed {
		if !slices.Contains(have.Managed, arn) {
			c = append(c, provision.Change{Field: "managed policy", To: provision.Text(arn), Do: r.attach(arn)})
		}
	}
	if r.Shared {
		own := r.ID.Names().SharedPolicy()
		if _, has := have.Inline[own]; has && want[own] == "" { // from when the environment had a secret
			c = append(c, provision.Change{Field: "policy " + own, From: provision.Text("the rights of this environment"), Do: r.deletePolicy(own)})
		}
		return c
	}
	for _, name := range slices.Sorted(maps.Keys(have.Inline)) {
		if _, ok := want[name]; !ok {
			c = append(c, provision.Change{Field: "policy " + name, From: provision.JSON(have.Inline[name]), Do: r.deletePolicy(name)})
		}
	}
	for _, arn := range have.Managed {
		if !slices.Contains(r.Managed, arn) {
			c = append(c, provision.Change{Field: "managed policy", From: provision.Text(arn), Do: r.detach(arn)})
		}
	}
	return c
}

func (r Role) setTags(ctx context.Context, t Tags) error {
	_, err := r.API.TagRole(ctx, &iam.TagRoleInput{RoleName: &r.Name, Tags: tagList(t, iamTag)})
	return r.limited(err)
}

func (r Role) dropTags(ctx context.Context, keys []string) error {
	_, err := r.API.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &r.Name, TagKeys: keys})
	return err
}

func (r Role) setTrust(ctx context.Context) error {
	_, err := r.API.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &r.Name, PolicyDocument: &r.Trust})
	return err
}

func (r Role) putPolicy(name, doc string) doFunc {
	return func(ctx context.Context) error {
		_, err := r.API.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &r.Name, PolicyName: &name, PolicyDocument: &doc})
		return r.limited(err)
	}
}

func (r Role) deletePolicy(name string) doFunc {
	return func(ctx context.Context) error {
		_, err := r.API.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &r.Name, PolicyName: &name})
		return err
	}
}

func (r Role) attach(arn string) doFunc {
	return func(ctx context.Context) error {
		_, err := r.API.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &r.Name, PolicyArn: &arn})
		return err
	}
}

func (r Role) detach(arn string) doFunc {
	return func(ctx context.Context) error {
		_, err := r.API.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &r.Name, PolicyArn: &arn})
		return err
	}
}

// Delete implements provision.Resource.
func (r Role) Delete(ctx context.Context, have RoleState) error {
	if err := r.stripPolicies(ctx, have); err != nil {
		return err
	}
	_, err := r.API.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &r.Name}, r.deleteOnce)
	if _, ok := errors.AsType[*types.DeleteConflictException](err); ok {
		return fmt.Errorf("delete role%s: %w", r.holders(ctx), err)
	}
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete role: %w", err)
	}
	return nil
}

// stripPolicies removes all policies of the role: IAM deletes no role that has one.
func (r Role) stripPolicies(ctx context.Context, have RoleState) error {
	for _, name := range slices.Sorted(maps.Keys(have.Inline)) {
		if err := awserr.Gone(r.deletePolicy(name)(ctx)); err != nil {
			return fmt.Errorf("delete policy %s: %w", name, err)
		}
	}
	for _, arn := range have.Managed {
		if err := awserr.Gone(r.detach(arn)(ctx)); err != nil {
			return fmt.Errorf("detach %s: %w", arn, err)
		}
	}
	return nil
}

// deleteOnce keeps the SDK from repeating the deletion of a shared role: after one that
// worked and whose reply was lost, another environment may have created the role again.
func (r Role) deleteOnce(o *iam.Options) {
	if r.Shared {
		o.Retryer = aws.NopRetryer{}
	}
}

// MarkLeaving implements provision.Sharer.
func (r Role) MarkLeaving(ctx context.Context, _ RoleState, until time.Time) error {
	return r.setTags(ctx, r.ID.leavingTags(until))
}

// Release implements provision.Sharer.
func (r Role) Release(ctx context.Context, have RoleState) error {
	for name := range r.inline() {
		if _, ok := have.Inline[name]; !ok {
			continue
		}
		if err := awserr.Gone(r.deletePolicy(name)(ctx)); err != nil {
			return fmt.Errorf("delete policy %s: %w", name, err)
		}
	}
	_, err := r.API.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &r.Name, TagKeys: []string{r.ID.claim()}})
	return awserr.Gone(err)
}
