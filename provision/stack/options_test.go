package stack_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// withOptions is an environment whose agent block has some lines.
func withOptions(lines string) string {
	return "environment \"dev\" {\n  prefect { api_url = \"http://prefect.example.com:4200/api\" }\n  agent {\n" + lines + "\n  }\n}\n"
}

// TestOptionsOfService: the options reach the container and the role of a service, and another
// run finds nothing to do.
func TestOptionsOfService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		o := stack.Options{Transport: sandbox.Prefect(account), NoWait: true}
		text := withOptions(`env = { PREFECT_LOGGING_LEVEL = "DEBUG" }
			pip_packages = ["s3fs==2024.1.0"]
			proxy = "http://10.0.0.9:3128"
			role {
				policies = ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
				statement {
					actions = ["ssm:GetParameter"]
					resources = ["arn:aws:ssm:${region}:${account}:parameter/db"]
				}
			}
			service {}`)
		if err := build(t, account, text, o).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p, err := build(t, account, text, o).Graph.Plan(t.Context()); err != nil || !p.Empty() {
			t.Errorf("the second plan: %v, %+v", err, p.Actions)
		}
		api := ecs.NewFromConfig(account.Config(region))
		list, err := api.ListTaskDefinitions(t.Context(), &ecs.ListTaskDefinitionsInput{})
		if err != nil || len(list.TaskDefinitionArns) != 1 {
			t.Fatalf("have %v, %v", list, err)
		}
		out, err := api.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: &list.TaskDefinitionArns[0]})
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]string{}
		for _, e := range out.TaskDefinition.ContainerDefinitions[0].Environment {
			have[aws.ToString(e.Name)] = aws.ToString(e.Value)
		}
		if have["PREFECT_LOGGING_LEVEL"] != "DEBUG" || have["HTTPS_PROXY"] != "http://10.0.0.9:3128" || !strings.HasSuffix(have["EXTRA_PIP_PACKAGES"], " s3fs==2024.1.0") {
			t.Errorf("have the environment %v", have)
		}
		_, role, _ := strings.Cut(aws.ToString(out.TaskDefinition.TaskRoleArn), "role/")
		s, err := resource.Role{API: iam.NewFromConfig(account.Config(region)), Name: role}.Read(t.Context())
		if err != nil || !slices.Contains(s.Managed, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess") || !strings.Contains(fmt.Sprint(s.Inline), ":parameter/db") {
			t.Errorf("have the role %+v, %v", s, err)
		}
	})
}

// TestOptions: each option of the agent reaches the user data, where it replaces the
// instance, and another run finds nothing to do.
func TestOptions(t *testing.T) {
	for _, c := range []struct{ name, lines, want string }{
		{"env", `env = { PREFECT_LOGGING_LEVEL = "DEBUG", B = "it's $5" }`, "\nB=\"it's \\$5\"\nPREFECT_LOGGING_LEVEL=\"DEBUG\"\n"},
		{"packages", `pip_packages = ["s3fs == 2024.1.0"]`, " 's3fs==2024.1.0'\n"},
		{"index", `pip_index_url = "https://packages.example.com/simple"`, "\nexport PIP_INDEX_URL='https://packages.example.com/simple'\n"},
		{"setup", `setup = "echo 'hello' $USER"`, "\ncat >/etc/flowbed/setup <<'FLOWBED_END'\n#!/bin/bash\necho 'hello' $USER\nFLOWBED_END\n"},
		{"proxy", `proxy = "http://10.0.0.9:3128"`, "\nHTTPS_PROXY=\"http://10.0.0.9:3128\"\nNO_PROXY=\"localhost,127.0.0.1,::1,169.254.169.254,fd00:ec2::254,169.254.170.2\"\nFLOWBED_END\n"},
		{"exceptions", "proxy = \"http://10.0.0.9:3128\"\nenv = { no_proxy = \"b, .a\", C = \"d\" }", "169.254.170.2,.a,b\"\nC=\"d\"\nFLOWBED_END\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				o := stack.Options{Transport: sandbox.Prefect(account), NoWait: true}
				if err := build(t, account, withOptions(""), o).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				s := build(t, account, withOptions(c.lines), o)
				p, err := s.Graph.Plan(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var have []string
				for _, a := range p.Actions {
					for _, f := range a.Changes {
						have = append(have, a.Step+": "+a.Op.String()+": "+f.Field)
					}
				}
				if d := cmp.Diff([]string{"agent instance: " + provision.Replace.String() + ": user data"}, have); d != "" {
					t.Errorf("the plan (-want +have):\n%s", d)
				}
				if err := s.Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				if p, err = build(t, account, withOptions(c.lines), o).Graph.Plan(t.Context()); err != nil || !p.Empty() {
					t.Errorf("the second plan: %v, %+v", err, p.Actions)
				}
				if text := wholeUserData(t, account); !strings.Contains(text, c.want) {
					t.Errorf("want %q in:\n%s", c.want, text)
				}
			})
		})
	}
}
