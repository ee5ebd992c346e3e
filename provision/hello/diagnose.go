package hello

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/prefect"
)

// Who says what.
const (
	byECS        = "ECS says"
	byPrefect    = "Prefect says"
	byLog        = "the run's log says"
	byCloudWatch = "the task's log says"
)

// saying is what somebody said about the end of a run.
type saying struct{ by, text string }

// evidence is all that is known about a run that did not complete.
type evidence struct {
	lost     bool // the task ended, and the run did not
	state    prefect.State
	started  bool // the flow has run
	stopCode string
	exit     *int32 // of the flow's container
	sayings  []saying
}

// cause is a cause that can be told by a text, or by how the task ended.
type cause struct {
	text     string // a regular expression, regardless of case; empty for any text
	by       string // who has to say it; empty for anybody
	stopCode string // empty for any
	exit     int32  // 0 for any

	what, todo, section string
}

// causes are in the order in which they are tried: those that say more come first. The texts
// are those of https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html,
// of the worker, and of Python.
var causes = []cause{
	// The image.
	{
		text: `cannotpull.*toomanyrequests`, what: "Docker Hub limits how often this address may pull images",
		todo: "copy the image to ECR, and set it as flows.image", section: sectionImage,
	},
	{
		text: `cannotpull.*(i/o timeout|context deadline|dial tcp|no such host|connection (refused|timed out)|client\.timeout)`,
		what: "the task does not reach the image's registry",
		todo: "use subnets with a route to the internet, or with endpoints for ECR and S3", section: sectionNetwork,
	},
	{
		text: `cannotpull.*(descriptor matching platform|no matching manifest)|exec format error`, what: "the image is for another CPU architecture",
		todo: "build the image for this architecture, or set flows.cpu_architecture", section: sectionImage,
	},
	{
		text: `cannotpull.*(403|no basic auth|denied|not authorized|unauthorized)`, what: "ECS may not pull the image",
		todo: "correct the image's name, or let the execution role pull it", section: sectionImage,
	},
	{
		text: `cannotpull.*no space left`, what: "the image is too large for the task's disk",
		todo: "set flows.ephemeral_storage_gib", section: sectionImage,
	},
	{
		text: `cannotpull`, what: "the image cannot be pulled",
		todo: "push the image (`flowbed outputs` shows the repository and its login command), or set another: flows.image, or `image` in the work pool", section: sectionImage,
	},
	// What ECS does before it starts the container.
	{
		text: `(logger args|logging driver|log group|log stream).*(signal: killed|timed? ?out|deadline)`, what: "the task does not reach CloudWatch Logs",
		todo: "use subnets with a route to the internet, or with an endpoint for CloudWatch Logs", section: sectionNetwork,
	},
	{
		text: `(logger args|logging driver|createlogstream).*(accessdenied|not authorized)`, what: "the execution role may not write the log",
		todo: "run `flowbed up`, which repairs the role; to a role that somebody else created, add the permission", section: sectionPermission,
	},
	{
		text: `logger args|logging driver|log group does not exist`, what: "the log group is missing, or cannot be written",
		todo: "run `flowbed up`, which creates the log group again", section: sectionLogGroup,
	},
	{
		text: `resourceinitializationerror.*(secret|ssm|registry auth|kms).*(accessdenied|not authorized)`, what: "the execution role may not read the key or a secret, or not log in to the registry",
		todo: "run `flowbed up`, which repairs the role; to a role that somebody else created, add the permission. The policy of a secret in another account, and of its key, must allow it, too", section: sectionPermission,
	},
	{
		text: `resourceinitializationerror.*(invalid ssm parameters: /flowbed/|parameternotfound)`, what: "the key is missing",
		todo: "run `flowbed up`, which writes the key again", section: sectionKey,
	},
	{
		text: `resourceinitializationerror.*(invalid ssm parameters|can't find the specified secret|resourcenotfound|marked for deletion|did not contain json key|not a valid json|unexpected arn format)`,
		what: "a secret that the file names is missing, or has no such JSON key or version",
		todo: "compare the ARNs of the file with the secrets, and run `flowbed up`", section: sectionKey,
	},
	{
		text: `resourceinitializationerror`, what: "the task does not reach an endpoint of AWS",
		todo: "use subnets with a route to the internet, or with endpoints for SSM, ECR, S3 and CloudWatch Logs", section: sectionNetwork,
	},
	{
		text: `unable to assume (the )?role|was unable to assume`, what: "ECS may not assume the task's roles",
		todo: "run `flowbed up`, which repairs the roles' trust policies", section: sectionPermission,
	},
	{
		text: `network interface provisioning`, what: "the task got no network interface",
		todo: "check whether the subnets have free addresses", section: sectionNetwork,
	},
	// Capacity and memory.
	{stopCode: "SpotInterruption", what: "AWS took the capacity back", todo: "run it again, or set spot = false in the flows block", section: sectionCapacity},
	{
		text: `capacity is unavailable|resource:fargate`, what: "Fargate has no capacity right now",
		todo: "run it again later, use more subnets, or set spot = false in the flows block", section: sectionCapacity,
	},
	{text: `outofmemory`, what: "the task ran out of memory", todo: "set flows.memory to more", section: sectionMemory},
	{exit: 137, by: byECS, what: "the container was killed, probably because it ran out of memory", todo: "set flows.memory to more", section: sectionMemory},
	{stopCode: "UserInitiated", what: "somebody stopped the task", todo: "run it again", section: sectionPending},
	// The worker.
	{
		text: `(registertaskdefinition|runtask|describevpcs|describesubnets|tagresource).*(accessdenied|not authorized)|(accessdenied|unauthorizedoperation).*(registertaskdefinition|runtask|describevpcs|describesubnets|tagresource)|not authorized to perform: (ecs|iam|ec2):`,
		what: "the worker may not start the task",
		todo: "run `flowbed up`, which repairs the agent's role; a worker elsewhere needs `flowbed policy --for worker`", section: sectionPermission,
	},
	{text: `throttlingexception|rate exceeded`, what: "ECS limits the rate of calls", todo: "run it again", section: sectionThrottled},
	{
		text: `clusternotfound|cluster not found|(subnet|security group|securitygroup).*(does not exist|not found)|role is not valid|invalidsubnetid|invalidgroup`,
		what: "the work pool names something that does not exist", todo: "run `flowbed up`, which repairs the work pool", section: sectionPool,
	},
	{
		text: `failed to submit flow run`, what: "the worker cannot start the task",
		todo: "see the worker's log with `flowbed agent logs`", section: sectionPending,
	},
	// The flow's process.
	{
		text: `no module named '?prefect_aws|no module named '?boto3`, what: "the image lacks prefect-aws, and the task could not install it",
		todo: "build an image with prefect-aws, or let the task reach the Python package index", section: sectionImage,
	},
	{
		text: `no module named '?prefect'?$|executable file not found|prefect: (command )?not found`, what: "the image lacks Prefect",
		todo: "use Prefect's image, or build your own from it", section: sectionImage,
	},
	{
		text: `certificate verify failed`, what: "the task does not trust the API's certificate",
		todo: "add the CA to the flows' image", section: sectionCA,
	},
	{
		text: `401 unauthorized|unauthorized.*prefect`, what: "Prefect refuses the key that the task has",
		todo: "check the key, and run `flowbed up`", section: sectionWrongKey,
	},
	{
		text: `accessdenied|not authorized to perform`, what: "the task role lacks a permission",
		todo: "run `flowbed up`, which repairs the role; to a role that somebody else created, add the permission", section: sectionPermission,
	},
	{
		text: `unable to locate credentials`, what: "the task has no task role",
		todo: "run `flowbed up`, which repairs the work pool", section: sectionPool,
	},
	{
		text: `connecterror|connecttimeout|all connection attempts failed|name or service not known|temporary failure in name resolution|could not connect to the endpoint|connect timeout on endpoint`,
		what: "the task does not reach Prefect's API, or an endpoint of AWS",
		todo: "use an api_url that the tasks' subnets reach, and subnets with a route to AWS", section: sectionNetwork,
	},
}

