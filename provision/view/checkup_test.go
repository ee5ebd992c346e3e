package view

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

var someChecks = []Check{
	{"caller", "ok", "arn:aws:iam::123456789012:user/ada in account 123456789012", ""},
	{"region", "fail", "eu-south-1 is not enabled in the account", "aws account enable-region --region-name eu-south-1, or choose another region"},
	{"instance type", "warn", "t2.micro is not covered by the free tier: an account on the free plan cannot launch it; cannot tell whether this one is", "on the free plan, set agent.instance_type, for example to a type that is free for new accounts in this region: t3.micro"},
}

func TestCheckup(t *testing.T) {
	for name, o := range map[string]Options{
		"plain": {Header: testHeader, Cost: someCost}, "narrow": {Header: testHeader, Width: 60, Color: true}, "bare": {},
	} {
		list := someChecks
		if name == "bare" {
			list = []Check{{"caller", "fail", "no credentials\x1b[2J", ""}}
		}
		var b bytes.Buffer
		if err := Checkup(&b, list, o); err != nil {
			t.Fatal(err)
		}
		golden(t, "checkup/"+name, b.String())
	}
}

// Services put whole encoded documents into their messages; -v shows them.
func TestShorten(t *testing.T) {
	long := strings.Repeat("x", 201)
	for have, want := range map[string]string{
		"denied: " + long + " and more": "denied: " + long[:24] + "… and more",
		"denied: " + long[:200]:         "denied: " + long[:200],
		long:                            long[:24] + "…",
	} {
		if got := shorten(have); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for full, want := range map[bool]string{false: long[:24] + "…", true: long} {
		var b bytes.Buffer
		if err := Error(&b, errors.New(long), Options{Full: full}); err != nil || b.String() != "error: "+want+"\n" {
			t.Errorf("full is %t: %q, %v", full, b.String(), err)
		}
	}
}
