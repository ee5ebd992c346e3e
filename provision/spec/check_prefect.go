package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
)

// poolName leaves room in the task definition's family, prefect_<pool>_<uuid>: ECS
// allows 255 of these characters there.
var poolName = compile(`^[A-Za-z0-9_-]{1,210}$`)

func (d *decoder) checkPrefect(p *Prefect) {
	kind := d.checkVersion(p)
	switch kind {
	case prefect.Agent1:
		const use = "→ remove it, or use Prefect 3"
		d.refuse(&p.WorkPool, "work_pool with Prefect 1", "Prefect 1 has no work pools: an agent picks flows by their labels. "+use)
		d.refuse(&p.ConcurrencyLimit, "concurrency_limit with Prefect 1", "Prefect 1 has no work pools, and the limit applies to a work pool. "+use)
		d.refuse(&p.AuthString, "auth_string with Prefect 1", "Prefect 1 does not support auth_string. → if the backend requires a key or a token, use api_key; a Prefect Server does not")
	case prefect.Worker2, prefect.Worker3:
		d.refuse(&p.Labels, "labels without Prefect 1",
			"Only Prefect 1 has labels: a worker runs the flows of its work pool. → remove them, or use Prefect 1, for example version = \"1.4.1\"")
	}
	d.checkPool(p)
	d.checkLabels(p)
	cloud := d.has(&p.APIURL) && d.checkURL(p, kind)
	d.checkSecrets(p, kind, cloud)
	d.checkCA(p)
}

// refuse reports a field that must not be set.
func (d *decoder) refuse(field any, summary, detail string) {
	if d.written(field) {
		d.errorAt(d.given[field].attr.NameRange, summary, detail)
	}
}

// checkVersion returns how the agent works, or Unsupported if it cannot tell.
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
		d.bad(&p.Version, "Unsupported Prefect version", "%s is not an exact version. → use all three numbers, for example %q: a replaced agent must run the same version", DefaultPrefectVersion)
	case v.Why() != "":
		d.bad(&p.Version, "Unsupported Prefect version", "%s is not supported: %s. → the newest version known to work is %q", v.Why(), DefaultPrefectVersion)
	}
	return v.Kind()
}

// kindOf is the Kind of a version, or Unsupported if it is not a version.
func kindOf(version string) prefect.Kind {
	v, err := prefect.ParseVersion(version)
	if err != nil {
		return prefect.Unsupported
	}
	return v.Kind()
}

func (d *decoder) checkPool(p *Prefect) {
	if d.has(&p.ConcurrencyLimit) && *p.ConcurrencyLimit < 1 {
		d.errorAt(d.given[&p.ConcurrencyLimit].attr.Expr.Range(), "Invalid concurrency_limit", "With a limit below 1, no flow would ever run. → for no limit, leave it out")
	}
	switch {
	case !d.has(&p.WorkPool):
	case !poolName.matches(p.WorkPool):
		d.bad(&p.WorkPool, "Invalid work pool name", "%s is not a valid work pool name. → use up to 210 letters, digits, hyphens and underscores: ECS accepts no others in the names of the pool's tasks")
	case strings.HasPrefix(strings.ToLower(p.WorkPool), "prefect"):
		d.bad(&p.WorkPool, "Invalid work pool name", `%s starts with "prefect", which Prefect reserves for its own pools. → choose another name`)
	}
}

func (d *decoder) checkLabels(p *Prefect) {
	for i, l := range p.Labels {
		switch {
		case l == "" || strings.TrimSpace(l) != l || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f }):
			d.badElement(&p.Labels, i, l, "Invalid label", "%s is empty, starts or ends with a space, or contains a line break, so no flow can have it.")
		case slices.Contains(p.Labels[:i], l):
			d.badElement(&p.Labels, i, l, "Duplicate", "%s is in the list twice. → remove one of them")
		}
	}
}

// checkMemory warns about types with less than 1 GiB: the agent needs more than
// 0.5 GiB to install and run.
func (d *decoder) checkMemory(a *Agent) {
	if _, size, _ := strings.Cut(a.InstanceType, "."); d.has(&a.InstanceType) && size == "nano" {
		d.warnAt(d.given[&a.InstanceType].attr.Expr.Range(), "Little memory", fmt.Sprintf(
			"An instance of type %s has 0.5 GiB of memory, and the agent alone needs that much. → use a type with 1 GiB or more, such as \"t2.micro\"",
			strings.ToLower(d.shown(&a.InstanceType))))
	}
}
