package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/flowbed/flowbed/provision/names"
)

var (
	environmentName    = compile(`^[a-z][a-z0-9-]{0,31}$`)
	environmentPattern = compile(`^([a-z][a-z0-9-]{0,30})?\*$`)
	accountID          = compile(`^[0-9]{12}$`)
	regionName         = compile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	bucketName         = compile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	roleName           = compile(`^[A-Za-z0-9_+=,.@-]{1,64}$`) // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
	clusterName        = compile(`^[A-Za-z0-9_-]{1,255}$`)
	logGroupName       = compile(`^[A-Za-z0-9_./-]{1,256}$`)
)

// longestEnvironment is the most characters that an environment's name can have.
const longestEnvironment = 32

func badEnvironment(name string) string {
	return fmt.Sprintf("%q is not a valid environment name. → use a lowercase letter, then up to 31 lowercase letters, digits or hyphens: the name becomes part of every name in AWS", name)
}

// checkNames checks the attributes that tell what resources are called and where
// they are. down needs them, too.
func (d *decoder) checkNames(e *Environment) {
	if d.has(&e.Account) && !accountID.matches(e.Account) {
		d.bad(&e.Account, "Invalid account", `%s is not an AWS account ID. → use its 12 digits in quotes, for example: account = "123456789012"`)
	}
	d.checkRegion(&e.Region)
	for b := range blocks[nameChecker](e) {
		b.checkNames(d)
	}
}

func (b *Bucket) checkNames(d *decoder) {
	d.oneOf(&b.Namespace, "namespace", "account-regional", "global")
	if why := badBucketName(b.Name); d.has(&b.Name) && why != "" {
		d.bad(&b.Name, "Invalid bucket name", "%s is not a valid bucket name. → %s", why)
	}
}

func (b *Bucket) claims() []claim {
	if b.Namespace == "global" {
		return claimed("bucket", b.Ownership, everywhere, &b.Name)
	}
	return claimed("bucket", b.Ownership, inRegion, &b.Name)
}

func (r *TaskRole) checkNames(d *decoder) { d.checkRoleName(&r.Name) }

func (r *TaskRole) claims() []claim { return claimed("role", r.Ownership, inAccount, &r.Name) }

func (r *ExecutionRole) checkNames(d *decoder) { d.checkRoleName(&r.Name) }

func (r *ExecutionRole) claims() []claim {
	if r.Name == AccountExecutionRole { // environments share it
		return nil
	}
	return claimed("role", r.Ownership, inAccount, &r.Name)
}

func (c *Cluster) checkNames(d *decoder) {
	if d.has(&c.Name) && !clusterName.matches(c.Name) {
		d.bad(&c.Name, "Invalid cluster name", "%s is not a valid ECS cluster name. → use up to 255 letters, digits, hyphens and underscores")
	}
}

func (c *Cluster) claims() []claim {
	if c.Name == AccountCluster { // environments share it
		return nil
	}
	return claimed("cluster", c.Ownership, inRegion, &c.Name)
}

// checkNames allows what CloudWatch Logs allows, except # and more than 256 characters: the tags
// that record the name take neither.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
func (l *Logs) checkNames(d *decoder) {
	if why := badLogGroup(l.Name); d.has(&l.Name) && why != "" {
		d.bad(&l.Name, "Invalid log group name", "%s is not a log group that flowbed can create. → %s", why)
	}
}

// badLogGroup is the rule that a name breaks; empty for a good one.
func badLogGroup(name string) string {
	switch {
	case strings.HasPrefix(name, "aws/"):
		return `do not start it with "aws/", which AWS reserves`
	case !logGroupName.matches(name):
		return "use up to 256 letters, digits and the characters _ - / and dot"
	}
	return ""
}

func (l *Logs) claims() []claim { return claimed("log group", "own", inRegion, &l.Name) }

func (d *decoder) checkRoleName(name *string) {
	if d.has(name) && !roleName.matches(*name) {
		d.bad(name, "Invalid role name", "%s is not a valid IAM role name. → use up to 64 letters, digits and _+=,.@-, without a path")
	}
}

// S3 reserves these prefixes and suffixes.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var (
	reservedPrefixes = []string{"xn--", "sthree-", "amzn-s3-demo-"}
	reservedSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
	regionalName     = compile(`-[0-9]{12}-[a-z0-9-]+-an$`)
)

