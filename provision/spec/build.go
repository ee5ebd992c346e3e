package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

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
// defaults. Of the pointers to blocks, only Prefect, Repository, Agent and Agent.SSH can
// be nil. An error is an [*Error].
func (f *File) Environment(p Place) (*Environment, error) {
	if !accountID.matches(p.Account) || !regionName.matches(p.Region) {
		return nil, f.fail(hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Unknown account or region",
			Detail: fmt.Sprintf("An environment needs an account and a region, but the account is %q and the region is %q. → set region in the file, or use --region", p.Account, p.Region),
		}})
	}
	e, d, diags := f.build(p)
	f.unset = d.unset
	if diags.HasErrors() {
		return nil, f.fail(diags)
	}
	f.Warnings = append(f.regionWarning(), f.hidden.scrub(diags)...)
	return e, nil
}

// Unset returns an error if one of these fields of the environment that Environment returned
// last has no value, or only its default, because something that the file refers to is
// missing. That can be so only with Options.Destroy.
func (f *File) Unset(fields ...any) error {
	for _, u := range f.unset {
		if slices.Contains(fields, u.field) {
			return &UnsetError{u.name, strings.TrimPrefix(u.remedy, " → ")}
		}
	}
	return nil
}

// UnsetError is about an attribute that has no value, because a variable, an environment
// variable or a file is missing.
type UnsetError struct{ attribute, remedy string }

func (e *UnsetError) Error() string {
	return fmt.Sprintf("%s has no value, because a variable, an environment variable or a file is missing", e.attribute)
}

// Hint is what to do about it.
func (e *UnsetError) Hint() string { return e.remedy }

// build decodes the environment, checks it, and fills in its defaults. Fields of p
// that are not known yet are empty.
func (f *File) build(p Place) (*Environment, *decoder, hcl.Diagnostics) {
	e := &Environment{Name: f.name}
	d := f.newDecoder(p)
	if f.block != nil {
		d.block(f.layers(), reflect.ValueOf(e).Elem())
	} else {
		e.Agent, e.Prefect = &Agent{SSH: &SSH{}}, &Prefect{}
	}
	d.checkNames(e)
	if !f.o.Destroy {
		d.check(e)
	}
	if f.o.partial {
		d.checkLocals()
	}
	full := p.orExample()
	e.Region, e.Account = full.Region, full.Account
	e.complete(full)
	d.checkTogether(e, p)
	d.checkOutside(e)
	f.hideKey(e)
	return e, d, distinct(d.diags)
}

func (f *File) newDecoder(p Place) *decoder {
	d := &decoder{file: f, given: map[any]given{}, blocks: map[any]layers{}, told: map[string]bool{}}
	if f.functions != nil {
		d.scope = f.newScope(p)
	}
	return d
}

// layers are the blocks that describe the selected environment.
func (f *File) layers() layers {
	if f.defaults == nil {
		return layers{f.block}
	}
	return layers{f.block, f.defaults}
}

// locate evaluates the region and the account of the selected environment first,
// because other attributes may refer to them.
func (f *File) locate() {
	d := f.newDecoder(Place{})
	var e Environment
	mm := members(reflect.TypeFor[Environment]())
	for _, m := range mm {
		if m.place { // build reports what is wrong with them
			d.attribute(f.layers(), m, d.sources(f.layers(), mm, m), reflect.ValueOf(&e).Elem().Field(m.index))
		}
	}
	f.account, f.region = "", ""
	if accountID.matches(e.Account) { // if not, build goes on with the example
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
	if p := e.Prefect; p != nil {
		f.hidden.add(p.APIKey)
		f.hidden.add(p.AuthString)
		if _, password, _ := strings.Cut(p.AuthString, ":"); len(password) >= 8 {
			f.hidden.add(password)
		}
	}
}
