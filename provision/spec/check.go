package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// bad reports the value of a field. The first %s of the format is the value, or
// "The value" if it must not be shown.
func (d *decoder) bad(field any, summary, format string, args ...any) {
	g := d.given[field]
	d.errorAt(g.attr.Expr.Range(), summary, fmt.Sprintf(format, append([]any{d.shown(field)}, args...)...))
}

// badElement does what bad does, for one element of a list.
func (d *decoder) badElement(field any, i int, value, summary, format string, args ...any) {
	g := d.given[field]
	shown := "The value"
	if d.showable(field) {
		shown = quote(value)
	}
	d.errorAt(elementRange(g.attr.Expr, i), summary, fmt.Sprintf(format, append([]any{shown}, args...)...))
}

// elementRange is the range of a list's element, or of the whole expression if the
// list is not written out.
func elementRange(expr hclsyntax.Expression, i int) hcl.Range {
	if t, ok := expr.(*hclsyntax.TupleConsExpr); ok && i < len(t.Exprs) {
		return t.Exprs[i].Range()
	}
	return expr.Range()
}

// shown is a field's value in quotes, or "The value" if it must not be shown.
func (d *decoder) shown(field any) string {
	switch p := field.(type) {
	case *string:
		if d.showable(field) {
			return quote(*p)
		}
	case *int:
		if d.showable(field) {
			return fmt.Sprint(*p)
		}
	}
	return "The value"
}

// showable reports whether messages may show a field's value.
func (d *decoder) showable(field any) bool {
	g := d.given[field]
	return g.open && !d.file.hidden.closed(g.attr.Expr.Range())
}

// has reports whether a field has a value that can be checked now.
func (d *decoder) has(field any) bool {
	return d.given[field].set
}

// written reports whether the file sets a field to anything but null.
func (d *decoder) written(field any) bool {
	g, ok := d.given[field]
	return ok && !g.null
}

// undecidedField reports whether the file sets a field whose value is not known yet.
func (d *decoder) undecidedField(field any) bool { return d.written(field) && !d.has(field) }

// oneOf checks a field that accepts only some words.
func (d *decoder) oneOf(field *string, what string, words ...string) {
	if d.has(field) && !slices.Contains(words, *field) {
		hint := ""
		if d.showable(field) {
			hint = didYouMean(*field, words)
		}
		d.bad(field, "Invalid "+what, "%s is not a valid %s.%s", what, advice(hint, "use "+list(words, "or")))
	}
}

var ownerships = []string{"own", "adopt", "external"}

// check checks the attributes that down does not need.
func (d *decoder) check(e *Environment) {
	d.checkTags(e)
	d.checkTTL(e)
	d.checkKey(e)
	for b := range blocks[checker](e) {
		b.check(d)
	}
	d.checkParts(e)
	d.checkReach(e)
}

func (r *TaskRole) check(d *decoder) {
	d.oneOf(&r.Ownership, "ownership", ownerships...)
	d.oneOf(&r.S3, "S3 access", "bucket", "full", "none")
	d.oneOf(&r.ECR, "ECR access", "pull", "repository", "full", "none")
	d.checkPolicies(&r.Policies, r.Statements)
}

func (r *ExecutionRole) check(d *decoder) { d.oneOf(&r.Ownership, "ownership", ownerships...) }

func (c *Cluster) check(d *decoder) {
	d.oneOf(&c.Ownership, "ownership", ownerships...)
	d.checkProviders(c)
}

func (p *Prefect) check(d *decoder) { d.checkPrefect(p) }

func (a *Agent) check(d *decoder) { d.checkAgent(a) }

func (b *Bucket) check(d *decoder) {
	d.oneOf(&b.Ownership, "ownership", ownerships...)
	if d.has(&b.ExpireDays) && (b.ExpireDays < 0 || b.ExpireDays > 1<<31-1) {
		d.bad(&b.ExpireDays, "Invalid expire_days", "%s is not a number of days that S3 accepts. → use 0 to keep objects forever, or the number of days after which S3 deletes them")
	}
	b.checkVersions(d)
	b.checkAccessLogs(d)
}

