package machine

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

const cloudURL = "https://api.prefect.cloud/api/accounts/0f6e/workspaces/9d1c"

// wantScripts is what the sandbox reads from each script that the templates have a golden
// file for.
var wantScripts = map[string]script{
	"worker-cloud": {Env: "dev", Secret: secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY"}, Command: worker("flowbed-dev", true)},
	"worker-odd":   {Env: "it's", Secret: secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY"}, Command: worker("p'o\"o%l $x", true, "etl", `a "queue" of $5`)},
	"worker-open":  {Env: "dev", Command: worker("flowbed-dev", false)},
	"worker-server": {
		Env: "dev", Secret: secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_AUTH_STRING"}, Command: worker("flowbed-dev", true),
	},
	"worker-events": {Env: "dev", Secret: secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY"}, Command: worker("flowbed-dev", true)},
	"worker-env": {
		Env: "dev", Secret: secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY"}, Command: worker("flowbed-dev", true),
		Packages: []string{"s3fs==2024.1.0", "pandas[parquet]>=2,<3"},
	},
	"worker-proxy": {
		Env: "dev", Secret: secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY"}, Command: worker("flowbed-dev", true),
		Index: "https://packages.example.com/simple/%7Eteam", Proxy: "http://proxy.example.com:3128", Direct: []string{"localhost", "127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254", "169.254.170.2", ".internal"},
	},
	"worker-setup": {
		Env: "dev", Secret: secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY"}, Command: worker("flowbed-dev", true),
		Own: "#!/bin/bash\necho \"it's $((1 + 1)) \\\\ %n ${HOME}\"\necho 'No space left on device' >&2\ncat # of an empty standard input\necho >>\"$RUNS/runs\"\nexit \"$(cat \"$RUNS/code\")\"",
	},
	"worker-secret": {Env: "dev", Command: worker("flowbed-dev", true), Secret: secret{
		Parameter: "arn:aws:secretsmanager:us-east-1:123456789012:secret:prefect-AbCdEf", Variable: "PREFECT_API_KEY",
		Store: "secretsmanager", Region: "us-east-1", Key: "key", Stage: "AWSPREVIOUS",
	}},
	"worker-parameter": {Env: "dev", Command: worker("flowbed-dev", true), Secret: secret{
		Parameter: "arn:aws:ssm:eu-central-1:123456789012:parameter/team/prefect", Variable: "PREFECT_API_KEY", Region: "eu-central-1",
	}},
	"worker-ttl": {
		Env: "dev", Secret: secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT_API_KEY"}, Command: worker("flowbed-dev", true), TTL: 90 * time.Minute,
	},
	"agent-key": {
		Env: "dev", Prefect: "1.4.1", Packages: []string{"s3fs"}, Secret: secret{Parameter: "/flowbed/dev/prefect-api-key", Variable: "PREFECT__CLOUD__API_KEY"},
		Command: tagged(agent("s3-flow-storage", "it's 100% \"odd\"")),
	},
	"agent-server": {Env: "dev", Prefect: "0.14.22", Command: agent("s3-flow-storage")},
}

var wantAPI = map[string]string{
	"worker-cloud": cloudURL, "worker-secret": cloudURL, "worker-parameter": cloudURL, "worker-env": cloudURL, "worker-setup": cloudURL, "worker-proxy": cloudURL, "worker-events": cloudURL, "worker-ttl": cloudURL, "worker-odd": "http://h/api?a=\"b\"&c=$HOME'%n`id`\\",
	"worker-open": "http://10.0.0.5:4200/api", "worker-server": "https://prefect.example.org:4200/api",
	"agent-key": "http://10.0.0.5:4200", "agent-server": "http://10.0.0.5:4200",
}

func agent(labels ...string) []string {
	c := strings.Fields("agent ecs start --name " + nameVariable + ` --api http://10.0.0.5:4200 --agent-address http://127.0.0.1:8080
		--cluster arn:aws:ecs:eu-central-1:123456789012:cluster/default --launch-type FARGATE
		--task-role-arn arn:aws:iam::123456789012:role/flowbed-dev-task
		--execution-role-arn arn:aws:iam::123456789012:role/ecsTaskExecutionRole
		--run-task-kwargs /etc/flowbed/run-task.yaml --label fargate-dev`)
	for _, l := range labels {
		c = append(c, "--label", l)
	}
	return c
}

// tagged is the command of an agent of Prefect 1 with tags, which come in a file.
func tagged(command []string) []string {
	at := slices.Index(command, "--label")
	return slices.Insert(command, at, "--task-definition", "/etc/flowbed/task-definition.yaml")
}

func worker(pool string, stays bool, queues ...string) []string {
	c := []string{"worker", "start", "--pool", pool, "--type", "ecs", "--name", nameVariable, "--install-policy", "never", "--with-healthcheck"}
	for _, q := range queues {
		c = append(c, "--work-queue", q)
	}
	if stays {
		c = append(c, "--no-create-pool-if-not-found")
	}
	return c
}

// TestParse reads every script that the templates have a golden file for, so a change of
// the templates that the sandbox does not understand fails here.
func TestParse(t *testing.T) {
	files, err := filepath.Glob("../../../templates/testdata/*.sh")
	if err != nil || len(files) < 7 {
		t.Fatalf("have %d scripts, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sh")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parse(string(text))
			if err != nil || s == nil {
				t.Fatalf("have %v, %v", s, err)
			}
			want, ok := wantScripts[name]
			if !ok {
				t.Fatalf("say in this test what the sandbox must read from %s", file)
			}
			want.Prefect = cmp.Or(want.Prefect, "3.9.1")
			want.Settings = s.Settings
			if d := gocmp.Diff(want, *s); d != "" {
				t.Error("(-want +have):\n" + d)
			}
			if have := s.Settings["GREETING"]; name == "worker-env" && have != "it's 100% \"odd\":\n\t$HOME `id` \\ 日本\n" {
				t.Errorf("have the variable %q", have)
			}
			if s.api() != wantAPI[name] || s.Settings["AWS_DEFAULT_REGION"] != "eu-central-1" {
				t.Errorf("have the API %s and the settings %v", s.api(), s.Settings)
			}
		})
	}
}

// TestParseChanged checks that a script that has lost what the sandbox needs is an error,
// and that other user data is none of its business.
func TestParseChanged(t *testing.T) {
	text, err := os.ReadFile("../../../templates/testdata/worker-cloud.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range []string{
		"name='dev'", "'prefect[aws]==", "/etc/flowbed/agent.env <<", "ExecStart=", "PARAMETER, VARIABLE",
	} {
		if !strings.Contains(string(text), lost) {
			t.Errorf("the script does not have %q", lost)
		}
		if s, err := parse(strings.ReplaceAll(string(text), lost, "changed")); s == nil || err == nil {
			t.Errorf("without %q: have no error", lost)
		}
	}
	for _, other := range []string{"", "#!/bin/sh\necho hello\n"} {
		if s, err := parse(other); s != nil || err != nil {
			t.Errorf("%q: have %v, %v", other, s, err)
		}
	}
}
