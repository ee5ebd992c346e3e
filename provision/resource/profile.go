package resource

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/names"
)

// Profile is an instance profile with its role. Both are one step, because an instance
// profile without a role has no effect.
type Profile struct {
	API  *iam.Client
	ID   Identity
	Name string
	Path string // empty means "/"
	Role provision.Ref[RoleState]

	// External means that flowbed only uses the profile, which holds the role with a name.
	External string
}

// ProfileState is the actual state of an instance profile.
type ProfileState struct {
	Name, ARN string
	ID        string // IAM's unique id: a new profile with the same name has another one
	Path      string
	Role      string // the name of its role; empty if it has none
	RoleARN   string
	roleARNs  []string // others that the role may have; see RoleState.ARNs
	RoleID    string   // IAM's unique id of the role
	Tags      Tags
}

var (
	_ Kind[ProfileState]                 = Profile{}
	_ Discoverer                         = Profile{}
	_ provision.Predictor[ProfileState]  = Profile{}
	_ provision.Replacer[ProfileState]   = Profile{}
	_ provision.Keeper[ProfileState]     = Profile{}
	_ provision.UseChecker[ProfileState] = Profile{}
	_ provision.Labelled                 = ProfileState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:    `NoSuchEntity`,
		awserr.Conflict:  `EntityAlreadyExists ConcurrentModification EntityTemporarilyUnmodifiable`,
		awserr.Transient: `DeleteConflict`,
	},
	Rules: []awserr.Rule{
		// The profile already has a role, because the reply to an earlier call was lost.
		{Operation: "AddRoleToInstanceProfile", Code: "LimitExceeded", Class: awserr.Conflict},
	},
})

// Owner implements provision.State.
func (s ProfileState) Owner() provision.Owner { return s.Tags.Owner() }

// Predicted implements provision.Predictor.
func (p Profile) Predicted() ProfileState {
	role, _ := p.Role.Expect()
	return ProfileState{Name: p.Name, ARN: p.ID.profileARN(p.path(), p.Name), Path: p.path(), Role: role.Name, RoleARN: role.ARN, roleARNs: role.ARNs()[1:]}
}

func (p Profile) path() string { return cmp.Or(p.Path, rootPath) }

// profileARN is the ARN of an instance profile. Its path is part of it.
func (i Identity) profileARN(path, name string) string {
	return i.ARN("iam", "", "instance-profile"+path+name)
}

// Read implements provision.Resource.
func (p Profile) Read(ctx context.Context) (s ProfileState, err error) {
	out, err := p.API.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &p.Name})
	if err != nil {
		return s, absentEntity("read instance profile", err)
	}
	if out.InstanceProfile == nil {
		return s, fmt.Errorf("read instance profile: %w", incomplete("instance profile"))
	}
	o := deref(out.InstanceProfile)
	s.Name, s.ARN = deref(o.InstanceProfileName), deref(o.Arn)
	if !strings.HasPrefix(s.ARN, "arn:") { // for a moment after the creation, IAM returns the unique id here
		return ProfileState{}, fmt.Errorf("read instance profile: %w", provision.ErrAbsent)
	}
	s.ID, s.Path = deref(o.InstanceProfileId), deref(o.Path)
	for _, r := range o.Roles { // there is at most one
		s.Role, s.RoleARN, s.RoleID = deref(r.RoleName), deref(r.Arn), deref(r.RoleId)
	}
	s.Tags = tagsOf(o.Tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value })
	return s, nil
}

// Discover implements Discoverer. It lists only names with our prefix, because a spec
// cannot set the name of a profile.
func (p Profile) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	failed := func(err error) ([]Found, error) {
		return nil, fmt.Errorf("list instance profiles in %s: %w", p.ID.Region, err)
	}
	pages := iam.NewListInstanceProfilesPaginator(p.API, &iam.ListInstanceProfilesInput{MaxItems: new(int32(1000))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed(err)
		}
		for _, o := range page.InstanceProfiles {
			if name := deref(o.InstanceProfileName); strings.HasPrefix(name, names.Prefix) {
				list = append(list, Found{Kind: "instance profile", Name: name, Created: deref(o.CreateDate)})
			}
		}
	}
	list, err = withTags(ctx, list, func(ctx context.Context, f Found) (Tags, error) {
		s, err := Profile{API: p.API, ID: p.ID, Name: f.Name}.Read(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		return s.Tags, nil
	})
	if err != nil {
		return failed(err)
	}
	return list, nil
}

// Create implements provision.Resource.
func (p Profile) Create(ctx context.Context) (*ProfileState, error) {
	tags := marked(ctx, p.ID.Tags(p.Name))
	in := &iam.CreateInstanceProfileInput{InstanceProfileName: &p.Name, Tags: tagList(tags, iamTag)}
	if p.path() != rootPath {
		in.Path = new(p.path())
	}
	_, err := p.API.CreateInstanceProfile(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("create instance profile: %w", err)
	}
	have := p.Predicted()
	have.Role, have.RoleARN, have.Tags = "", "", tags // Changes adds the role
	return &have, nil
}

