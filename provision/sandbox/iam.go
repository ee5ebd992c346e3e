package sandbox

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// iamDB is what IAM holds; it belongs to no region. Names are unique whatever
// their case: the maps' keys are lower-case names.
type iamDB struct {
	Roles    map[string]*iamRole    `json:"roles,omitempty"`
	Profiles map[string]*iamProfile `json:"profiles,omitempty"`
	Policies map[string]*iamPolicy  `json:"policies,omitempty"` // customer managed, by ARN
}

type iamRole struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ARN         string            `json:"arn"`
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	MaxSession  int32             `json:"max_session"`
	Trust       string            `json:"trust"`
	Inline      map[string]string `json:"inline,omitempty"`
	Attached    []string          `json:"attached,omitempty"` // ARNs in the order of attachment
	Tags        tags              `json:"tags,omitempty"`
	Created     time.Time         `json:"created"`
}

type iamProfile struct {
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	ARN     string    `json:"arn"`
	ID      string    `json:"id"`
	Role    string    `json:"role,omitempty"` // its one role's name
	Tags    tags      `json:"tags,omitempty"`
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"` // when it was made or got its role
}

type iamPolicy struct {
	Name     string    `json:"name"`
	ARN      string    `json:"arn"`
	ID       string    `json:"id"`
	Document string    `json:"document"`
	Tags     tags      `json:"tags,omitempty"`
	Created  time.Time `json:"created"`
}

// role is the role of a name, or nil.
func (d *iamDB) role(name string) *iamRole { return d.Roles[strings.ToLower(name)] }

// profile is the instance profile of a name, or nil.
func (d *iamDB) profile(name string) *iamProfile { return d.Profiles[strings.ToLower(name)] }

func (d *iamDB) mustRole(name *string) (*iamRole, error) {
	if r := d.role(aws.ToString(name)); r != nil {
		return r, nil
	}
	return nil, noEntity("The role with name %s cannot be found.", aws.ToString(name))
}

func (d *iamDB) mustProfile(name *string) (*iamProfile, error) {
	if p := d.profile(aws.ToString(name)); p != nil {
		return p, nil
	}
	return nil, noEntity("Instance Profile %s cannot be found.", aws.ToString(name))
}

// The quotas of a new account:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	iamTrustSize     = 2048
	iamInlineSize    = 10240 // of a role's inline policies together, without white space
	iamManagedSize   = 6144
	iamAttachments   = 10
	iamProfileName   = 128
	iamRoleName      = 64
	iamSessionLength = 3600 // seconds
)

var iamNameChars = regexp.MustCompile(`^[\w+=,.@-]+$`)

func checkIAMName(what string, name *string, longest int) error {
	n := aws.ToString(name)
	switch {
	case n == "":
		return fail("ValidationError", "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length greater than or equal to 1", what)
	case len(n) > longest:
		return fail("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", n, what, longest)
	case !iamNameChars.MatchString(n):
		return fail("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", what)
	}
	return nil
}

var iamPath = regexp.MustCompile(`^/([!-~]+/)?$`)

func checkIAMPath(path *string) (string, error) {
	if path == nil {
		return "/", nil
	}
	if len(*path) > 512 || !iamPath.MatchString(*path) {
		return "", fail("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
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

func iamLimit(format string, args ...any) error {
	return &types.LimitExceededException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// encoded is a document as IAM sends it: percent-encoded as RFC 3986 has it.
func encoded(document string) *string {
	return aws.String(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

// iamTags checks new tags and adds them to those that an object has.
func iamTags(have tags, list []types.Tag) (tags, error) {
	add := make([]pair, 0, len(list))
	for _, t := range list {
		add = append(add, pair{aws.ToString(t.Key), aws.ToString(t.Value)})
	}
	return have.with(add, tagRules{Code: "InvalidInput", TooMany: "LimitExceeded", FoldCase: true})
}

func iamTagList(t tags) (list []types.Tag) {
	for _, k := range t.keys() {
		list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(t[k])})
	}
	return list
}
