package templates

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision/secret"
	"github.com/flowbed/flowbed/test/e2e/able"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/name, or writes it there.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestMain(m *testing.M) { able.Main(m) }

// tool returns the path of a program in .venv.
func tool(t *testing.T, name string) string {
	t.Helper()
	return able.Tool(t, name)
}

var (
	dev   = Place{"aws", "eu-central-1", "123456789012", "dev"}
	roles = []string{"arn:aws:iam::123456789012:role/flowbed-dev-task", "arn:aws:iam::123456789012:role/ecsTaskExecutionRole"}
)

const cluster = "arn:aws:ecs:eu-central-1:123456789012:cluster/default"

func agentRights(g Generation) AgentRights {
	r := AgentRights{ClusterARN: cluster, Roles: roles, Secret: ownKey, Prefect: g}
	if g == Prefect3 || g == Prefect2 {
		r.Families = "prefect_flowbed-dev_"
	}
	return r
}

// ownKey is the parameter that flowbed makes.
var ownKey = secret.Ref{
	Partition: "aws", Service: secret.SSM, Region: "eu-central-1", Account: "123456789012", Name: "flowbed/dev/prefect-api-key", Ours: true,
}

func existing(arn string) secret.Ref {
	r, err := secret.Parse(arn)
	if err != nil {
		panic(err)
	}
	return r
}

func withKey(arn string) AgentRights {
	r := agentRights(Prefect3)
	r.Secret = existing(arn)
	return r
}

func withEvents() AgentRights {
	r := agentRights(Prefect3)
	r.Events, r.LogGroup = "flowbed-dev-events", "/flowbed/dev"
	return r
}

func withTags() AgentRights {
	r := agentRights(Prefect3)
	r.Tags = true
	return r
}

