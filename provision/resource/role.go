package resource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Role is an IAM role with its inline policies and attached managed policies. All are one
// step, because none of them works without the others.
//
// Up removes all other policies from our own role: a role must not allow more than the
// plan shows. In an account-wide role, only the inline policy with the environment's name
// is ours.
type Role struct {
	API         *iam.Client
	ID          Identity
	Name        string
	Path        string // of a role that flowbed creates; empty means "/"
	Boundary    string // the ARN of the permissions boundary; empty leaves the role's as it is
	Description string
	Trust       string   // the trust policy
	Managed     []string // ARNs of managed policies
	Shared      bool     // the name is account-wide

	// Block is what the file calls the block that adds to the role's permissions; may be empty.
	Block string

	// Advice is what the user can do if an external role lacks something; empty for an
	// execution role.
	Advice string

	// Inline returns the inline policies by name. It may be nil.
	Inline func() map[string]string

	// First, if set, returns the state from a reading that was made before, once.
	First func() (have RoleState, err error, ok bool)

	// External means that flowbed only uses the role, and Pull is the ARN of the ECR
	// repository with the image of the flows; empty if the image is not in ECR.
	External bool
	Pull     string

	// Unread returns how long the policy of another environment in a shared role is, given
	// the policy's name. It may be nil.
	Unread func(name string) int

	// Unsafe returns why this environment must not use a shared role that flowbed has chosen
	// for it; empty if it may. It is nil if the file names the role.
	Unsafe func(have RoleState) string

	// Chosen is why the environment has this role instead of the account's; may be empty.
	Chosen string

	// Named means that the file names the role, or that flowbed has chosen it because it
	// suffices: if it then lacks something, flows would not run.
	Named bool

	Names NameEntry
}

// RoleState is the actual state of a role.
type RoleState struct {
	Name, ARN string
	ID        string // IAM's unique id: a new role with the same name has another one
	Path      string
	Trust     string
	Managed   []string          // ARNs, sorted
	Inline    map[string]string // decoded policies by name
	Tags      Tags

	// Anywhere says that the path is not known, and ARN is the one without a path: the file has only
	// the name of a role of somebody else.
	Anywhere bool

	Boundary string // the ARN of the permissions boundary; empty if it has none
	Hidden   string // the actions that were denied while reading somebody else's role
}

var (
	_ Kind[RoleState]                    = Role{}
	_ Discoverer                         = Role{}
	_ provision.Predictor[RoleState]     = Role{}
	_ provision.Replacer[RoleState]      = Role{}
	_ provision.UseChecker[RoleState]    = Role{}
	_ provision.Validator[RoleState]     = Role{}
	_ provision.DeleteChecker[RoleState] = Role{}
	_ provision.Sharer[RoleState]        = Role{}
	_ provision.Labelled                 = RoleState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:    `NoSuchEntity`,
		awserr.Conflict:  `EntityAlreadyExists ConcurrentModification EntityTemporarilyUnmodifiable`,
		awserr.Transient: `DeleteConflict`,
		awserr.Invalid:   `MalformedPolicyDocument`,
	},
	Rules: []awserr.Rule{
		// IAM does not know the principal yet.
		{Code: "MalformedPolicyDocument", Message: "Invalid principal", Class: awserr.Transient},
		// This limit is fixed: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
		{Operation: "PutRolePolicy", Code: "LimitExceeded", Message: "policy size", Class: awserr.Invalid,
			Hint: "a role's inline policies can have 10,240 characters in total: use fewer statement blocks, or move them to a managed policy (policies = [...])"},
	},
	Hints: map[string]string{
		"MalformedPolicyDocument": "IAM does not accept the policy: check the statement blocks of task_role, and of role in the agent block",
	},
})

// Owner implements provision.State.
func (s RoleState) Owner() provision.Owner { return s.Tags.Owner() }

// Predicted implements provision.Predictor. The path of an external role is not known before
// it is read.
func (r Role) Predicted() RoleState {
	return RoleState{Name: r.Name, ARN: r.ID.roleARN(r.path(), r.Name), Path: r.path(), Boundary: r.Boundary, Anywhere: r.External}
}

// ARNs are the ARNs that the role may have, for policies. Its name is unique in the account, so the
// one with a wildcard for the path is of no other role.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
func (s RoleState) ARNs() []string {
	if kind, name, ok := strings.Cut(s.ARN, ":role/"); ok && s.Anywhere {
		return []string{s.ARN, kind + ":role/*/" + name}
	}
	return []string{s.ARN}
}

// Read implements provision.Resource. Its calls run in parallel.
func (r Role) Read(ctx context.Context) (RoleState, error) {
	if r.First != nil {
		if s, err, ok := r.First(); ok {
			return s, err
		}
	}
	s := RoleState{Inline: map[string]string{}}
	var role, managed, inline error
	_ = parallel(ctx, // each call has its own error
		func(ctx context.Context) error { role = r.readRole(ctx, &s); return nil },
		func(ctx context.Context) error { s.Managed, managed = r.attached(ctx); return nil },
		func(ctx context.Context) error { inline = r.readInline(ctx, s.Inline); return nil },
	)
	if r.External && awserr.Classify(role) == awserr.Denied {
		s.Name, s.ARN, s.Anywhere = r.Name, r.Predicted().ARN, true
	} else if role != nil {
		return RoleState{}, role
	}
	denied, err := r.denied(s, role, managed, inline)
	if err != nil {
		return RoleState{}, err
	}
	s.Hidden = denied
	return s, nil
}

