package spec

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/flowbed/flowbed/provision/names"
)

// Place is the account and the region of an environment.
type Place struct {
	Account string // 12 digits
	Region  string // for example "us-east-1"
}

// names are those that the environment env has in this place.
func (p Place) names(env string) names.Names {
	return names.Names{Env: env, Account: p.Account, Region: p.Region}
}

func (p Place) orExample() Place {
	if p.Account == "" {
		p.Account = exampleAccount
	}
	if p.Region == "" {
		p.Region = exampleRegion
	}
	return p
}

// Environment evaluates the selected environment for a place and fills in all
// defaults. Of the pointers to blocks, only Agent, Agent.SSH and (to remove an
// environment) Agent.Prefect can be nil. An error is an [*Error].
func (f *File) Environment(p Place) (*Environment, error) {
	if !accountID.matches(p.Account) || !regionName.matches(p.Region) {
		return nil, f.fail(hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Unknown account or region",
			Detail: fmt.Sprintf("An environment needs an account and a region, but the account is %q and the region is %q. → set region in the file, or use --region", p.Account, p.Region),
		}})
	}
	e, diags := f.build(p)
	f.hideKey(e)
	if diags.HasErrors() {
		return nil, f.fail(diags)
	}
	f.Warnings = f.hidden.scrub(diags)
	return e, nil
}

// build decodes the environment, checks it, and fills in its defaults. Fields of p
// that are not known yet are empty.
func (f *File) build(p Place) (*Environment, hcl.Diagnostics) {
	e := &Environment{Name: f.name}
	d := &decoder{file: f, given: map[any]given{}, blocks: map[any]*hclsyntax.Block{}, told: map[string]bool{}}
	if f.body != nil {
		d.scope = f.newScope(p)
		d.block(f.block, reflect.ValueOf(e).Elem())
	} else {
		e.Agent = &Agent{SSH: &SSH{}, Prefect: &Prefect{}}
	}
	d.checkNames(e)
	if !f.o.Destroy {
		d.check(e)
	}
	full := p.orExample()
	e.Region, e.Account = full.Region, full.Account
	e.complete(full)
	d.checkTogether(e, p)
	d.checkOutside(e)
	return e, d.diags
}

// whereabouts evaluates the region and the account of the selected environment
// first, because other attributes may refer to them.
func (d *decoder) whereabouts(b *hclsyntax.Block) {
	f := d.file
	d.scope = scope{facts: f.context(Place{})}
	d.given, d.told = map[any]given{}, map[string]bool{}
	var e Environment
	for _, m := range members(reflect.TypeFor[Environment]()) {
		attr := b.Body.Attributes[m.name]
		if m.name != "region" && m.name != "account" || attr == nil || m.name == "region" && f.o.Region != "" {
			continue
		}
		before := len(d.diags)
		d.attribute(b, m, reflect.ValueOf(&e).Elem().Field(m.index))
		d.diags = d.diags[:before] // build reports it
	}
	if accountID.matches(e.Account) { // if not, build reports it and goes on with the example
		f.account = e.Account
	}
	if regionName.matches(e.Region) {
		f.region = e.Region
	}
	if f.o.Region != "" {
		f.region = f.o.Region
	}
}

// hideKey registers the API's secret, wherever it comes from, and the password on
// its own, without the user.
func (f *File) hideKey(e *Environment) {
	if e.Agent != nil && e.Agent.Prefect != nil {
		p := e.Agent.Prefect
		f.hidden.add(p.APIKey)
		f.hidden.add(p.AuthString)
		if _, password, _ := strings.Cut(p.AuthString, ":"); len(password) >= 8 {
			f.hidden.add(password)
		}
	}
}
