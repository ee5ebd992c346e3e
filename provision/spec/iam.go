package spec

import (
	"strings"

	"github.com/flowbed/flowbed/provision/names"
)

// IAM is what the rules of an account demand of the roles and the instance profile that
// flowbed creates. With this block, the execution role is one of the environment's own by
// default: the first environment would decide for all others on which path and with which
// boundary the account's role is. docs/company.md tells how the policy of whoever runs
// `up` follows from it.
type IAM struct {
	// Path is the path of the roles and of the instance profile, for example "/data/".
	// IAM cannot change the path of a role: another path replaces the roles.
	// Default: "/".
	Path string `hcl:"path,optional" spec:"names"`

	// PermissionsBoundary is the ARN of the managed policy that limits what the roles may
	// do, whatever their own policies allow. Without it, flowbed leaves a boundary alone
	// that somebody else has set. Default: none.
	PermissionsBoundary string `hcl:"permissions_boundary,optional"`
}

func (i *IAM) complete(names.Names) { or(&i.Path, "/") }

// RolePath is the path of the roles that flowbed creates.
func (e *Environment) RolePath() string {
	if e.IAM == nil {
		return "/"
	}
	return e.IAM.Path
}

// Boundary is the ARN of the permissions boundary of these roles; empty if the file sets none.
func (e *Environment) Boundary() string {
	if e.IAM == nil {
		return ""
	}
	return e.IAM.PermissionsBoundary
}

var (
	// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html. Of the
	// characters that IAM accepts, these have no meaning in an ARN or a policy.
	rolePath = compile(`^/([A-Za-z0-9_+=,.@-]+/)*$`)

	boundaryARN = compile(`^arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/(.*/)?[A-Za-z0-9_+=,.@-]{1,128}$`)
)

const longestPath = 512

func (i *IAM) checkNames(d *decoder) {
	if !d.has(&i.Path) || rolePath.matches(i.Path) && len(i.Path) <= longestPath {
		return
	}
	example := "/data/"
	if name := strings.Trim(i.Path, "/"); name != "" && rolePath.matches("/"+name+"/") && len(name) < longestPath-1 && d.showable(&i.Path) {
		example = "/" + name + "/"
	}
	d.bad(&i.Path, "Invalid path", `%s is not a path of IAM roles. → begin and end it with a slash, for example %q; between slashes it can have letters, digits and _+=,.@-`, example)
}

func (i *IAM) check(d *decoder) {
	if d.has(&i.PermissionsBoundary) && i.PermissionsBoundary != "" && !boundaryARN.matches(i.PermissionsBoundary) {
		d.bad(&i.PermissionsBoundary, "Invalid permissions boundary", `%s is not the ARN of a managed policy. → use, for example, "arn:aws:iam::123456789012:policy/boundary"`)
	}
}

// checkAccountRole refuses the account's execution role beside an iam block, unless it is
// only used.
func (d *decoder) checkAccountRole(e *Environment) {
	r := e.ExecutionRole
	if e.IAM == nil || r.Name != AccountExecutionRole || r.Ownership == "external" || !d.has(&r.Name) {
		return
	}
	d.bad(&r.Name, "The account's role",
		`%s is the account's role, and the first environment would decide for all others on which path and with which boundary it is. → leave the name out, for a role of this environment's own, or set ownership = "external" to use the role as it is`)
}