// badBucketName is the S3 rule that a name breaks. It is empty for a good name.
func badBucketName(name string) string {
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(name, p) {
			return fmt.Sprintf("do not start it with %q, which S3 reserves", p)
		}
	}
	for _, s := range reservedSuffixes {
		if strings.HasSuffix(name, s) {
			return fmt.Sprintf("do not end it with %q, which S3 reserves", s)
		}
	}
	_, notIP := netip.ParseAddr(name)
	switch {
	case !bucketName.matches(name):
		return "use 3 to 63 lowercase letters, digits, hyphens and dots, with a letter or a digit at both ends"
	case strings.Contains(name, ".."):
		return "do not use two dots in a row"
	case notIP == nil:
		return "do not use an IP address"
	}
	return ""
}

// checkTogether checks names against each other, defaults included.
func (d *decoder) checkTogether(e *Environment, p Place) {
	if d.file.o.Destroy {
		return
	}
	d.checkNamespace(e, p)
	d.checkAccountRole(e)
	d.checkBorrowedGroups(e)
	d.checkPartitions(e, p)
	d.checkResults(e)
	if e.TaskRole.ECR == "repository" && e.Repository == nil && d.has(&e.TaskRole.ECR) {
		d.bad(&e.TaskRole.ECR, "No repository", `%s needs a repository block. → add one: repository {}`)
	}
	if on := e.Flows.Spot; on != nil && *on && d.has(&e.Flows.Spot) && !slices.Contains(e.Cluster.CapacityProviders, "FARGATE_SPOT") {
		d.errorAt(d.given[&e.Flows.Spot].attr.Expr.Range(), "No Fargate Spot",
			`The cluster does not have the capacity provider "FARGATE_SPOT". → add it to capacity_providers in the cluster block, or leave them out`)
	}
	d.checkSpot(e)
	d.checkRoleNames(e)
}

// checkRoleNames checks that each role has a name of its own.
func (d *decoder) checkRoleNames(e *Environment) {
	n := names.Names{Env: e.Name}
	if e.Agent != nil && e.Agent.Role != nil {
		for _, name := range []*string{&e.Agent.Role.Name, &e.Agent.Role.InstanceProfile} {
			if strings.EqualFold(*name, n.Agent()) && d.has(name) {
				d.bad(name, "Name of flowbed's own role", `%s is what flowbed calls its own. → remove name, instance_profile and ownership`)
			}
		}
	}
	for _, name := range []*string{&e.TaskRole.Name, &e.ExecutionRole.Name} {
		ofAgent := func(role string) bool { return strings.EqualFold(*name, role) } // IAM names are case-insensitive
		if d.has(name) && (ofAgent(n.Agent()) || ofAgent(n.Service())) {
			d.bad(name, "Duplicate role name", "%s is the name of the agent's role. → choose another name")
		}
	}
	if task, execution := &e.TaskRole.Name, &e.ExecutionRole.Name; strings.EqualFold(*task, *execution) {
		second := execution
		if !d.has(execution) {
			second = task
		}
		if d.has(second) {
			d.bad(second, "Duplicate role name", "%s is the name of both the task role and the execution role, which need different permissions. → choose another name for one of them")
		}
	}
}

// checkResults: policies and statements of one's own may allow what s3 does not.
func (d *decoder) checkResults(e *Environment) {
	r := e.TaskRole
	more := r.Ownership == "external" || len(r.Policies)+len(r.Statements) > 0
	if e.Flows.Results && d.has(&e.Flows.Results) && r.S3 == "none" && !more {
		d.errorAt(d.given[&e.Flows.Results].attr.Expr.Range(), "No access to the bucket",
			`With s3 = "none" in the task_role block, flows cannot store results in the flow bucket. → use s3 = "bucket", or leave it out`)
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
			d.bad(&b.Name, "Invalid bucket name", `%s ends like a name in the account-regional namespace. → choose another name, or set namespace = "account-regional"`)
		}
	case noRegionalNamespace[p.Region]:
		d.errorAt(d.bucketPlace(e), "No account-regional namespace", fmt.Sprintf(
			`%s does not support it. → use the global namespace: bucket { namespace = "global" }`, p.Region))
	case named && !regional(b.Name, p):
		d.bad(&b.Name, "Invalid bucket name", "%s does not end in the account and the region, as names in the account-regional namespace must. "+
			`→ use, for example, "data-${account}-${region}-an", or set namespace = "global"`)
	}
}

// regional reports whether a name can be in the account-regional namespace of a
// place. If the account or the region is not known yet, it checks only the form.
func regional(name string, p Place) bool {
	if p.Account == "" || p.Region == "" {
		return regionalName.matches(name)
	}
	return strings.HasSuffix(name, "-"+p.names("").BucketSuffix())
}

func (d *decoder) bucketPlace(e *Environment) hcl.Range {
	if d.written(&e.Bucket.Namespace) {
		return d.given[&e.Bucket.Namespace].attr.Expr.Range()
	}
	if b := d.blockOf(e.Bucket); b != nil {
		return b.DefRange()
	}
	return d.file.block.DefRange()
}
