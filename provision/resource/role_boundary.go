package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// rootPath is the path of roles and instance profiles that name none.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-friendly-names
const rootPath = "/"

// roleARN is the ARN of a role. Its path is part of it.
func (i Identity) roleARN(path, name string) string { return i.ARN("iam", "", "role"+path+name) }

// path is the path that the role should have. flowbed does not create an external role, and
// does not decide on the path of a shared one.
func (r Role) path() string {
	if r.External || r.Shared {
		return rootPath
	}
	return cmp.Or(r.Path, rootPath)
}

// withoutPath is the ARN of a role or an instance profile as if it were on no path. Names are
// unique in the account on whatever path the objects are, so two ARNs that differ by the path
// alone are for one object, or for one after the other.
func withoutPath(arn string) string {
	if i := strings.Index(arn, "/"); i >= 0 {
		return arn[:i+1] + lastPart(arn)
	}
	return arn
}

// Replaces implements provision.Replacer: a role on another path is replaced.
func (r Role) Replaces(have RoleState) bool {
	return have.Name != "" && !r.External && !r.Shared && cmp.Or(have.Path, rootPath) != r.path()
}

// pathChange is the difference of the path. IAM cannot change it, so the role is deleted, and
// created again.
func (r Role) pathChange(have RoleState) []provision.Change {
	if r.External || r.Shared || cmp.Or(have.Path, rootPath) == r.path() {
		return nil
	}
	c := provision.Change{Field: "path", From: provision.Text(have.Path), To: provision.Text(r.path()), Required: true, Do: r.remove(have)}
	if r.Replaces(have) {
		c.Replace, c.Why = true, "IAM cannot change the path of a role: it is deleted and created again, and flows that run meanwhile lose its permissions"
	}
	return []provision.Change{c}
}

// remove deletes the role for one on another path. IAM deletes no role in an instance profile, so
// the role keeps its policies if it is in one of others. The environment's own profile gets the new
// role afterwards, in its own step.
func (r Role) remove(have RoleState) doFunc {
	return func(ctx context.Context) error {
		own, others, err := r.profiles(ctx)
		if err != nil {
			return awserr.Gone(err)
		}
		if len(others) > 0 {
			return errors.New(r.heldBy(others[0]))
		}
		for _, name := range own {
			if err := (Profile{API: r.API, ID: r.ID, Name: name}).removeRole(ctx, r.Name); err != nil {
				return err
			}
		}
		return r.Delete(ctx, have)
	}
}

// boundaryChange is the difference of the permissions boundary. Without one in the file, the
// boundary of the role stays: who removes it gives the role more than its owner may want.
func (r Role) boundaryChange(have RoleState) []provision.Change {
	if r.Boundary == "" {
		return nil
	}
	return diffText("permissions boundary", have.Boundary, r.Boundary, r.putBoundary)
}

func (r Role) putBoundary(ctx context.Context) error {
	_, err := r.API.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
		RoleName: &r.Name, PermissionsBoundary: &r.Boundary,
	})
	return err
}

// foreignBoundary tells of a boundary that the file does not name.
func (r Role) foreignBoundary(have RoleState) []provision.Note {
	if r.Boundary != "" || have.Boundary == "" || r.Shared {
		return nil
	}
	return []provision.Note{{Severity: provision.Info, Text: fmt.Sprintf(
		"%[1]s has the permissions boundary %[2]s, which the config file does not name and up leaves alone → to keep it with the role, set iam { permissions_boundary = %[2]q }",
		r.Name, have.Boundary)}}
}