// patterns are the texts of the causes.
var patterns = func() (list []*regexp.Regexp) {
	for _, c := range causes {
		list = append(list, regexp.MustCompile(`(?im)`+c.text))
	}
	return list
}()

// diagnose returns the cause, in the words of whoever said it.
func diagnose(e evidence) *Failure {
	for i, c := range causes {
		if c.stopCode != "" && c.stopCode != e.stopCode || c.exit != 0 && (e.exit == nil || *e.exit != c.exit) {
			continue
		}
		if s, ok := e.says(c, patterns[i]); ok {
			return &Failure{What: c.what, By: s.by, Quote: short(s.text), Todo: c.todo, Section: c.section}
		}
	}
	return e.unknown()
}

// says returns the first saying that matches a cause.
func (e evidence) says(c cause, pattern *regexp.Regexp) (saying, bool) {
	for _, s := range e.sayings {
		if (c.by == "" || c.by == s.by) && pattern.MatchString(oneLine(s.text)) {
			return s, true
		}
	}
	return saying{}, false
}

// unknown is the failure if no cause matches.
func (e evidence) unknown() *Failure {
	f := &Failure{Todo: "look at the log above", Section: sectionPending}
	switch {
	case e.exit != nil && *e.exit != 0:
		f.What = fmt.Sprintf("the container ended with exit code %d", *e.exit)
	case e.lost:
		f.What = "the task has ended, and the run has not"
	case e.state.Name != "":
		f.What = "the run's state is " + e.state.Name
	default:
		f.What = "the run has ended"
	}
	for _, s := range e.sayings {
		if s.by == byECS && e.lost || s.by == byPrefect && !e.lost {
			f.By, f.Quote = s.by, short(s.text)
			break
		}
	}
	if !e.started {
		f.Todo += ", and at the worker's with `flowbed agent logs`"
	}
	return f
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// maxQuote is how much of a text is quoted.
const maxQuote = 500

func short(s string) string {
	s = oneLine(s)
	if len(s) > maxQuote {
		return strings.ToValidUTF8(s[:maxQuote], "") + "…"
	}
	return s
}

// explain collects the evidence, and returns the failure. It also tells the end of the log
// that the task wrote to CloudWatch, if the flow has not run: Prefect does not have it.
func (f *attempt) explain(ctx context.Context) error {
	e := evidence{
		lost: f.task.stopped() && !f.run.State.Final(), state: f.run.State, started: f.started, stopCode: f.task.stopCode,
	}
	if text := f.task.ending; text != "" {
		e.sayings = append(e.sayings, saying{byECS, text})
	}
	for _, c := range f.task.containers {
		if c.exit != nil {
			e.exit = c.exit
		}
	}
	if f.run.State.Message != "" {
		e.sayings = append(e.sayings, saying{byPrefect, f.run.State.Message})
	}
	lines, err := f.lastWords(ctx)
	if err != nil {
		f.note("cannot read the task's log: %v", err)
	}
	e.sayings = append(e.sayings, newestFirst(byCloudWatch, lines)...)
	e.sayings = append(e.sayings, newestFirst(byLog, f.lines)...)
	failure := diagnose(e)
	failure.Todo = f.Advice(failure.Todo)
	return interrupted(ctx, failure)
}

var (
	commands = regexp.MustCompile("`(flowbed [^`]*)`")
	askAgent = regexp.MustCompile(" with `flowbed agent logs`")
)

// Advice adds the flags that select the environment to the commands in a text, and removes
// those that need an agent if flowbed has none.
func (h *Hello) Advice(text string) string {
	if !h.Agent {
		text = askAgent.ReplaceAllLiteralString(text, "")
	}
	return commands.ReplaceAllStringFunc(text, func(c string) string { return strings.TrimSuffix(c, "`") + h.Flags + "`" })
}

// newestFirst returns the last lines of a log. The last one that matches a cause is the one
// to quote.
func newestFirst(by string, lines []string) (list []saying) {
	for i := len(lines) - 1; i >= 0 && len(list) < maxTail; i-- {
		list = append(list, saying{by, lastLine(lines[i])})
	}
	return list
}

// lastLine returns the last line of a text: that of a Python traceback has the error.
func lastLine(s string) string {
	s = strings.TrimRight(s, "\n ")
	return s[strings.LastIndex(s, "\n")+1:]
}

// lastWords reads the end of the log in CloudWatch, and tells it.
func (f *attempt) lastWords(ctx context.Context) ([]string, error) {
	if f.started && f.run.State.Type != prefect.Crashed && f.run.State.Final() {
		return nil, nil
	}
	lines, err := f.taskLog(ctx)
	for _, l := range lines {
		if !f.heard(l) {
			f.tell(Event{Kind: Log, Source: FromCloudWatch, Text: l})
		}
	}
	return lines, err
}

// heard reports whether the run's log in Prefect has a line that the task has printed, too:
// Prefect prints it with a time before it.
func (f *attempt) heard(line string) bool {
	return slices.ContainsFunc(f.lines, func(l string) bool { return l != "" && strings.HasSuffix(line, l) })
}
