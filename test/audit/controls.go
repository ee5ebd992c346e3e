package audit

import "slices"

// Control is a published rule, and the check of an account for it.
type Control struct {
	IDs    string // of Security Hub, CIS v5.0, Checkov, Trivy; "–" if it has none
	Want   string // what the control requires
	Looks  string // which setting is checked
	Faults func(*Account) []string
}

// Controls lists the controls that every environment passes. docs/security.md has
// the same table.
var Controls = slices.Concat(machineControls, serviceControls, networkControls, storageControls, queueControls, roleControls)

// Faults returns what violates a control, each with the control's text.
func (a *Account) Faults() (list []string) {
	for _, c := range Controls {
		for _, f := range c.Faults(a) {
			list = append(list, c.IDs+": "+c.Want+": "+f)
		}
	}
	return list
}

// each returns the names of the objects that do not pass. If there are none to
// check, it returns that as a fault, because the control has proved nothing.
func each[T any](all []T, kind string, name func(T) string, passes func(T) bool) (faults []string) {
	if len(all) == 0 {
		return []string{"there is no " + kind}
	}
	for _, o := range all {
		if !passes(o) {
			faults = append(faults, kind+" "+name(o))
		}
	}
	return faults
}
