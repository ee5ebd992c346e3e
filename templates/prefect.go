package templates

import (
	_ "embed" // for the constraints
	"errors"
	"fmt"
	"strings"
	"time"
)

// Common is what agents of all versions of Prefect need to know.
type Common struct {
	Env     string // the environment's name
	Region  string
	Prefect string // exact version
	APIURL  string
	Secret  *Secret       // nil for an API without authentication
	CA      string        // certificates in PEM; empty for the public authorities
	TTL     time.Duration // 0 means that the agent never ends
}

// Worker is what only a worker needs to know.
type Worker struct {
	PrefectAWS string // exact version of prefect-aws
	Before     string // as in Packages
	WorkPool   string

	// PoolExists keeps the worker from creating a pool if ours is gone. Workers
	// before 3.6.23 have no flag for this.
	PoolExists bool
}

// Tasks says how to run tasks. Agents of Prefect 1 take it from their command
// line and one file; later versions keep it in the work pool.
type Tasks struct {
	ClusterARN, TaskRole, ExecutionRole string // ARNs: the agent takes no names
	Subnets, Groups                     []string
	PublicIP                            bool
}

// Prefect3Agent describes an agent that runs a worker of Prefect 3, or of
// Prefect 2, which is started in the same way.
func Prefect3Agent(c Common, w Worker) Agent {
	a := c.agent()
	a.Python = "3.12"
	a.Packages = Packages{
		Requirements: []string{"prefect[aws]==" + c.Prefect, "prefect-aws==" + w.PrefectAWS},
		Before:       w.Before,
	}
	a.Command = Command{}.literals("worker start").flag("--pool", w.WorkPool).literals("--type ecs").
		name().literals("--install-policy never --with-healthcheck")
	if w.PoolExists {
		a.Command = a.Command.literals("--no-create-pool-if-not-found")
	}
	a.Settings = append(a.Settings,
		Setting{"PREFECT_API_URL", c.APIURL},
		// Its health page is for this machine only.
		Setting{"PREFECT_WORKER_WEBSERVER_HOST", "127.0.0.1"})
	if c.CA != "" {
		// Not PREFECT_API_SSL_CERT_FILE: the worker passes all of Prefect's
		// settings on to its tasks, which do not have the file.
		a.CA = &CA{PEM: c.CA, Variable: "SSL_CERT_FILE"}
	}
	return a
}

// runTaskFile holds what the agent of Prefect 1 has no flags for.
const runTaskFile = "/etc/flowbed/run-task.yaml"

// Prefect1Agent describes an agent of Prefect 1 (0.14 to 1.4).
func Prefect1Agent(c Common, labels []string, t Tasks) (Agent, error) {
	constraints, err := constraintsOf(c.Prefect)
	if err != nil {
		return Agent{}, fmt.Errorf("describe agent: %w", err)
	}
	runTask, err := t.yaml()
	if err != nil {
		return Agent{}, fmt.Errorf("describe agent: %w", err)
	}
	a := c.agent()
	a.Python = "3.9"
	a.Packages = Packages{Requirements: []string{"prefect[aws]==" + c.Prefect}, Constraints: constraints}
	a.Command = Command{}.literals("agent ecs start").name().flag("--api", c.APIURL).
		literals("--agent-address http://127.0.0.1:8080").
		flag("--cluster", t.ClusterARN).flag("--launch-type", "FARGATE").
		flag("--task-role-arn", t.TaskRole).flag("--execution-role-arn", t.ExecutionRole).
		literals("--run-task-kwargs " + runTaskFile)
	for _, l := range labels {
		a.Command = a.Command.flag("--label", l)
	}
	backend := "server"
	if c.Secret != nil {
		backend = "cloud"
	}
	a.Settings = append(a.Settings,
		Setting{"PREFECT__BACKEND", backend},
		// The agent needs the machine's time zone, and does not start on a machine
		// that has no file for it, which systemd takes for UTC.
		Setting{"TZ", "UTC"})
	a.Files = []File{{runTaskFile, 0o644, runTask}}
	if c.CA != "" {
		// The variable applies to calls to AWS too.
		a.CA = &CA{PEM: c.CA, Variable: "REQUESTS_CA_BUNDLE", WithPublic: true}
	}
	return a, nil
}

// agent is what the agents of all versions have in common.
func (c Common) agent() Agent {
	return Agent{
		Env: c.Env, Secret: c.Secret, TTL: c.TTL,
		Settings: []Setting{
			// boto does not ask the instance for its region, and reads this variable only.
			{"AWS_DEFAULT_REGION", c.Region},
			{"AWS_RETRY_MODE", "adaptive"},
			{"AWS_MAX_ATTEMPTS", "10"},
			{"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "5"},
		},
	}
}

// name adds the flag that gives the agent its name.
func (c Command) name() Command { return append(c, Word{Literal, "--name"}, Word{Kind: AgentName}) }

// The packages of Prefect 1 set no upper bounds, and do not work with today's
// newest versions. They work with these, on Python 3.9, which are all wheels;
// boto3 is a recent one, because an old one does not know new regions.
var (
	//go:embed constraints0.txt
	constraints0 string
	//go:embed constraints1.txt
	constraints1 string
)

func constraintsOf(prefect string) (string, error) {
	switch {
	case strings.HasPrefix(prefect, "0."):
		return constraints0, nil
	case strings.HasPrefix(prefect, "1."):
		return constraints1, nil
	}
	return "", fmt.Errorf("%q is not a version of Prefect 1", prefect)
}

// yaml is the file in which Prefect 1 looks for the network of its tasks.
func (t Tasks) yaml() (string, error) {
	var errs []error
	for _, id := range t.Subnets {
		errs = append(errs, plain("subnet", id))
	}
	for _, id := range t.Groups {
		errs = append(errs, plain("security group", id))
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	public := "DISABLED"
	if t.PublicIP {
		public = "ENABLED"
	}
	return text("run_task.yaml", map[string]string{
		"subnets": yamlList(t.Subnets), "groups": yamlList(t.Groups), "public": public,
	})
}

// yamlList is a list of strings on one line.
func yamlList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = codeQuote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
