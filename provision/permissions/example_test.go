package permissions_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/test/lifecycle"
)

// apiKey is the variable of the example.
const apiKey = "pnu_0123456789abcdef"

// everything is config.hcl.example, which has all that an environment can have,
// with names of its own. What it only mentions is switched on.
func everything(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../config.hcl.example")
	if err != nil {
		t.Fatal(err)
	}
	return edited(t, string(text),
		`dask( += )false`, `dask${1}true`,
		`api_url( += ).*`, `api_url${1}"https://prefect.example/api"`,
	)
}

// byDefault is a text without the names and lifetimes that it gives: its objects have the
// default ones, two of which belong to the whole account.
func byDefault(t *testing.T, text string) string {
	t.Helper()
	return edited(t, withoutTTL(text), `(?m)^ +(name|namespace|ownership) += .*\n`, "")
}

// inNewVPC is a text whose environment has a VPC of its own, with a NAT gateway.
func inNewVPC(t *testing.T, text string) string {
	t.Helper()
	return edited(t, text, lifecycle.NATGateways.Edits...)
}

// changed is a text that differs wherever something can be changed.
func changed(t *testing.T, text string) string {
	t.Helper()
	return edited(t, withoutTTL(text),
		`, stage = env_name`, ``,
		`versioning( += )true`, `versioning${1}false`,
		`expire_days( += )0`, `expire_days${1}7`,
		`s3( += )"bucket"`, `s3${1}"none"`,
		`dask( += )true`, `dask${1}false`,
		`policies( += )\[.*\]`, `policies${1}[]`,
		`retention_days = 30`, `retention_days = 90`,
		`capacity_providers = .*`, `capacity_providers = ["FARGATE"]`,
		`container_insights = false`, `container_insights = true`,
		`instance_type = "t2.micro"`, `instance_type = "t3.small"`,
		`cidr( += )"auto"`, `cidr${1}"198.51.100.0/24"`,
		`public_key( += ).*`, `public_key${1}"`+keyTwo+`"`,
		`api_key( += )var.api_key`, `auth_string${1}"flow:another-bed"`,
	)
}

// adding is a text with one more block in its environment.
func adding(text, block string) string {
	const begin = "environment \"dev\" {\n"
	return strings.Replace(text, begin, begin+block+"\n", 1)
}

// withoutTTL is a text without the lifetimes that it gives.
func withoutTTL(text string) string {
	return regexp.MustCompile(`(?m)^ +ttl += .*\n`).ReplaceAllString(text, "")
}

// edited replaces patterns, each of which must be there.
func edited(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		pattern := regexp.MustCompile(pairs[i])
		if !pattern.MatchString(text) {
			t.Fatalf("there is no %s in\n%s", pairs[i], text)
		}
		text = pattern.ReplaceAllString(text, pairs[i+1])
	}
	return text
}

// file is a text that is a whole file, or what stands in an environment block.
func file(text string) (whole string, vars map[string]string) {
	if !strings.Contains(text, "environment \"") {
		return "environment \"dev\" {\n" + text + "\n}", nil
	}
	return text, map[string]string{"api_key": apiKey}
}
