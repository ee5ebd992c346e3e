package view

import (
	"bytes"
	"testing"
	"time"

	"github.com/flowbed/flowbed/provision/cost"
)

var someTime = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

var someEnvironments = []Environment{
	{Name: "ci-4711", Region: "eu-central-1", Created: someTime.Add(-20 * time.Hour), Expires: someTime.Add(-12 * time.Hour),
		Objects: []Object{{"log group", "/flowbed/ci-4711"}, {"role", "flowbed-ci-4711-agent"}, {"role", "flowbed-ci-4711-task"}}, Cost: &cost.Estimate{}},
	{Name: "dev", Region: "eu-central-1", Objects: []Object{{"instance", "i-0a1"}}, Cost: someCost},
	{Name: "try", Region: "us-east-1", Created: someTime.Add(-59 * time.Second), Expires: someTime.Add(90 * time.Minute),
		Cost: new(cost.Of("us-east-1", []cost.Usage{cost.NATGateways(1), cost.Unpriced("volume vol-0a1")}))},
	{Name: "old", Region: "us-east-1", Created: someTime.Add(-100 * 24 * time.Hour), Expires: someTime.Add(47 * time.Hour),
		Objects: []Object{{"x\x1b[2J", "odd"}}, Why: "named"},
}

func TestEnvironments(t *testing.T) {
	everywhere := testHeader
	everywhere.Region = ""
	sandbox := testHeader
	sandbox.Sandbox = true
	for _, c := range []struct {
		name string
		list []Environment
		o    Options
	}{
		{"list", someEnvironments, Options{Verb: "list", Header: everywhere}},
		{"list-none", nil, Options{Verb: "list", Header: sandbox}},
		{"sweep", someEnvironments[3:], Options{Verb: "sweep", Header: testHeader, Color: true}},
		{"sweep-none", nil, Options{Verb: "sweep", Header: testHeader}},
		{"list-unread", nil, Options{Verb: "list", Header: spread("http://127.0.0.1:5000"), Incomplete: true}},
		{"sweep-unread", nil, Options{Verb: "sweep", Header: testHeader, Incomplete: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Environments(&b, c.list, someTime, c.o); err != nil {
				t.Fatal(err)
			}
			golden(t, "environments/"+c.name, b.String())
		})
	}
}

func TestLong(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", 119 * time.Second: "119s", 2 * time.Minute: "2m", 119 * time.Minute: "119m",
		8*time.Hour - time.Second: "8h", 47 * time.Hour: "47h", 49 * time.Hour: "2d", 365 * 24 * time.Hour: "365d",
	} {
		if have := long(d); have != want {
			t.Errorf("%s: have %s, want %s", d, have, want)
		}
	}
}
