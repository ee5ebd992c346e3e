package spec

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

var (
	environmentName = compile(`^[a-z][a-z0-9-]{0,19}$`)
	accountID       = compile(`^[0-9]{12}$`)
	regionName      = compile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	bucketName      = compile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	roleName        = compile(`^[A-Za-z0-9_+=,.@-]{1,64}$`) // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
	clusterName     = compile(`^[A-Za-z0-9_-]{1,255}$`)
)

func badEnvironment(name string) string {
	return fmt.Sprintf("%q is no name for an environment. Use a lower-case letter, then up to 19 lower-case letters, digits or hyphens: the name becomes a part of all names in AWS.", name)
}

// checkNames checks what says how objects are called and where they are.
func (d *decoder) checkNames(e *Environment) {
	if d.has(&e.Account) && !accountID.matches(e.Account) {
		d.bad(&e.Account, "Bad account", `%s is no AWS account. Use its 12 digits, in quotes, for example: account = "123456789012"`)
	}
	if d.has(&e.Region) && !regionName.matches(e.Region) {
		d.bad(&e.Region, "Bad region", `%s is no AWS region. Use its code, for example "us-east-1" or "eu-central-1".`)
	}
	if b := e.Bucket; b != nil {
		d.oneOf(&b.Namespace, "namespace", "account-regional", "global")
		if why := badBucketName(b.Name); d.has(&b.Name) && why != "" {
			d.bad(&b.Name, "Bad bucket name", "%s is no name for an S3 bucket. %s", why)
		}
	}
	if r := e.TaskRole; r != nil {
		d.checkRoleName(&r.Name)
	}
	if r := e.ExecutionRole; r != nil {
		d.checkRoleName(&r.Name)
	}
	if c := e.Cluster; c != nil {
		d.checkClusterName(&c.Name)
	}
}

func (d *decoder) checkClusterName(name *string) {
	if d.has(name) && !clusterName.matches(*name) {
		d.bad(name, "Bad cluster name", "%s is no name for an ECS cluster. Use up to 255 letters, digits, hyphens and underscores.")
	}
}

func (d *decoder) checkRoleName(name *string) {
	if d.has(name) && !roleName.matches(*name) {
		d.bad(name, "Bad role name", "%s is no name for an IAM role. Use up to 64 letters, digits and _+=,.@-, without a path.")
	}
}

// What S3 keeps for itself.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var (
	reservedPrefixes = []string{"xn--", "sthree-", "amzn-s3-demo-"}
	reservedSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
	regionalName     = compile(`-[0-9]{12}-[a-z0-9-]+-an$`)
)

// badBucketName says why S3 takes no bucket of this name, or nothing.
func badBucketName(name string) string {
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(name, p) {
			return fmt.Sprintf("S3 reserves names that begin with %q.", p)
		}
	}
	for _, s := range reservedSuffixes {
		if strings.HasSuffix(name, s) {
			return fmt.Sprintf("S3 reserves names that end with %q.", s)
		}
	}
	_, notIP := netip.ParseAddr(name)
	switch {
	case !bucketName.matches(name):
		return "Use 3 to 63 lower-case letters, digits, hyphens and dots, with a letter or digit at both ends."
	case strings.Contains(name, ".."):
		return "It must not have two dots in a row."
	case notIP == nil:
		return "It must not look like an IP address."
	}
	return ""
}

// checkTogether checks what only shows when the defaults are there.
func (d *decoder) checkTogether(e *Environment, p Place) {
	if d.file.o.Removal {
		return
	}
	d.checkNamespace(e, p)
	agent := "flowbed-" + e.Name + "-agent"
	for _, name := range []*string{&e.TaskRole.Name, &e.ExecutionRole.Name} {
		if strings.EqualFold(*name, agent) && d.has(name) { // to IAM, upper and lower case are the same
			d.bad(name, "Duplicate role name", "%s is the name of the agent's role. Choose another.")
		}
	}
	if task, execution := &e.TaskRole.Name, &e.ExecutionRole.Name; strings.EqualFold(*task, *execution) {
		second := execution
		if !d.has(execution) {
			second = task
		}
		if d.has(second) {
			d.bad(second, "Duplicate role name", "%s is the name of both the task role and the execution role. They have different rights: choose another name for one of them.")
		}
	}
}

// noRegionalNamespace are the regions without the account-regional namespace.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/gpbucketnamespaces.html
var noRegionalNamespace = map[string]bool{"me-south-1": true, "me-central-1": true}

func (d *decoder) checkNamespace(e *Environment, p Place) {
	b := e.Bucket
	named := d.has(&b.Name) && badBucketName(b.Name) == ""
	switch {
	case b.Namespace == "global":
		if named && regionalName.matches(b.Name) {
			d.bad(&b.Name, "Bad bucket name", `%s ends like a name of the account-regional namespace. Choose another name, or namespace = "account-regional".`)
		}
	case noRegionalNamespace[p.Region]:
		d.errorAt(d.bucketPlace(e), "No account-regional namespace", fmt.Sprintf(
			`%s has none. Choose the global one: bucket { namespace = "global" }`, p.Region))
	case named && !regional(b.Name, p):
		d.bad(&b.Name, "Bad bucket name", "%s is no name in the account-regional namespace, where names end with the account and the region. "+
			`Use for example "data-${account}-${region}-an", or namespace = "global".`)
	}
}

// regional reports whether a name can be in the account-regional namespace of a
// place. If not all of the place is known, the form of the name must do.
func regional(name string, p Place) bool {
	if p.Account == "" || p.Region == "" {
		return regionalName.matches(name)
	}
	return strings.HasSuffix(name, "-"+regionalSuffix(p))
}

func (d *decoder) bucketPlace(e *Environment) hcl.Range {
	if d.written(&e.Bucket.Namespace) {
		return d.given[&e.Bucket.Namespace].attr.Expr.Range()
	}
	if b, ok := d.blocks[e.Bucket]; ok {
		return b.DefRange()
	}
	return d.file.block.DefRange()
}
