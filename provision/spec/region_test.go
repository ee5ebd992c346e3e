package spec

import (
	"slices"
	"strings"
	"testing"
)

// TestRegion: what cannot be a region is an error; one that flowbed does not know is a warning, unless
// it is in a partition whose regions flowbed does not list.
func TestRegion(t *testing.T) {
	if list := Regions(); !slices.IsSorted(list) {
		t.Errorf("the regions are not sorted: %q", list)
	}
	for region, want := range map[string]string{
		"us-east-1": "", "eu-central-2": "", "cn-north-1": "", "us-gov-west-1": "", "eusc-de-east-1": "",
		"us-east-9":      `flowbed does not know the region "us-east-9". → did you mean "us-east-1"? Correct it, unless AWS has opened it since`,
		"eu-centrall-1":  `did you mean "eu-central-1"?`,
		"mars-olympus-1": `flowbed does not know the region "mars-olympus-1". → correct it, unless AWS has opened it since`,
	} {
		for text, o := range map[string]Options{
			"environment \"dev\" {\nregion = \"" + region + "\"\n}": {}, `environment "dev" {}`: {Region: region},
		} {
			f, err := load(text, o)
			if err != nil {
				t.Errorf("%s: %v", region, err)
				continue
			}
			have := ""
			for _, w := range f.Warnings {
				have += w.Detail
			}
			if !strings.Contains(have, want) || want == "" && have != "" {
				t.Errorf("%s, --region %s: have %q, want %q", region, o.Region, have, want)
			}
		}
	}
}
