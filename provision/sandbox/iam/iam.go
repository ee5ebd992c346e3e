// Package iam is the sandbox's IAM: roles, instance profiles and policies.
//
// Other services ask it for roles and instance profiles (RoleNamed, ProfileNamed,
// ProfileOf), whether a principal exists (Principal), and for the access to pass a
// role to EC2 (Pass). It imports none of them.
package iam

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

var service = core.NewService("iam", func(r *core.Request) *request { return &request{r} },
	core.Rules{Global: true, Denied: core.AccessDenied})

var part = core.Global("iam", inventory)

// request is one call to IAM.
type request struct{ *core.Request }

func (r *request) db() *database { return part.Of(r.Request) }

// database is IAM's part, which belongs to no region. Names are unique regardless of
// case, so the keys of the maps are lower-case names.
type database struct {
	Roles    map[string]*Role    `json:"roles,omitempty"`
	Profiles map[string]*Profile `json:"profiles,omitempty"`
	Policies map[string]*policy  `json:"policies,omitempty"` // customer managed, by ARN
}

// Role is an IAM role.
type Role struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ARN         string            `json:"arn"`
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	MaxSession  int32             `json:"max_session"`
	Trust       string            `json:"trust"`
	Inline      map[string]string `json:"inline,omitempty"`
	Attached    []string          `json:"attached,omitempty"` // ARNs in the order of attachment
	Tags        core.Tags         `json:"tags,omitempty"`
	Boundary    string            `json:"boundary,omitempty"` // the ARN of a managed policy
	Created     time.Time         `json:"created"`
}

// Profile is an instance profile.
type Profile struct {
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	ARN     string    `json:"arn"`
	ID      string    `json:"id"`
	Role    string    `json:"role,omitempty"` // the name of its one role
	Tags    core.Tags `json:"tags,omitempty"`
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"` // when it was created or got its role
}

type policy struct {
	Name     string    `json:"name"`
	ARN      string    `json:"arn"`
	ID       string    `json:"id"`
	Document string    `json:"document"`
	Tags     core.Tags `json:"tags,omitempty"`
	Created  time.Time `json:"created"`
}

// inventory omits service-linked roles.
func inventory(_ *core.Request, d *database) any {
	c := *d
	c.Roles = core.Without(d.Roles, (*Role).linked)
	return c
}

// RoleNamed returns the role with a name, or nil.
func RoleNamed(r *core.Request, name string) *Role { return part.Of(r).role(name) }

// ProfileNamed returns the instance profile with a name, or nil.
func ProfileNamed(r *core.Request, name string) *Profile { return part.Of(r).profile(name) }

// ProfileOf returns the instance profile with an ARN, or nil.
func ProfileOf(r *core.Request, arn string) *Profile {
	for _, p := range part.Of(r).Profiles {
		if p.ARN == arn {
			return p
		}
	}
	return nil
}

// role returns the role with a name, or nil.
func (d *database) role(name string) *Role { return d.Roles[strings.ToLower(name)] }

// profile returns the instance profile with a name, or nil.
func (d *database) profile(name string) *Profile { return d.Profiles[strings.ToLower(name)] }

func (d *database) mustRole(name *string) (*Role, error) {
	if r := d.role(aws.ToString(name)); r != nil {
		return r, nil
	}
	return nil, noEntity("The role with name %s cannot be found.", aws.ToString(name))
}

func (d *database) mustProfile(name *string) (*Profile, error) {
	if p := d.profile(aws.ToString(name)); p != nil {
		return p, nil
	}
	return nil, noEntity("Instance Profile %s cannot be found.", aws.ToString(name))
}

// The quotas of a new account:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	mostTrust       = 2048
	mostInline      = 10240 // total of a role's inline policies, without white space
	mostManaged     = 6144
	mostAttachments = 10
	mostProfileName = 128
	mostRoleName    = 64
	sessionLength   = 3600 // seconds
)

var nameChars = regexp.MustCompile(`^[\w+=,.@-]+$`)

func checkName(what string, name *string, longest int) error {
	n := aws.ToString(name)
	switch {
	case n == "":
		return core.Fail("ValidationError", "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length greater than or equal to 1", what)
	case len(n) > longest:
		return core.Fail("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", n, what, longest)
	case !nameChars.MatchString(n):
		return core.Fail("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", what)
	}
	return nil
}

var pathChars = regexp.MustCompile(`^/([!-~]+/)?$`)

func checkPath(path *string) (string, error) {
	if path == nil {
		return "/", nil
	}
	if len(*path) > 512 || !pathChars.MatchString(*path) {
		return "", core.Fail("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return *path, nil
}

func noEntity(format string, args ...any) error {
	return &types.NoSuchEntityException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func entityExists(format string, args ...any) error {
	return &types.EntityAlreadyExistsException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func deleteConflict(message string) error {
	return &types.DeleteConflictException{Message: &message}
}

func limitExceeded(format string, args ...any) error {
	return &types.LimitExceededException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// encoded returns a document as IAM sends it: percent-encoded per RFC 3986.
func encoded(document string) *string {
	return aws.String(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

// newTags checks new tags and adds them to the tags of an object.
func newTags(have core.Tags, list []types.Tag) (core.Tags, error) {
	add := make([]core.Tag, 0, len(list))
	for _, t := range list {
		add = append(add, core.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return have.With(add, core.TagRules{Code: "InvalidInput", TooMany: "LimitExceeded", FoldCase: true})
}

func tagList(t core.Tags) (list []types.Tag) {
	for _, k := range t.Keys() {
		list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(t[k])})
	}
	return list
}
