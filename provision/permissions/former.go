package permissions

import "github.com/flowbed/flowbed/provision/spec"

// former is what is needed for an object under the name that the spec does not
// have to give, where it gives another: an earlier one may have left it out. What
// earlier specs have named otherwise is not known here.
func (t *table) former(step, name, byDefault, ownership string, k kind) {
	if name != byDefault || ownership == "external" {
		t.add("old "+step, unwanted, k)
	}
}

func (t *table) defaults() spec.Environment {
	return spec.Defaults(t.id.Env, spec.Place{Account: t.id.Account, Region: t.id.Region})
}
