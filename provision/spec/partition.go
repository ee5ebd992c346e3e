package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/secret"
)

// partitions are the partitions of AWS, by what the names of their regions begin with. All
// other regions are in "aws".
var partitions = map[string]string{"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc", "us-iso": "", "eu-iso": ""}

// partition returns the partition of a region; empty if it is not certain.
func partition(region string) string {
	for prefix, p := range partitions {
		if strings.HasPrefix(region, prefix) {
			return p
		}
	}
	return "aws"
}

// checkPartitions refuses secrets that no role of this account can read: partitions of AWS
// have nothing in common, not even the credentials.
func (d *decoder) checkPartitions(e *Environment, p Place) {
	d.checkKeyPlace(e, p)
	d.checkFromPlace(e, p)
	g := d.given[&e.Flows.Secrets]
	for _, name := range slices.Sorted(maps.Keys(e.Flows.Secrets)) {
		r, err := secret.Parse(e.Flows.Secrets[name])
		if why := outOfReach(r, p); err == nil && why != "" {
			d.errorAt(d.keyRange(g, name), "Invalid secret", d.shownKey(g, "secret", name)+" "+why)
		}
	}
}

// checkFromPlace does the same for the secret of the API. The parameter that flowbed makes is
// none that exists: up would delete it, because no file says its value.
func (d *decoder) checkFromPlace(e *Environment, p Place) {
	if e.Prefect == nil {
		return
	}
	for _, s := range e.Prefect.secretFields() {
		text := *s.field
		if !strings.HasSuffix(s.name, "_from") || text == "" || !d.has(s.field) {
			continue
		}
		at, own := d.given[s.field].attr.Expr.Range(), names.Names{Env: e.Name}.APIKey()
		r, err := secret.Parse(text)
		switch why := outOfReach(r, p); {
		case err != nil && "/"+strings.TrimPrefix(text, "/") == own,
			err == nil && r.Service == secret.SSM && "/"+r.Name == own && (p.Region == "" || r.Region == p.Region):
			d.errorAt(at, "Invalid "+s.name, "This is the parameter that flowbed makes for api_key and auth_string, and deletes without them. → use a secret of your own")
		case err == nil && why != "":
			d.errorAt(at, "Invalid "+s.name, "The secret "+why)
		}
	}
}

// outOfReach explains why nothing in a place can read a secret; empty if it can.
func outOfReach(r secret.Ref, p Place) string {
	at := partition(r.Region)
	switch here := partition(p.Region); {
	case at != "" && at != r.Partition:
		return fmt.Sprintf("has an ARN that does not exist: the region %s is not in the partition %s. → copy the ARN from the secret", r.Region, r.Partition)
	case p.Region != "" && here != "" && here != r.Partition:
		return fmt.Sprintf("is in the partition %s of AWS, and nothing in %s can read it. → copy the secret to %s", r.Partition, p.Region, p.Region)
	}
	return ""
}