func (l *Logs) check(d *decoder) {
	if d.has(&l.RetentionDays) && !slices.Contains(retentions, l.RetentionDays) {
		d.bad(&l.RetentionDays, "Invalid retention", "CloudWatch does not offer a retention of %s days. → %s", nearestRetentions(l.RetentionDays))
	}
}

// retentions are the periods that CloudWatch Logs offers, in days.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func nearestRetentions(days int) string {
	i, _ := slices.BinarySearch(retentions, days)
	switch {
	case i == 0:
		return fmt.Sprintf("the shortest time is %d", retentions[0])
	case i == len(retentions):
		return fmt.Sprintf("the longest time is %d", retentions[i-1])
	}
	return fmt.Sprintf("the nearest times are %d and %d", retentions[i-1], retentions[i])
}

func (d *decoder) checkProviders(c *Cluster) {
	if d.has(&c.CapacityProviders) && len(c.CapacityProviders) == 0 {
		d.errorAt(d.given[&c.CapacityProviders].attr.Expr.Range(), "No capacity provider",
			`A cluster needs a capacity provider to run flows. → use "FARGATE", "FARGATE_SPOT" or both`)
	}
	for i, p := range c.CapacityProviders {
		known := []string{"FARGATE", "FARGATE_SPOT"}
		switch {
		case !slices.Contains(known, p):
			d.badElement(&c.CapacityProviders, i, p, "Invalid capacity provider", "%s is not a Fargate capacity provider. → use %s", list(known, "or"))
		case slices.Contains(c.CapacityProviders[:i], p):
			d.badElement(&c.CapacityProviders, i, p, "Duplicate", "%s is in the list twice. → remove one of them")
		}
	}
}

func (n *Network) check(d *decoder) {
	n.checkNew(d)
	n.checkLent(d)
	if n.Egress != nil {
		n.Egress.check(d)
		d.checkEgressOfOthers(n)
	}
	if d.has(&n.VPC) && n.VPC != "default" && !n.New() && !objectID("vpc", n.VPC) {
		d.bad(&n.VPC, "Invalid VPC", `%s is not a VPC id. → use "default", "new", or an id such as "vpc-0a1b2c3d4e5f67890"`)
	}
	d.checkIDs(&n.Subnets, "subnet", "subnet", "subnet-0a1b2c3d4e5f67890")
	d.checkIDs(&n.SecurityGroups, "security group", "sg", "sg-0a1b2c3d4e5f67890")
	if d.has(&n.SecurityGroups) && len(n.SecurityGroups) > maxGroups {
		d.errorAt(d.given[&n.SecurityGroups].attr.Expr.Range(), "Too many security groups", fmt.Sprintf(
			"ECS accepts at most %d security groups for a task. → leave some out, or merge them", maxGroups))
	}
}

// maxGroups is how many security groups a task can have:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
const maxGroups = 5

// checkIDs checks a list of ids of one kind of EC2 object.
func (d *decoder) checkIDs(field *[]string, what, prefix, example string) {
	for i, id := range *field {
		switch {
		case !objectID(prefix, id):
			d.badElement(field, i, id, "Invalid "+what, "%s is not a "+what+" id. → use an id such as %q", example)
		case slices.Contains((*field)[:i], id):
			d.badElement(field, i, id, "Duplicate", "%s is in the list twice. → remove one of them")
		}
	}
}

// objectID reports whether id is an EC2 id: the prefix, and 8 (old) or 17
// hexadecimal digits.
func objectID(prefix, id string) bool {
	digits, ok := strings.CutPrefix(id, prefix+"-")
	return ok && (len(digits) == 8 || len(digits) == 17) && strings.Trim(digits, "0123456789abcdef") == ""
}
