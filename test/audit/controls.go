package audit

import "slices"

// Control is a published rule, and how an account is judged by it.
type Control struct {
	IDs    string // of Security Hub, CIS v5.0, Checkov, Trivy; "–" if nobody has numbered it
	Want   string // what it demands
	Looks  string // where that is looked up
	Faults func(*Account) []string
}

// Controls are the controls that every environment passes. docs/security.md has
// the same table.
var Controls = slices.Concat(machineControls, networkControls, storageControls, roleControls)

// Faults are what the controls find fault with, each with the control's words.
func (a *Account) Faults() (list []string) {
	for _, c := range Controls {
		for _, f := range c.Faults(a) {
			list = append(list, c.IDs+": "+c.Want+": "+f)
		}
	}
	return list
}

// each collects the names of those that do not pass, and says so if there is
// nothing to look at: a control that judges nothing has not been passed.
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
