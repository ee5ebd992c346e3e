package resource

import "github.com/flowbed/flowbed/provision/cost"

// Costs implements Kind.
func (Role) Costs() []cost.Usage { return nil }

// Permissions are what the calls need. They allow attaching only the managed policies of
// the role, but detaching all. With a boundary, they allow to create a role and to give it
// permissions only if it has the boundary, and never to take that away: so whoever runs up
// cannot give a role more than the boundary allows.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
func (r Role) Permissions() Permissions {
	arn := r.Predicted().ARN
	bounded := func(p Permission) Permission {
		if r.Boundary == "" {
			return p
		}
		return p.when("StringEquals", "iam:PermissionsBoundary", r.Boundary)
	}
	p := Permissions{
		Read:        []Permission{r.reading("iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy")},
		CheckDelete: []Permission{r.reading("iam:ListInstanceProfilesForRole")},
		Build: []Permission{
			bounded(on(arn, "iam:CreateRole")), bounded(on(arn, "iam:PutRolePolicy")),
			on(arn, "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:DeleteRolePolicy"),
		},
		Delete: []Permission{on(arn, "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:DeleteRole")},
	}
	if r.Boundary != "" {
		p.Build = append(p.Build, bounded(on(arn, "iam:PutRolePermissionsBoundary")))
	}
	if len(r.Managed) > 0 {
		p.Build = append(p.Build, bounded(on(arn, "iam:AttachRolePolicy").when("ArnEquals", "iam:PolicyARN", r.Managed...)))
	}
	if r.Shared {
		p.Delete = append(p.Delete, on(arn, "iam:TagRole", "iam:UntagRole")) // the mark of one that leaves, and its claim
	} else {
		p.Build = append(p.Build, on(arn, "iam:DetachRolePolicy"))
	}
	return p
}

// reading allows to read the role. IAM knows the path of a role only if there is one, so the
// question whether there is needs the ARN without a path, too. So does a plan that moves the role
// from there.
func (r Role) reading(actions ...string) Permission {
	p := on(r.Predicted().ARN, actions...).and(r.Predicted().ARNs()[1:]...)
	if r.path() != rootPath {
		return p.and(r.ID.roleARN(rootPath, r.Name))
	}
	return p
}
