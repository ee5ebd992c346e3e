package templates

import (
	_ "embed" // for the constraints
	"errors"
	"fmt"
	"strings"
	"time"
)

// Common holds what agents of every Prefect version need.
type Common struct {
	Env     string // the environment's name
	Region  string
	Prefect string // exact version
	APIURL  string
	Secret  *Secret       // nil if the API needs no authentication
	CA      string        // certificates in PEM; empty if a public authority signed the API's certificate
	TTL     time.Duration // as in Agent
	Extra   []Setting     // as in Agent
	Proxy   *Proxy        // as in Agent
	Setup   string        // as in Agent

	// Install are further packages, which pip installs together with Prefect.
	Install []string
	Index   string // as in Packages
}

// Worker holds what only a worker needs.
type Worker struct {
	PrefectAWS string // exact version of prefect-aws
	Before     string // as in Packages
	WorkPool   string
	Events     string   // the SQS queue with the events of its tasks; empty if there is none
	Queues     []string // of the pool from which it takes runs; none means all

	// PoolExists keeps the worker from creating the pool if it is gone. Workers
	// before 3.6.23 have no flag for this.
	PoolExists bool
}

// Tasks says how to run tasks. Prefect 1 agents read this from their command line
// and one file; later versions read it from the work pool.
type Tasks struct {
	ClusterARN, TaskRole, ExecutionRole string // ARNs: the agent does not accept names
	Subnets, Groups                     []string
	PublicIP                            bool
	Tags                                map[string]string // of the tasks and their definitions; only for Prefect 1
}

// EventsVariable is the setting with the name of the worker's event queue. The worker does
// not pass it on to its tasks, as it does Prefect's other settings.
const EventsVariable = "PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME"

// Prefect3Agent describes an agent that runs a Prefect 3 worker. A Prefect 2
// worker starts the same way.
func Prefect3Agent(c Common, w Worker) Agent {
	a := c.agent()
	a.Python = "3.12"
	a.Packages = Packages{
		Index:        c.Index,
		Requirements: append([]string{"prefect[aws]==" + c.Prefect, "prefect-aws==" + w.PrefectAWS}, c.Install...),
		Before:       w.Before,
	}
	a.Command = Command{}.literals("worker start").flag("--pool", w.WorkPool).literals("--type ecs").
		name().literals("--install-policy never --with-healthcheck")
	for _, q := range w.Queues {
		a.Command = a.Command.flag("--work-queue", q)
	}
	if w.PoolExists {
		a.Command = a.Command.literals("--no-create-pool-if-not-found")
	}
	a.Settings = append(a.Settings,
		Setting{"PREFECT_API_URL", c.APIURL},
		// Only this instance may read the health page.
		Setting{"PREFECT_WORKER_WEBSERVER_HOST", "127.0.0.1"})
	if w.Events != "" {
		a.Settings = append(a.Settings, Setting{EventsVariable, w.Events})
	}
	if c.CA != "" {
		// Not PREFECT_API_SSL_CERT_FILE: the worker passes all Prefect settings
		// on to its tasks, and the tasks do not have the file.
		a.CA = &CA{PEM: c.CA, Variable: "SSL_CERT_FILE"}
	}
	return a
}

// runTaskFile holds the settings for which the Prefect 1 agent has no flags.
const runTaskFile = "/etc/flowbed/run-task.yaml"

// Prefect1Agent describes a Prefect 1 agent (0.14 to 1.4).
func Prefect1Agent(c Common, labels []string, t Tasks) (Agent, error) {
	constraints, err := constraintsOf(c.Prefect)
	if err != nil {
		return Agent{}, fmt.Errorf("describe agent: %w", err)
	}
	runTask, err := t.yaml()
	if err != nil {
		return Agent{}, fmt.Errorf("describe agent: %w", err)
	}
	files, err := t.tagFiles(runTask)
	if err != nil {
		return Agent{}, fmt.Errorf("describe agent: %w", err)
	}
	a := c.agent()
	a.Python = "3.9"
	a.Packages = Packages{Index: c.Index, Requirements: append([]string{"prefect[aws]==" + c.Prefect}, c.Install...), Constraints: constraints}
	a.Command = Command{}.literals("agent ecs start").name().flag("--api", c.APIURL).
		literals("--agent-address http://127.0.0.1:8080").
		flag("--cluster", t.ClusterARN).flag("--launch-type", "FARGATE").
		flag("--task-role-arn", t.TaskRole).flag("--execution-role-arn", t.ExecutionRole).
		literals("--run-task-kwargs " + runTaskFile)
	if len(t.Tags) > 0 {
		a.Command = a.Command.literals("--task-definition " + definitionFile)
	}
	for _, l := range labels {
		a.Command = a.Command.flag("--label", l)
	}
	backend := "server"
	if c.Secret != nil {
		backend = "cloud"
	}
	a.Settings = append(a.Settings,
		Setting{"PREFECT__BACKEND", backend},
		// Without this, the agent does not start on an instance that has no time
		// zone file. systemd itself falls back to UTC there.
		Setting{"TZ", "UTC"})
	a.Files = files
	if c.CA != "" {
		// The variable also applies to calls to AWS.
		a.CA = &CA{PEM: c.CA, Variable: "REQUESTS_CA_BUNDLE", WithPublic: true}
	}
	return a, nil
}

// agent returns what agents of every version have in common.
func (c Common) agent() Agent {
	return Agent{
		Env: c.Env, Secret: c.Secret, TTL: c.TTL, Extra: c.Extra, Proxy: c.Proxy, Setup: c.Setup, Further: len(c.Install) > 0,
		Settings: []Setting{
			// boto reads only this variable; it does not ask the instance for its region.
			{"AWS_DEFAULT_REGION", c.Region},
			{"AWS_RETRY_MODE", "adaptive"},
			{"AWS_MAX_ATTEMPTS", "10"},
			{"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "5"},
		},
	}
}

// name adds the flag that gives the agent its name.
func (c Command) name() Command { return append(c, Word{Literal, "--name"}, Word{Kind: AgentName}) }

// Prefect 1's packages set no upper bounds and fail with today's newest versions
// of their dependencies. They work with these versions on Python 3.9, and all of
// these have wheels. boto3 is recent, because an old one does not know new
// regions.
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

// yaml renders the file from which Prefect 1 reads the network of its tasks.
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

// yamlList renders a list of strings on one line.
func yamlList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = codeQuote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
