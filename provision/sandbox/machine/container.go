package machine

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// Container is an agent in the container of a task, which fargate has prepared.
type Container struct {
	Task, Role  string // the task's id, and the ARN of its role
	Image       string
	Command     []string
	Environment map[string]string
	Secret      string // the value of its secret
	Variable    string // that has the secret
	Started     time.Time
	Reaches     func(host string, port int) bool
	Print       func(at time.Time, text string) // writes to its log

	exited bool
}

// launcher are the settings of flowbed's launcher, which runs before the agent.
type launcher struct {
	Env     string `json:"env"`
	Cluster string `json:"cluster"`
	Service string `json:"service"`
	Expires string `json:"expires"`
}

// Run lets the agent do everything that is due. It reports whether the agent has ended, with an
// exit code that is not 0.
func (c *Container) Run(r *core.Request) (ended bool) {
	s, l, err := c.parse()
	if err != nil {
		c.Print(c.Started, err.Error())
		return true
	}
	h := host{Request: r, script: s, container: c}
	h.computer = h.find()
	if h.Booted.IsZero() {
		c.Print(c.Started, "FLOWBED: starts "+h.name())
		h.Booted, h.Started, h.Phase, h.Installed = c.Started, c.Started, running, true
		h.report(c.Started)
	}
	if at, err := time.Parse(time.RFC3339, l.Expires); err == nil && !at.After(r.Now) {
		return c.expire(h, l)
	}
	if late := r.Now.Sub(h.Due) - past; late > 0 {
		h.Due = h.Due.Add(late.Truncate(time.Minute))
	}
	for !h.Due.After(r.Now) && !c.exited {
		h.report(h.Due)
	}
	if h.Online && h.worker() && !c.exited {
		h.takeRuns()
	}
	return c.exited
}

// End forgets the agent of a task that has stopped.
func End(r *core.Request, task string) { delete(*part.In(r), task) }

// parse reads the command. A container that does not run flowbed's launcher ends at once.
func (c *Container) parse() (*script, launcher, error) {
	var l launcher
	if len(c.Command) < 5 || c.Command[0] != "python" || c.Command[1] != "-c" || c.Command[3] != "prefect" {
		return nil, l, said("the sandbox does not know this command")
	}
	if !strings.Contains(c.Command[2], "os.execvp(command[0], command)") {
		return nil, l, said("the sandbox does not know this program")
	}
	if err := json.Unmarshal([]byte(c.Environment["FLOWBED_AGENT"]), &l); err != nil {
		return nil, l, errors.New("KeyError: 'FLOWBED_AGENT'")
	}
	s := &script{Env: l.Env, Prefect: versionOf(c.Image), Settings: c.Environment, Command: slices.Clone(c.Command[4:])}
	for i, w := range s.Command {
		if w == "{name}" {
			s.Command[i] = nameVariable
		}
	}
	s.Proxy, s.Direct = c.Environment["HTTPS_PROXY"], strings.Split(c.Environment["NO_PROXY"], ",")
	if c.Variable != "" {
		s.Secret = secret{Parameter: "(read by ECS)", Variable: c.Variable}
	}
	packages := c.Environment["EXTRA_PIP_PACKAGES"]
	if packages != "" && !c.Reaches("pypi.org", 443) {
		return nil, l, said("ERROR: Could not find a version that satisfies the requirement " + packages)
	}
	if s.worker() && strings.HasPrefix(c.Image, "prefecthq/prefect:") && !strings.Contains(packages, "prefect-aws==") {
		return nil, l, said("Worker type 'ecs' not found, and --install-policy is never: prefect-aws is not installed")
	}
	return s, l, nil
}

// versionOf is the version of Prefect in the tag of one of its images.
func versionOf(image string) string {
	_, tag, _ := strings.Cut(image, ":")
	if at := strings.LastIndex(tag, "-prefect"); at >= 0 {
		return tag[at+len("-prefect"):]
	}
	version, _, _ := strings.Cut(tag, "-")
	return version
}

// expire scales the service to zero, as the task's role. If that fails, the agent ends.
func (c *Container) expire(h host, l launcher) (ended bool) {
	who, ok := h.session()
	if !ok {
		return true
	}
	_, err := h.As(who, &ecs.UpdateServiceInput{Cluster: &l.Cluster, Service: &l.Service, DesiredCount: aws.Int32(0)})
	if err != nil {
		c.Print(h.Now, "FLOWBED: FAILED: scale the service to zero: "+err.Error())
		return true
	}
	return false
}
