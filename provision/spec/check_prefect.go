package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/flowbed/flowbed/provision/prefect"
)

// poolName leaves room in the task definition's family, prefect_<pool>_<uuid>: ECS
// allows 255 of these characters there.
var poolName = compile(`^[A-Za-z0-9_-]{1,210}$`)

func (d *decoder) checkPrefect(p *Prefect) {
	kind := d.checkVersion(p)
	if kind == prefect.Agent1 {
		const use = "→ remove it, or use Prefect 3"
		d.refuse(&p.WorkPool, "work_pool with Prefect 1", "Prefect 1 has no work pools: an agent picks flows by their labels. "+use)
		d.refuse(&p.ConcurrencyLimit, "concurrency_limit with Prefect 1", "Prefect 1 has no work pools, and the limit applies to a work pool. "+use)
		const key = "Prefect 1 does not support auth_string. → if the backend requires a key or a token, use api_key; a Prefect Server does not"
		d.refuse(&p.AuthString, "auth_string with Prefect 1", key)
		d.refuse(&p.AuthStringFrom, "auth_string_from with Prefect 1", key)
	}
	if d.has(&p.Events) && *p.Events {
		d.checkEvents(p, kind)
	}
	d.checkPool(p)
	cloud := d.has(&p.APIURL) && d.checkURL(p, kind)
	d.checkSecrets(p, kind, cloud)
	d.checkCA(p)
}

// checkEvents: without the attribute, only Prefect 3 has events.
func (d *decoder) checkEvents(p *Prefect, kind prefect.Kind) {
	old := map[prefect.Kind]string{prefect.Agent1: "Prefect 1", prefect.Worker2: "Prefect 2"}[kind]
	if old != "" {
		d.refuse(&p.Events, "events with "+old, "Only the worker of Prefect 3 reads the events of its tasks. → remove it, or use Prefect 3")
	}
}

// refuse reports a field that must not be set.
func (d *decoder) refuse(field any, summary, detail string) {
	if d.written(field) {
		d.errorAt(d.given[field].attr.NameRange, summary, detail)
	}
}

// kind is how the agent works, or Unsupported if that is not known.
func (d *decoder) kind(p *Prefect) prefect.Kind {
	switch {
	case !d.written(&p.Version):
		return kindOf(DefaultPrefectVersion)
	case !d.has(&p.Version):
		return prefect.Unsupported
	}
	return kindOf(p.Version)
}

// checkVersion returns the kind of the version.
func (d *decoder) checkVersion(p *Prefect) prefect.Kind {
	if !d.has(&p.Version) {
		return d.kind(p)
	}
	v, err := prefect.ParseVersion(p.Version)
	switch {
	case err != nil:
		d.bad(&p.Version, "Unsupported Prefect version", "%s is not an exact version. → use all three numbers, for example %q: a replaced agent must run the same version", DefaultPrefectVersion)
	case v.Why() != "":
		d.bad(&p.Version, "Unsupported Prefect version", "%s is not supported: %s. → the newest version known to work is %q", v.Why(), DefaultPrefectVersion)
	case !v.Released() && !v.Newer():
		d.bad(&p.Version, "Unknown Prefect version", "There was no release %s of Prefect. → the newest version known to work is %q", DefaultPrefectVersion)
	case !v.Released():
		d.warnAt(d.given[&p.Version].attr.Expr.Range(), "New Prefect version", fmt.Sprintf(
			"%s is newer than all versions that this version of flowbed knows, so its worker was not tested. If there is no such release, up waits for the agent in vain. → the newest version known to work is %q",
			d.shown(&p.Version), DefaultPrefectVersion))
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

func (p *Prefect) claims() []claim {
	if kindOf(p.Version) == prefect.Agent1 {
		return nil
	}
	return []claim{{what: "work pool", name: &p.WorkPool, within: everywhere, api: &p.APIURL}}
}

// checkParts checks which of the blocks for Prefect can be together, and with which
// version of it.
func (d *decoder) checkParts(e *Environment) {
	p, a := e.Prefect, e.Agent
	if p == nil {
		d.checkWithoutPrefect(e)
		return
	}
	d.checkCAVariables(e)
	switch kind := d.kind(p); kind {
	case prefect.Agent1:
		if a == nil {
			d.errorAt(d.blockOf(p).DefRange(), "Prefect 1 without an agent",
				"Prefect 1 has no work pool that flowbed could create for an agent elsewhere. → add an agent block: agent {}")
			return
		}
		d.refuse(&a.WorkQueues, "work_queues with Prefect 1", "Prefect 1 has no work queues: an agent picks flows by their labels. → use labels")
		d.refuseFlows(e.Flows, "flows with Prefect 1",
			"Prefect 1 has no work pool, which would hold these defaults. → set them in the run_config of each flow, and remove this block")
	case prefect.Worker2, prefect.Worker3:
		if a != nil {
			d.refuse(&a.Labels, "labels without Prefect 1",
				"Only Prefect 1 has labels: a worker runs the flows of its work pool. → remove them, or use Prefect 1, for example version = \"1.4.1\"")
		}
	}
}

func (d *decoder) checkWithoutPrefect(e *Environment) {
	switch b := d.blockOf(e.Agent); {
	case d.misspells(d.file.layers(), "prefect"):
	case e.Agent != nil && len(blocksOf(b.Body, "prefect")) > 0: // has been reported
	case e.Agent != nil && d.turnedOff("prefect"):
		d.errorAt(d.file.block.DefRange(), "Agent without Prefect",
			"The prefect block is turned off here, and the agent needs it. → turn off the agent, too: agent { enabled = false }")
	case e.Agent != nil:
		d.errorAt(b.DefRange(), "Missing block", `An agent needs a Prefect API. → add beside the agent block: prefect { api_url = "…" }`)
	default:
		d.refuseFlows(e.Flows, "flows without Prefect",
			`These are the defaults of a work pool in Prefect. → add beside this block: prefect { api_url = "…" }`)
	}
}

// turnedOff reports whether the file describes a block that the environment does not have.
func (d *decoder) turnedOff(name string) bool {
	return slices.ContainsFunc(d.file.layers(), func(b *hclsyntax.Block) bool { return len(blocksOf(b.Body, name)) > 0 })
}

// refuseFlows reports a flows block that has no effect, unless the environment has it
// only from the defaults.
func (d *decoder) refuseFlows(f *Flows, summary, detail string) {
	if b := d.blockOf(f); b != nil && slices.Contains(blocksOf(d.file.block.Body, "flows"), b) {
		d.errorAt(b.DefRange(), summary, detail)
	}
}

func (d *decoder) checkQueues(a *Agent) {
	for i, q := range a.WorkQueues {
		switch {
		case !queueName.matches(q):
			d.badElement(&a.WorkQueues, i, q, "Invalid work queue", "%s is not a valid name of a work queue. → use up to 200 characters, without a slash, a percent sign or a space at either end")
		case slices.Contains(a.WorkQueues[:i], q):
			d.badElement(&a.WorkQueues, i, q, "Duplicate", "%s is in the list twice. → remove one of them")
		}
	}
}

// queueName: Prefect refuses some characters in names, because they are part of URLs.
var queueName = compile(`^[^/%&<>\x00-\x20\x7f]([^/%&<>\x00-\x1f\x7f]{0,198}[^/%&<>\x00-\x20\x7f])?$`)

func (d *decoder) checkLabels(p *Agent) {
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
