package templates

import (
	"fmt"
	"strings"
	"time"
)

// Agent1 is an instance that runs an agent of Prefect 1 (0.14 to 1.4), which
// takes from its command line and one file what later versions keep in a pool.
type Agent1 struct {
	Place
	Prefect string // exact version
	APIURL  string // of a Prefect Server, without a path, or of what is compatible
	Labels  []string

	ClusterARN, TaskRole, ExecutionRole string // ARNs: the agent takes no names
	LaunchType                          string // "FARGATE" or "EC2"

	Subnets, Groups []string
	PublicIP        bool

	// Parameter is the name of the SSM parameter that holds the key or token,
	// and Variable the setting from which this version reads it. Both are empty
	// for a Server, which knows no authentication.
	Parameter, Variable string

	CA  string        // as for Agent
	TTL time.Duration // the same
}

// UserData1 is UserData for an agent of Prefect 1. The agent is then known as
// <env>-<instance id> too.
func UserData1(a Agent1) (string, error) {
	python, err := text("python1.sh", nil)
	if err != nil {
		return "", err
	}
	// The packages state no upper bounds, and what is newest today does not work
	// with them. These versions do, on Python 3.9, as wheels; boto3 is a recent
	// one, since an old one knows no new regions.
	name := "constraints1.txt"
	switch {
	case strings.HasPrefix(a.Prefect, "0."):
		name = "constraints0.txt"
	case !strings.HasPrefix(a.Prefect, "1."):
		return "", fmt.Errorf("write user data: %q is no version of Prefect 1", a.Prefect)
	}
	constraints, err := text(name, nil)
	if err != nil {
		return "", err
	}
	install, err := text("pip1.sh", map[string]string{
		"constraints": strings.TrimSpace(constraints), "package": shellQuote("prefect[aws]==" + a.Prefect),
	})
	if err != nil {
		return "", err
	}
	run, err := text("run_task.yaml", map[string]string{
		"subnets": flowList(a.Subnets), "groups": flowList(a.Groups), "public": enabled(a.PublicIP),
	})
	if err != nil {
		return "", err
	}
	backend := "server"
	if a.Parameter != "" {
		backend = "cloud"
	}
	env := []setting{
		{"PREFECT__BACKEND", backend},
		// Its dates want to know the machine's time zone, and without a file that
		// says so, which systemd takes for UTC, the agent would not start.
		{"TZ", "UTC"},
	}
	finish := ""
	if a.CA != "" {
		// The variable holds for the calls to AWS too, so the file must have the
		// public authorities besides.
		env = append(env, setting{"REQUESTS_CA_BUNDLE", bundleFile})
		finish = `cat "$(/opt/flowbed/venv/bin/python -m certifi)" ` + caFile + " >" + bundleFile + "\n"
	}
	values := []named{
		{"environment", a.Env}, {"version", a.Prefect}, {"API", a.APIURL}, {"cluster", a.ClusterARN},
		{"role", a.TaskRole + a.ExecutionRole}, {"launch type", a.LaunchType},
	}
	for _, l := range a.Labels {
		values = append(values, named{"label", l})
	}
	for _, id := range append(append([]string{}, a.Subnets...), a.Groups...) {
		values = append(values, named{"network", id})
	}
	return setup(a.Place, script{
		python: python, install: install, command: a.command(), env: env, values: values,
		parameter: a.Parameter, variable: a.Variable, ca: a.CA, ttl: a.TTL,
		files: []file{{runTaskFile, "0644", run}}, finish: finish,
	})
}

const (
	runTaskFile = "/etc/flowbed/run-task.yaml"
	bundleFile  = "/etc/flowbed/ca-bundle.pem"
)

// command is prefect's command line. The agent has no flag for the network.
func (a Agent1) command() string {
	words := []string{
		"agent", "ecs", "start", "--name", "${FLOWBED_NAME}", "--api", unitQuote(a.APIURL),
		"--agent-address", "http://127.0.0.1:8080", "--cluster", unitQuote(a.ClusterARN),
		"--launch-type", unitQuote(a.LaunchType), "--task-role-arn", unitQuote(a.TaskRole),
		"--execution-role-arn", unitQuote(a.ExecutionRole), "--run-task-kwargs", runTaskFile,
	}
	for _, l := range a.Labels {
		words = append(words, "--label", unitQuote(l))
	}
	return strings.Join(words, " ")
}

func enabled(yes bool) string {
	if yes {
		return "ENABLED"
	}
	return "DISABLED"
}

// flowList is a list of texts in YAML, on one line.
func flowList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = codeQuote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