// denied returns the actions that were denied. Without them flowbed can use a role of
// somebody else, but not change one of its own.
func (r Role) denied(s RoleState, errs ...error) (actions string, err error) {
	var list []string
	for _, err := range errs {
		if err == nil {
			continue
		}
		refusal, is := awserr.RefusalOf(err)
		if !is || s.Tags.Owner().By != "" {
			return "", err
		}
		list = append(list, refusal.Action)
	}
	return strings.Join(list, ", "), nil
}

func (r Role) readRole(ctx context.Context, s *RoleState) error {
	out, err := r.API.GetRole(ctx, &iam.GetRoleInput{RoleName: &r.Name})
	if err != nil {
		return absentEntity("read role", err)
	}
	dated(ctx, out.ResultMetadata)
	if out.Role == nil {
		return fmt.Errorf("read role: %w", incomplete("role"))
	}
	o := deref(out.Role)
	s.Name, s.ARN, s.ID, s.Path = deref(o.RoleName), deref(o.Arn), deref(o.RoleId), deref(o.Path)
	if !strings.HasPrefix(s.ARN, "arn:") { // for a moment after the creation, IAM returns the unique id here
		return fmt.Errorf("read role: %w", provision.ErrAbsent)
	}
	s.Tags = tagsOf(o.Tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value })
	s.Boundary = deref(deref(o.PermissionsBoundary).PermissionsBoundaryArn)
	s.Trust, err = decoded(o.AssumeRolePolicyDocument)
	return err
}

// Discover implements Discoverer. ListRoles does not return tags, and a call for the tags
// of each role would be most of the cost of a search. GetAccountAuthorizationDetails
// returns them in one call, so it finds roles with any name. Discover ignores the rest of
// the reply.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html
func (r Role) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(r.API, &iam.GetAccountAuthorizationDetailsInput{
		Filter: []types.EntityType{types.EntityTypeRole}, MaxItems: new(int32(1000)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list roles in %s: %w", r.ID.Region, err)
		}
		for _, o := range page.RoleDetailList {
			list = append(list, Found{
				Kind: "role", Name: deref(o.RoleName), Created: deref(o.CreateDate),
				Tags: tagsOf(o.Tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value }),
			})
		}
	}
	return list, nil
}

// decoded decodes a policy: IAM returns policies percent-encoded, and the SDK for Go does
// not decode them. A plus sign is not an encoded space.
func decoded(document *string) (string, error) { return url.PathUnescape(deref(document)) }

func (r Role) attached(ctx context.Context) (arns []string, err error) {
	pages := iam.NewListAttachedRolePoliciesPaginator(r.API, &iam.ListAttachedRolePoliciesInput{RoleName: &r.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, absentEntity("list attached policies", err)
		}
		for _, p := range page.AttachedPolicies {
			arns = append(arns, deref(p.PolicyArn))
		}
	}
	slices.Sort(arns)
	return arns, nil
}

// readInline reads the desired policies in parallel with the list of all policies, and
// then the other policies in the list.
func (r Role) readInline(ctx context.Context, into map[string]string) error {
	wanted := slices.Sorted(maps.Keys(r.inline()))
	docs := make([]string, len(wanted))
	var names []string
	calls := []func(context.Context) error{func(ctx context.Context) (err error) {
		names, err = r.inlineNames(ctx)
		return err
	}}
	for i, name := range wanted {
		calls = append(calls, func(ctx context.Context) (err error) {
			docs[i], err = r.policy(ctx, name)
			return err
		})
	}
	if err := parallel(ctx, calls...); err != nil {
		return err
	}
	for i, doc := range docs {
		if doc != "" {
			into[wanted[i]] = doc
		}
	}
	for _, name := range names {
		if _, ok := into[name]; ok {
			continue
		}
		if r.others(name) {
			into[name] = "" // reading it would take a call for each environment; see Room
			continue
		}
		doc, err := r.policy(ctx, name)
		if err != nil {
			return err
		}
		if doc != "" {
			into[name] = doc
		}
	}
	return nil
}

func (r Role) inlineNames(ctx context.Context) (names []string, err error) {
	pages := iam.NewListRolePoliciesPaginator(r.API, &iam.ListRolePoliciesInput{RoleName: &r.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, absentEntity("list policies", err)
		}
		names = append(names, page.PolicyNames...)
	}
	return names, nil
}

// policy returns an inline policy, or an empty text if the role has none with that name.
func (r Role) policy(ctx context.Context, name string) (string, error) {
	out, err := r.API.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &r.Name, PolicyName: &name})
	if _, ok := errors.AsType[*types.NoSuchEntityException](err); ok {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read policy %s: %w", name, err)
	}
	return decoded(out.PolicyDocument)
}

func absentEntity(doing string, err error) error {
	if _, ok := errors.AsType[*types.NoSuchEntityException](err); ok {
		return fmt.Errorf("%s: %w", doing, provision.ErrAbsent)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
