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

// profiles returns the names of the instance profiles that contain the role, sorted.
func (r Role) profiles(ctx context.Context) (names []string, err error) {
	pages := iam.NewListInstanceProfilesForRolePaginator(r.API, &iam.ListInstanceProfilesForRoleInput{RoleName: &r.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the instance profiles of %s: %w", r.Name, err)
		}
		for _, p := range page.InstanceProfiles {
			names = append(names, deref(p.InstanceProfileName))
		}
	}
	slices.Sort(names)
	return names, nil
}

// foreignProfiles names the instance profiles of others that contain the role. The
// environment's own has a step of its own, which deletes it first.
func (r Role) foreignProfiles(ctx context.Context) (notes []provision.Note, err error) {
	names, err := r.profiles(ctx)
	if err != nil {
		return nil, awserr.Gone(err)
	}
	for _, name := range names {
		if strings.EqualFold(name, r.ID.Names().Agent()) {
			continue
		}
		notes = append(notes, provision.Note{Severity: provision.Error, Text: fmt.Sprintf(
			"%[1]s cannot be deleted while it is in the instance profile %[2]s → remove it from there (aws iam remove-role-from-instance-profile --instance-profile-name %[2]s --role-name %[1]s)",
			r.Name, name)})
	}
	return notes, nil
}

// holders names the instance profiles that contain the role, for the error of IAM, which
// does not.
func (r Role) holders(ctx context.Context) string {
	names, err := r.profiles(ctx)
	if err != nil || len(names) == 0 {
		return ""
	}
	return ", which is in the instance profile " + setText(names)
}
