package spec

import (
	"fmt"
	"testing"
	"time"
)

func TestTTL(t *testing.T) {
	for _, c := range []struct {
		ttl  string
		is   time.Duration
		want string // in the diagnostic; empty if it is good
	}{
		{`"8h"`, 8 * time.Hour, ""},
		{`"90m"`, 90 * time.Minute, ""},
		{`"1h30m"`, 90 * time.Minute, ""},
		{`"600s"`, 10 * time.Minute, ""},
		{`"10m"`, 10 * time.Minute, ""},
		{`"8760h"`, 8760 * time.Hour, ""},
		{`null`, 0, ""},
		{`"9m"`, 0, "too short"},
		{`"0h"`, 0, "not a duration"},
		{`"-8h"`, 0, "not a duration"},
		{`"8761h"`, 0, "too long"},
		{`"8"`, 0, "not a duration"},
		{`8`, 0, "not a duration"},
		{`"1.5h"`, 0, "not a duration"},
		{`"11m100ms"`, 0, "not a duration"},
		{`"2d"`, 0, "not a duration"},
		{`""`, 0, "not a duration"},
	} {
		f, err := load(fmt.Sprintf(`environment "dev" { ttl = %s }`, c.ttl), Options{})
		expect(t, err, c.want)
		if err != nil {
			continue
		}
		e, err := f.Environment(Place{Account: "123456789012", Region: "eu-central-1"})
		if err != nil || e.Lifetime() != c.is {
			t.Errorf("%s: have %v and %v, want %v", c.ttl, e.Lifetime(), err, c.is)
		}
	}
}

// A removal has no use for it, right or wrong.
func TestTTLOfARemoval(t *testing.T) {
	f, err := load(`environment "dev" { ttl = "soon" }`, Options{Destroy: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Environment(Place{Account: "123456789012", Region: "eu-central-1"}); err != nil {
		t.Error(err)
	}
}