func withStatements() AgentRights {
	r := agentRights(Prefect3)
	r.Statements = []Statement{
		{Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::wheels/*"}},
		{Actions: []string{"ssm:GetParameter"}, Resources: []string{"arn:aws:ssm:eu-central-1:123456789012:parameter/db"}},
	}
	return r
}

// RegisterTaskDefinition can name a resource, but a family that is not registered
// yet has no revision to name. PassRole limits what can be registered.
var register = []string{"RESOURCE_STAR [ecs:RegisterTaskDefinition]"}

// policies are the documents under test, with the linter findings that we expect.
var policies = []struct {
	name     string
	text     string
	trust    bool
	expected []string
}{
	{name: "trust-tasks", text: TasksTrust(dev), trust: true},
	{name: "trust-execution", text: ExecutionTrust(), trust: true},
	{name: "trust-instance", text: InstanceTrust(dev), trust: true},
	{name: "trust-instance-cn", text: InstanceTrust(Place{"aws-cn", "cn-north-1", "123456789012", "dev"}), trust: true},
	{name: "task", text: TaskPolicy(dev, TaskRights{Bucket: "flows", S3: "bucket", ECR: "pull"})},
	{
		name:     "task-full",
		text:     TaskPolicy(dev, TaskRights{Bucket: "flows", S3: "full", ECR: "full"}),
		expected: []string{"RESOURCE_STAR [s3:", "RESOURCE_STAR [ecr:"},
	},
	{name: "task-repository", text: TaskPolicy(dev, TaskRights{S3: "none", ECR: "repository", Repository: "flows"})},
	{name: "task-statements", text: TaskPolicy(dev, TaskRights{S3: "none", ECR: "none", Statements: []Statement{
		{Actions: []string{"sqs:SendMessage"}, Resources: []string{"arn:aws:sqs:eu-central-1:123456789012:events"}},
		{Actions: []string{"sns:Publish"}, Resources: []string{"arn:aws:sns:eu-central-1:123456789012:a", "arn:aws:sns:eu-central-1:123456789012:b"}},
	}})},
	{name: "task-dask", text: TaskPolicy(dev, TaskRights{S3: "none", ECR: "none", Dask: &DaskRights{
		ClusterARN: cluster, Roles: roles, LogGroup: "/flowbed/dev",
	}}), expected: register},
	{name: "execution", text: ExecutionPolicy(dev, "/flowbed/dev", ownKey)},
	{name: "execution-secrets", text: ExecutionPolicy(dev, "/flowbed/dev", ownKey, existing(
		"arn:aws:ssm:eu-central-1:123456789012:parameter/db/password"), existing("arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf:user::"))},
	{name: "agent-secret", text: AgentPolicy(dev, withKey("arn:aws:secretsmanager:eu-central-1:123456789012:secret:prefect-AbCdEf")), expected: register},
	{name: "agent-parameter", text: AgentPolicy(dev, withKey("arn:aws:ssm:eu-central-1:123456789012:parameter/prefect")), expected: register},
	{name: "agent-3", text: AgentPolicy(dev, agentRights(Prefect3)), expected: register},
	{name: "agent-events", text: AgentPolicy(dev, withEvents()), expected: register},
	{name: "agent-statements", text: AgentPolicy(dev, withStatements()), expected: register},
	{name: "worker-events", text: WorkerPolicy(dev, withEvents()), expected: register},
	{name: "events", text: EventsPolicy("arn:aws:sqs:eu-central-1:123456789012:flowbed-dev-events", "arn:aws:events:eu-central-1:123456789012:rule/flowbed-dev-events")},
	{name: "agent-2", text: AgentPolicy(dev, agentRights(Prefect2)), expected: register},
	{name: "agent-1", text: AgentPolicy(dev, agentRights(Prefect1)), expected: register},
	{name: "worker-tags", text: WorkerPolicy(dev, withTags()), expected: register},
	{name: "worker", text: WorkerPolicy(dev, agentRights(Prefect3)), expected: register},
	{name: "agent-014", text: AgentPolicy(dev, agentRights(Prefect014)), expected: register},
}

func TestPolicies(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := json.Indent(&b, []byte(p.text), "", "  "); err != nil {
				t.Fatal(err)
			}
			golden(t, p.name+".json", b.String()+"\n")
		})
	}
}

// TestPoliciesLint runs a third-party linter on the policies. It skips trust
// policies, which have no resource and which the linter does not know.
func TestPoliciesLint(t *testing.T) {
	parliament := tool(t, "parliament")
	for _, p := range policies {
		if p.trust {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), parliament, "--json")
			cmd.Stdin = strings.NewReader(p.text)
			out, err := cmd.Output()
			if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
				t.Fatal(err)
			}
			if err != nil && len(out) == 0 {
				t.Fatalf("parliament failed without a finding: %v", err)
			}
			for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
				var found struct {
					Issue  string
					Detail any
				}
				if err := d.Decode(&found); err != nil {
					t.Fatalf("decode the output of parliament: %v\n%s", err, out)
				}
				if finding := fmt.Sprint(found.Issue, " ", found.Detail); !expected(p.expected, finding) {
					t.Errorf("parliament: unexpected finding %s", finding)
				}
			}
		})
	}
}

// expected reports whether a finding starts like one in the list.
func expected(list []string, finding string) bool {
	return slices.ContainsFunc(list, func(want string) bool { return strings.HasPrefix(finding, want) })
}

func TestTaskEvents(t *testing.T) {
	const want = `{"source":["aws.ecs"],"detail-type":["ECS Task State Change"],"detail":{"clusterArn":["` + cluster + `"],"group":[{"prefix":"family:prefect_flowbed-dev_"}]}}`
	if got := TaskEvents(cluster, "prefect_flowbed-dev_"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEmptyPolicy(t *testing.T) {
	if got := TaskPolicy(dev, TaskRights{S3: "none", ECR: "none"}); got != "" {
		t.Errorf("task policy: got %s, want none", got)
	}
	if got := ExecutionPolicy(dev, ""); got != "" {
		t.Errorf("execution policy: got %s, want none", got)
	}
	if got := ExecutionPolicy(dev, "/flowbed/dev"); strings.Contains(got, "ssm:") {
		t.Errorf("execution policy without a secret: got %s, want no ssm action", got)
	}
	r := agentRights(Prefect3)
	r.Secret = secret.Ref{}
	if got := AgentPolicy(dev, r); strings.Contains(got, `"Secret"`) || strings.Contains(got, "parameter/flowbed") {
		t.Errorf("agent policy without a secret: got %s, want no access to the secret", got)
	}
}

// TestOtherParameters checks which statements of the spec open Parameter Store: the policy
// denies the rest of it.
func TestOtherParameters(t *testing.T) {
	const db = "arn:aws:ssm:eu-central-1:123456789012:parameter/db"
	for _, c := range []struct {
		action, resource string
		denied           bool // that there is a denial, and it has an effect on db
	}{
		{"ssm:GetParameter", db, false}, {"ssm:getparameters", db, false}, {"ssm:*", db, false}, {"*", db, false},
		{"ssm:GetParameter?", "*", false}, {"ssm:GetParameter", "*", false},
		{"ssm:PutParameter", db, true}, {"s3:*", "*", true}, {"ssm:GetParameter", db + "2", true},
	} {
		r := agentRights(Prefect3)
		r.Statements = []Statement{{Actions: []string{c.action}, Resources: []string{c.resource}}}
		text := AgentPolicy(dev, r)
		_, denial, found := strings.Cut(text, `"Sid":"OtherSecrets"`)
		if have := found && !strings.Contains(denial, `"`+db+`"`); have != c.denied {
			t.Errorf("%s on %s: denied is %v:\n%s", c.action, c.resource, have, text)
		}
	}
}

// TestPassRole checks that each PassRole statement names its roles, and lets only
// ECS tasks receive them.
func TestPassRole(t *testing.T) {
	for _, p := range policies {
		var doc struct {
			Statement []struct {
				Action, Resource any
				Condition        map[string]map[string]any
			}
		}
		if err := json.Unmarshal([]byte(p.text), &doc); err != nil {
			t.Fatal(err)
		}
		for _, s := range doc.Statement {
			if !strings.Contains(fmt.Sprint(s.Action), "iam:PassRole") {
				continue
			}
			if s.Condition["StringEquals"]["iam:PassedToService"] != "ecs-tasks.amazonaws.com" {
				t.Errorf("%s: PassRole is not limited to ECS tasks", p.name)
			}
			if got := fmt.Sprint(s.Resource); got != fmt.Sprint(roles) {
				t.Errorf("%s: PassRole on %v, want %v", p.name, got, roles)
			}
		}
	}
}
