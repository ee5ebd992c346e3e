package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
)

// The pool's name goes into the task definition's family, prefect_<pool>_<uuid>,
// for which ECS has 255 of these characters.
var poolName = compile(`^[A-Za-z0-9_-]{1,210}$`)

func (d *decoder) checkPrefect(p *Prefect) {
	kind := d.checkVersion(p)
	switch kind {
	case prefect.Agent1:
		const use = "Remove it, or use Prefect 3."
		d.refuse(&p.WorkPool, "Work pool with Prefect 1", "Prefect 1 has no work pools: an agent takes flows by their labels. "+use)
		d.refuse(&p.ConcurrencyLimit, "Limit with Prefect 1", "Prefect 1 has no work pools, and the limit is a pool's. "+use)
		d.refuse(&p.AuthString, "User and password with Prefect 1", "Prefect 1 knows no auth_string. Use api_key for the key or the token of a backend that asks for one; a Prefect Server does not.")
	case prefect.Worker2, prefect.Worker3:
		d.refuse(&p.Labels, "Labels without Prefect 1",
			"A worker takes the runs of its work pool, and has no labels: these are Prefect 1's. Remove them, or use for example version = \"1.4.1\".")
	}
	d.checkPool(p)
	d.checkLabels(p)
	cloud := d.has(&p.APIURL) && d.checkURL(p, kind)
	d.checkSecrets(p, kind, cloud)
	d.checkCA(p)
}

// refuse reports a field that must not be there.
func (d *decoder) refuse(field any, summary, detail string) {
	if d.written(field) {
		d.errorAt(d.given[field].attr.NameRange, summary, detail)
	}
}

// checkVersion says how the agent works, or Unsupported if that cannot be told.
func (d *decoder) checkVersion(p *Prefect) prefect.Kind {
	switch {
	case !d.written(&p.Version):
		return kindOf(DefaultPrefectVersion)
	case !d.has(&p.Version):
		return prefect.Unsupported
	}
	v, err := prefect.ParseVersion(p.Version)
	switch {
	case err != nil:
		d.bad(&p.Version, "Unsupported Prefect version", "%s is no exact version. Write all three numbers, for example %q: an agent that is replaced must come back the same.", DefaultPrefectVersion)
	case v.Why() != "":
		d.bad(&p.Version, "Unsupported Prefect version", "%s cannot be used: %s. The newest that is known to work is %q.", v.Why(), DefaultPrefectVersion)
	}
	return v.Kind()
}

// kindOf is Unsupported for what is no version.
func kindOf(version string) prefect.Kind {
	v, err := prefect.ParseVersion(version)
	if err != nil {
		return prefect.Unsupported
	}
	return v.Kind()
}

func (d *decoder) checkPool(p *Prefect) {
	if d.has(&p.ConcurrencyLimit) && *p.ConcurrencyLimit < 1 {
		d.errorAt(d.given[&p.ConcurrencyLimit].attr.Expr.Range(), "Impossible limit", "With fewer than 1 no flow would ever run. Leave the limit out to have none.")
	}
	switch {
	case !d.has(&p.WorkPool):
	case !poolName.matches(p.WorkPool):
		d.bad(&p.WorkPool, "Bad work pool name", "%s is no name for a work pool. Use up to 210 letters, digits, hyphens and underscores: ECS takes no others in the names of the pool's tasks.")
	case strings.HasPrefix(strings.ToLower(p.WorkPool), "prefect"):
		d.bad(&p.WorkPool, "Bad work pool name", `%s begins with "prefect", which Prefect keeps for pools of its own. Choose another name.`)
	}
}

func (d *decoder) checkLabels(p *Prefect) {
	for i, l := range p.Labels {
		switch {
		case l == "" || strings.TrimSpace(l) != l || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f }):
			d.badElement(&p.Labels, i, l, "Bad label", "%s is empty, or has spaces around it or a line break in it, and no flow will ever have it.")
		case slices.Contains(p.Labels[:i], l):
			d.badElement(&p.Labels, i, l, "Duplicate", "%s is listed twice. Remove one.")
		}
	}
}

// checkMemory warns of the types with less than 1 GiB: installing and running
// the agent takes more than half of one.
func (d *decoder) checkMemory(a *Agent) {
	if _, size, _ := strings.Cut(a.InstanceType, "."); d.has(&a.InstanceType) && size == "nano" {
		d.warnAt(d.given[&a.InstanceType].attr.Expr.Range(), "Little memory", fmt.Sprintf(
			"An instance of the type %s has 0.5 GiB of memory, which Prefect's agent needs for itself. Use one with 1 GiB or more, such as \"t2.micro\".",
			strings.ToLower(d.shown(&a.InstanceType))))
	}
}
