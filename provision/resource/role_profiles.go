package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// profiles returns the names of the instance profiles that contain the role, sorted: the
// environment's own, and those of others.
func (r Role) profiles(ctx context.Context) (own, others []string, err error) {
	pages := iam.NewListInstanceProfilesForRolePaginator(r.API, &iam.ListInstanceProfilesForRoleInput{RoleName: &r.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("list the instance profiles of %s: %w", r.Name, err)
		}
		for _, p := range page.InstanceProfiles {
			name := deref(p.InstanceProfileName)
			if strings.EqualFold(name, r.ID.Names().Agent()) {
				own = append(own, name)
			} else {
				others = append(others, name)
			}
		}
	}
	slices.Sort(others)
	return own, others, nil
}

// foreignProfiles names the instance profiles of others that contain the role. The
// environment's own has a step of its own, which deletes it first.
func (r Role) foreignProfiles(ctx context.Context) (notes []provision.Note, err error) {
	_, others, err := r.profiles(ctx)
	if err != nil {
		return nil, awserr.Gone(err)
	}
	for _, name := range others {
		notes = append(notes, provision.Note{Severity: provision.Error, Text: r.heldBy(name)})
	}
	return notes, nil
}

// heldBy says that an instance profile of others keeps the role from being deleted.
func (r Role) heldBy(profile string) string {
	return fmt.Sprintf(
		"%[1]s cannot be deleted while it is in the instance profile %[2]s → remove it from there (aws iam remove-role-from-instance-profile --instance-profile-name %[2]s --role-name %[1]s)",
		r.Name, profile)
}

// holders names the instance profiles that contain the role, for the error of IAM, which
// does not.
func (r Role) holders(ctx context.Context) string {
	own, others, err := r.profiles(ctx)
	if err != nil || len(own)+len(others) == 0 {
		return ""
	}
	return ", which is in the instance profile " + setText(append(own, others...))
}
