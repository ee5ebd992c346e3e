package main

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

// TestRedact feeds the redactor what AWS, Prefect and people's machines put into
// errors.
func TestRedact(t *testing.T) {
	r := new(redactor)
	const key, session = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQD"
	r.know("account", "210987654321")
	r.know("caller", "arn:aws:iam::210987654321:user/ops/Ada.Lovelace")
	r.know("secret", key, session, "pnu_0123456789abcdef", "ada:s3cr3t!?")
	r.know("prefect", "https://api.prefect.cloud/api/accounts/1a2b3c4d-0000-4000-8000-000000000001/workspaces/1a2b3c4d-0000-4000-8000-000000000002", "prefect.acme.example")
	for _, c := range []struct{ text, secret string }{
		{"account 210987654321 is yours", "210987654321"},
		{"your account is 2109-8765-4321", "2109-8765-4321"},
		{"account 2109 8765 4321", "8765"},
		{"another account, 111122223333, too", "111122223333"},
		{"arn:aws:s3:::flowbed-dev-210987654321-us-east-1-an/key", "210987654321"},
		{"bucket_111122223333_x and x111122223333y", "111122223333"},
		{"User: arn:aws:iam::111122223333:user/ops/Grace.Hopper is not authorized to perform: iam:CreateRole", "Grace"},
		{"User: arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0a1b2c3d/grace@acme.example is not authorized", "grace"},
		{"arn:aws:sts::111122223333:federated-user/Grace", "Grace"},
		{"credentials AKIAIOSFODNN7EXAMPLE and ASIAIOSFODNN7EXAMPLE", "IOSFODNN7"},
		{"principal AROAEXAMPLEID12345678:session", "AROAEXAMPLE"},
		{"signed with " + key, "bPxRfiCY"},
		{"signed with " + url.QueryEscape(key), "bPxRfiCY"},
		{"in base64: " + base64.StdEncoding.EncodeToString([]byte(key)), base64.StdEncoding.EncodeToString([]byte(key))[:30]},
		{"X-Amz-Security-Token=" + session, "IQoJb3Jp"},
		{"x-amz-security-token: SomethingElseThatIsShort", "SomethingElse"},
		{`{"SecretAccessKey": "abcdef", "SessionToken":"ghijkl"}`, "abcdef"},
		{`{"SecretAccessKey": "abcdef", "SessionToken":"ghijkl"}`, "ghijkl"},
		{"aws_secret_access_key = abcdefgh", "abcdefgh"},
		{"PREFECT_API_KEY=pnu_0123456789abcdef", "0123456789"},
		{"the other key pnb_zyx987", "zyx987"},
		{"Authorization: Bearer abcdef0123456789", "abcdef0123456789"},
		{"Authorization: Basic YWRhOnMzY3IzdA==", "YWRhOnMz"},
		{"http://ada:s3cr3t!?@prefect.acme.example/api", "s3cr3t"},
		{"dial https://grace:hopper@other.example/api", "hopper"},
		{"lookup prefect.acme.example: no such host", "acme"},
		{"GET https://api.prefect.cloud/api/accounts/1a2b3c4d-0000-4000-8000-000000000001/workspaces/1a2b3c4d-0000-4000-8000-000000000002/work_pools", "1a2b3c4d"},
		{"accounts/9f8e7d6c-0000-4000-8000-000000000001/x", "9f8e7d6c"},
		{"Encoded authorization failure message: short-blob_1", "short-blob"},
		{"message " + strings.Repeat("aB3_", 40), "aB3_aB3_"},
		{"from 198.51.100.23:443", "198.51.100.23"},
		{"cidr 198.51.100.0/24", "198.51"},
		{"host ip-172-31-5-9.ec2.internal", "172-31"},
		{"ec2-198-51-100-23.compute-1.amazonaws.com", "198-51"},
		{"from [2001:db8:85a3::8a2e:370:7334]:443", "8a2e"},
		{"address:2001:db8::1", "2001:db8"},
		{"::ffff:198.51.100.23", "198"},
		{"cidr 2001:db8:1234::/48", "1234"},
		{"fe80::1ff:fe23:4567:890a%eth0", "4567"},
		{"mail to ada@acme.example.", "acme.example"},
		{"canonical id 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be", "79a59df9"},
	} {
		if have := r.text(c.text); strings.Contains(have, c.secret) {
			t.Errorf("%q\nbecame %q, which still has %q", c.text, have, c.secret)
		}
	}
}

// TestRedactLeaves checks that a report can still be read.
func TestRedactLeaves(t *testing.T) {
	r := new(redactor)
	r.know("account", "210987654321")
	for text, want := range map[string]string{
		"arn:aws:iam::210987654321:role/canary/canary-x7k2p9/canary-x7k2p9-up":                   "arn:aws:iam::[account]:role/canary/canary-x7k2p9/canary-x7k2p9-up",
		"arn:aws:s3:::flowbed-canary/*":                                                          "arn:aws:s3:::flowbed-canary/*",
		`ClusterNotFoundException "Cluster not found." (absent)`:                                 `ClusterNotFoundException "Cluster not found." (absent)`,
		"at 07:45:12, 2026-11-26T07:45:12.123Z, after 1m20s":                                     "at 07:45:12, 2026-11-26T07:45:12.123Z, after 1m20s",
		"prefect 3.9.1, ecs:RunTask, dev@us-east-1, i-0123456789abcdef0, task-definition/x:1":    "prefect 3.9.1, ecs:RunTask, dev@us-east-1, i-0123456789abcdef0, task-definition/x:1",
		"AWS.SimpleQueueService.QueueDeletedRecently, flowbed-canary-x7k2p9-events":              "AWS.SimpleQueueService.QueueDeletedRecently, flowbed-canary-x7k2p9-events",
		"group \"family:prefect_canary-x7k2p9_plain\", provision/resource/instance_errors.go":    "group \"family:prefect_canary-x7k2p9_plain\", provision/resource/instance_errors.go",
		"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64 is ami-0f21bb362": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64 is ami-0f21bb362",
	} {
		if have := r.text(text); have != want {
			t.Errorf("have %q\nwant %q", have, want)
		}
	}
}
