package prefect

import "testing"

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		text  string
		kind  Kind
		aws   string
		day   string
		stays bool
		tags  bool
	}{
		{"3.10.0", Worker3, "0.7.12", "", true, false}, // not out yet
		{"3.9.1", Worker3, "0.7.12", "2026-10-31T00:00:00Z", true, false},
		{"3.8.4", Worker3, "0.7.11", "2026-08-26T00:00:00Z", true, false},
		{"3.8.3", Worker3, "0.7.11", "2026-08-14T00:00:00Z", true, false},
		{"3.6.24", Worker3, "0.7.6", "2026-03-28T00:00:00Z", true, false},
		{"3.6.22", Worker3, "0.7.5", "2026-03-13T00:00:00Z", false, false},
		{"3.4.7", Worker3, "0.6.0", "2025-10-15T00:00:00Z", false, false},
		{"3.4.6", Unsupported, "", "", false, false},
		{"2.20.25", Worker2, "0.4.20", "2025-12-09T00:00:00Z", false, false},
		{"2.19.9", Worker2, "0.4.18", "2024-07-26T00:00:00Z", false, false},
		{"2.18.0", Unsupported, "", "", false, false},
		{"1.4.1", Agent1, "", "", false, false},
		{"1.4.2", Unsupported, "", "", false, false},
		{"0.15.13", Agent1, "", "", false, false},
		{"0.14.12", Agent1, "", "", false, false},
		{"0.14.11", Agent1, "", "", false, true},
		{"0.13.19", Unsupported, "", "", false, false},
		{"4.0.0", Unsupported, "", "", false, false},
	} {
		v, err := ParseVersion(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if v.String() != c.text || v.Kind() != c.kind || v.AWS() != c.aws || v.Before() != c.day || v.StaysOut() != c.stays || v.FindsByTags() != c.tags {
			t.Errorf("%s: kind %d, prefect-aws %q, %q, %v, %v", v, v.Kind(), v.AWS(), v.Before(), v.StaysOut(), v.FindsByTags())
		}
		if (v.Why() == "") != (c.kind != Unsupported) {
			t.Errorf("%s: %q", v, v.Why())
		}
	}
	for _, text := range []string{"", "3", "3.9", "3.9.1rc1", "3.9.1.2", "v3.9.1", "3.09.1", "-3.9.1", "3.9.99999"} {
		if v, err := ParseVersion(text); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
}

func TestReleased(t *testing.T) {
	for text, want := range map[string]bool{
		"3.9.1": true, "2.19.0": true, "1.4.1": true, "0.14.6": true, "3.9.99": false, "2.19.99": false, "4.0.0": false, "3.0.0": false,
	} {
		v, err := ParseVersion(text)
		if err != nil || v.Released() != want {
			t.Errorf("%s: released %v, %v, want %v", text, v.Released(), err, want)
		}
	}
	if v, err := ParseVersion(Latest()); err != nil || !v.Released() {
		t.Errorf("the latest release is %q, %v", Latest(), err)
	}
}