// Changes implements provision.Resource. A profile on another path is replaced, and the new one
// gets all the rest.
func (p Profile) Changes(have ProfileState) []provision.Change {
	moved := p.pathChange(have)
	if p.Replaces(have) {
		return moved
	}
	c := tagChange(have.Tags, p.ID.Tags(p.Name), false, tagger{p.setTags, p.dropTags})
	c = append(c, moved...)
	role, ok := p.Role.Expect()
	same := ok && strings.EqualFold(have.Role, role.Name) // IAM's names are unique regardless of case
	// A role that was deleted and created again has the same name, but the profile still
	// refers to the deleted one, which gives no credentials.
	deleted := same && have.RoleID != "" && role.ID != "" && have.RoleID != role.ID
	if same && !deleted {
		return c
	}
	change := provision.Change{
		Field: "role", From: provision.Text(have.Role), To: provision.Unknown(), Do: p.setRole(have.Role, role.Name),
	}
	if ok {
		change.To = provision.Text(role.Name)
	}
	if deleted {
		change.From, change.Why = provision.Text(have.RoleID), "the role was deleted and created again"
	}
	return append(c, change)
}

// Replaces implements provision.Replacer: a profile on another path is replaced.
func (p Profile) Replaces(have ProfileState) bool {
	return have.Name != "" && cmp.Or(have.Path, rootPath) != p.path()
}

// pathChange is the difference of the path, which IAM cannot change. The instance keeps its
// credentials until they expire, and its step gives it the new profile.
func (p Profile) pathChange(have ProfileState) []provision.Change {
	if cmp.Or(have.Path, rootPath) == p.path() {
		return nil
	}
	c := provision.Change{
		Field: "path", From: provision.Text(have.Path), To: provision.Text(p.path()), Required: true,
		Do: func(ctx context.Context) error { return p.Delete(ctx, have) },
	}
	if p.Replaces(have) {
		c.Replace, c.Why = true, "IAM cannot change the path of an instance profile: it is deleted and created again"
	}
	return []provision.Change{c}
}

func (p Profile) setTags(ctx context.Context, t Tags) error {
	_, err := p.API.TagInstanceProfile(ctx, &iam.TagInstanceProfileInput{
		InstanceProfileName: &p.Name, Tags: tagList(t, iamTag),
	})
	return err
}

func (p Profile) dropTags(ctx context.Context, keys []string) error {
	_, err := p.API.UntagInstanceProfile(ctx, &iam.UntagInstanceProfileInput{InstanceProfileName: &p.Name, TagKeys: keys})
	return err
}

// setRole first removes the existing role, if there is one: a profile can have only one
// role, and AWS has no call that replaces it. If the profile already has a role, because
// the reply to an earlier call was lost, AWS returns LimitExceeded. The engine then reads
// again.
func (p Profile) setRole(have, want string) doFunc {
	return func(ctx context.Context) error {
		if have != "" {
			if err := p.removeRole(ctx, have); err != nil {
				return err
			}
		}
		_, err := p.API.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{
			InstanceProfileName: &p.Name, RoleName: &want,
		})
		if err != nil {
			return fmt.Errorf("add role %s: %w", want, err)
		}
		return nil
	}
}

func (p Profile) removeRole(ctx context.Context, role string) error {
	_, err := p.API.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{
		InstanceProfileName: &p.Name, RoleName: &role,
	})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("remove role %s: %w", role, err)
	}
	return nil
}

// Delete implements provision.Resource.
func (p Profile) Delete(ctx context.Context, have ProfileState) error {
	if have.Role != "" {
		if err := p.removeRole(ctx, have.Role); err != nil {
			return err
		}
	}
	_, err := p.API.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: &p.Name})
	if err := awserr.Gone(err); err != nil {
		return fmt.Errorf("delete instance profile: %w", err)
	}
	return nil
}

// Keeps implements provision.Keeper: IAM does not delete a role in an instance profile.
func (p Profile) Keeps(have ProfileState, stays bool) []provision.Kept {
	role, ok := p.Role.Expect()
	if !stays || !ok || !strings.EqualFold(have.Role, role.Name) {
		return nil
	}
	return []provision.Kept{{Object: p.Role, Why: "it is in the instance profile " + p.Name + ", which is left"}}
}

// CheckUse implements provision.UseChecker: an instance gets the permissions of the role that
// is in its profile.
func (p Profile) CheckUse(have ProfileState) []provision.Note {
	if p.External == "" || strings.EqualFold(have.Role, p.External) {
		return nil
	}
	holds := "no role"
	if have.Role != "" {
		holds = "the role " + have.Role
	}
	return []provision.Note{{Severity: provision.Error, Text: fmt.Sprintf(
		"%s has %s, and not %s → correct name or instance_profile in role of the agent block, or let the owner of the profile put the role into it", p.Name, holds, p.External)}}
}

// Costs implements Kind.
func (Profile) Costs() []cost.Usage { return nil }

// Permissions are what the calls need.
func (p Profile) Permissions() Permissions {
	profile := p.Predicted()
	read := on(profile.ARN, "iam:GetInstanceProfile")
	switch { // IAM knows the path of a profile only if there is one
	case p.External != "":
		read = read.and(p.ID.profileARN("/*/", p.Name))
	case p.path() != rootPath:
		read = read.and(p.ID.profileARN(rootPath, p.Name))
	}
	return Permissions{
		Read: []Permission{read},
		Build: []Permission{
			on(profile.ARN, "iam:CreateInstanceProfile", "iam:TagInstanceProfile", "iam:UntagInstanceProfile",
				"iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile"),
			p.ID.passRole(profile.RoleARN, profile.roleARNs...),
		},
		Delete: []Permission{on(profile.ARN, "iam:RemoveRoleFromInstanceProfile", "iam:DeleteInstanceProfile")},
	}
}
