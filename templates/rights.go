package templates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision/keypolicy"
	"github.com/flowbed/flowbed/provision/secret"
)

// TaskRights says what a flow's container may do.
type TaskRights struct {
	Bucket     string // the flow bucket's name
	S3         string // "bucket", "full" or "none"
	ECR        string // "repository", "pull", "full" or "none"
	Repository string // the repository's name, for "repository"
	Dask       *DaskRights
	Statements []Statement

	// Key is the ARN of the KMS key that encrypts the bucket; empty if S3's own keys do.
	Key string
}

// Statement allows actions on resources, as the spec has them.
type Statement struct {
	Actions, Resources []string
}

// DaskRights says what dask-cloudprovider's FargateCluster may use from inside a
// task. The cluster, roles, security group and log group already exist.
type DaskRights struct {
	ClusterARN string
	Roles      []string // ARNs of the roles that its tasks get
	LogGroup   string   // name
}

// TaskPolicy returns the task role's inline policy, or "" if it allows nothing.
func TaskPolicy(p Place, r TaskRights) string {
	var s []statement
	bucket := "arn:" + p.Partition + ":s3:::" + r.Bucket
	switch r.S3 {
	case "bucket":
		s = append(s,
			// Without ListBucket, S3 returns 403 for a missing key, and Prefect fails.
			allow("FlowBucket", list{"s3:ListBucket", "s3:GetBucketLocation"}, bucket),
			allow("FlowObjects", list{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}, bucket+"/*"))
	case "full":
		s = append(s, allow("S3", list{"s3:*"}, "*"))
	}
	if r.Key != "" && r.S3 != "none" {
		// To put a large object in parts, S3 also decrypts.
		s = append(s, useKey(p, "FlowKey", "s3", r.Key, "kms:Decrypt", "kms:GenerateDataKey"))
	}
	switch r.ECR {
	case "repository":
		s = append(s, pull(p, r.Repository)...)
	case "pull":
		s = append(s, pull(p, "*")...)
	case "full":
		s = append(s, allow("Ecr", list{"ecr:*"}, "*"))
	}
	if r.Dask != nil {
		s = append(s, dask(p, *r.Dask)...)
	}
	return document(append(s, further(r.Statements)...)...)
}

// useKey allows to use a key of KMS through one service.
func useKey(p Place, sid, service, key string, actions ...string) statement {
	return allow(sid, actions, key).when("StringEquals", keypolicy.Via, keypolicy.Service(p.Partition, p.Region, service))
}

// further returns the statements of the spec.
func further(list []Statement) (s []statement) {
	for i, e := range list {
		s = append(s, allow(fmt.Sprintf("Statement%d", i+1), e.Actions, e.Resources...))
	}
	return s
}

// pull allows to pull images from a repository, or from all.
func pull(p Place, repository string) []statement {
	return []statement{
		allow("EcrLogin", list{"ecr:GetAuthorizationToken"}, "*"),
		allow("EcrPull", list{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
			p.arn("ecr", p.Region, "repository/"+repository)),
	}
}

func dask(p Place, r DaskRights) []statement {
	return []statement{
		// IAM cannot limit any of these to a resource.
		allow("DaskLook", list{
			"ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
			"ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListAccountSettings", "ecs:ListClusters",
			"ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition", "iam:ListRoles", "logs:DescribeLogGroups",
		}, "*"),
		allow("DaskCluster", list{"ecs:DescribeClusters"}, r.ClusterARN),
		allow("DaskRun", list{"ecs:RunTask"}, p.arn("ecs", p.Region, "task-definition/*")).
			when("ArnEquals", "ecs:cluster", r.ClusterARN),
		allow("DaskTasks", list{"ecs:DescribeTasks", "ecs:StopTask"}, tasksOf(r.ClusterARN)),
		allow("DaskTag", list{"ecs:TagResource"}, p.arn("ecs", p.Region, "task-definition/*"), tasksOf(r.ClusterARN)).
			when("StringEquals", "ecs:CreateAction", "RegisterTaskDefinition", "RunTask"),
		allow("DaskRoles", list{"iam:ListRoleTags"}, r.Roles...),
		pass("DaskPass", r.Roles),
		allow("DaskLogs", list{"logs:GetLogEvents"}, p.logGroup(r.LogGroup)),
	}
}

// ExecutionPolicy returns the policy that this environment adds to the execution
// role: write to the log group, and read the secrets. It is "" if there is neither.
func ExecutionPolicy(p Place, logGroup string, secrets ...secret.Ref) string {
	var s []statement
	if logGroup != "" {
		s = append(s, allow("Log", list{"logs:CreateLogStream", "logs:PutLogEvents"}, p.logGroup(logGroup)))
	}
	return document(append(s, reading(secret.ByECS, secrets...)...)...)
}

// reading allows to read secrets, and to decrypt them.
func reading(by secret.Reader, secrets ...secret.Ref) (s []statement) {
	sid := ""
	for _, r := range secret.Rights(by, secrets...) {
		one := allow("Secret"+sid, r.Actions, r.Resources...)
		for _, key := range slices.Sorted(maps.Keys(r.Condition)) {
			one = one.when("StringEquals", key, r.Condition[key]...)
		}
		s = append(s, one)
		sid = strconv.Itoa(len(s) + 1)
	}
	return s
}

// Generation groups Prefect versions by the AWS calls their agents make.
type Generation int

// The generations, newest first.
const (
	Prefect3   Generation = iota // the worker since prefect-aws 0.6, which does not poll its tasks
	Prefect2                     // the worker before that, which polls its tasks
	Prefect1                     // the agent since 0.14.12, which deregisters each definition
	Prefect014                   // the agent up to 0.14.11, which finds definitions by tag
)

// AgentRights says what the agent's instance may do, or a worker elsewhere.
type AgentRights struct {
	ClusterARN string
	Roles      []string   // ARNs of the task and the execution role
	Secret     secret.Ref // of the API; the zero value if there is none
	Families   string     // limits RunTask to task definitions whose families begin with it; may be empty
	Prefect    Generation
	Tags       bool // its task definitions have tags; those of Prefect 1 always have

	// Service is the ARN of the agent's own service, which the agent scales to zero when the
	// environment expires; empty if it runs in none, or does not expire.
	Service string

	// Events is the name of the queue from which a worker of Prefect 3 learns what happens to
	// its tasks, and LogGroup that of their logs. Both are empty if there is no queue.
	Events, LogGroup string

	// EventsKey is the ARN of the KMS key that encrypts the queue; empty if SQS's own keys do.
	EventsKey string

	// Statements are what the spec adds, for an agent that flowbed runs.
	Statements []Statement
}

// AgentPolicy allows exactly what the agent's instance does: the calls of the agent, reading
// its secret, and what the spec adds.
func AgentPolicy(p Place, r AgentRights) string {
	s := append(workerStatements(p, r), reading(secret.ByCall, r.Secret)...)
	s = append(s, further(r.Statements)...)
	return document(append(s, otherParameters(p, r)...)...)
}

// ServicePolicy allows exactly what the agent in a task of a service does, and what the spec
// adds. ECS gives it its secret, so it need not read that.
func ServicePolicy(p Place, r AgentRights) string {
	s := workerStatements(p, r)
	if r.Service != "" {
		s = append(s, allow("Expire", list{"ecs:UpdateService"}, r.Service))
	}
	return document(append(s, further(r.Statements)...)...)
}

// WorkerPolicy allows exactly the calls of a worker that runs elsewhere, on indented
// lines. Such a worker has its secret from whoever starts it.
func WorkerPolicy(p Place, r AgentRights) string {
	return Indented(document(workerStatements(p, r)...))
}

// Indented returns a policy of this package on indented lines.
func Indented(policy string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(policy), "", "  "); err != nil {
		panic("templates: policy: " + err.Error()) // document returns JSON
	}
	return b.String() + "\n"
}

// workerStatements allow the calls that Prefect's agent makes.
//
// A worker names its task definition families prefect_<pool>_<deployment or flow
// id>, and may run no others. A pool whose template sets `family` to a name with
// another prefix needs its own policy.
func workerStatements(p Place, r AgentRights) []statement {
	definitions := p.arn("ecs", p.Region, "task-definition/"+r.Families+"*:*")
	s := []statement{
		// IAM cannot limit DescribeTaskDefinition to a family, and a family that is
		// not registered yet has no ARN. The statements below limit what can run, by
		// family, cluster and roles.
		allow("Definitions", definitionActions(r.Prefect), "*"),
		allow("Run", list{"ecs:RunTask"}, definitions).when("ArnEquals", "ecs:cluster", r.ClusterARN),
		pass("Pass", r.Roles),
	}
	tasks := tasksOf(r.ClusterARN)
	// EC2 has no resource-level permissions for Describe calls.
	network := allow("Network", list{"ec2:DescribeSubnets", "ec2:DescribeVpcs"}, "*")
	switch r.Prefect {
	case Prefect3, Prefect2:
		control := list{"ecs:StopTask"}
		if r.Prefect == Prefect2 || r.Events != "" {
			control = append(control, "ecs:DescribeTasks")
		}
		tagged, by := list{tasks}, list{"RunTask"}
		if r.Tags {
			tagged, by = list{definitions, tasks}, list{"RegisterTaskDefinition", "RunTask"}
		}
		s = append(s,
			allow("Tag", list{"ecs:TagResource"}, tagged...).when("StringEquals", "ecs:CreateAction", by...),
			allow("Control", control, tasks), network)
	default:
		// The agent reads its network from a file, so it needs no Network statement.
		s = append(s, allow("Tag", list{"ecs:TagResource"}, p.arn("ecs", p.Region, "task-definition/*"), tasks).
			when("StringEquals", "ecs:CreateAction", "RegisterTaskDefinition", "RunTask"))
	}
	if r.Prefect == Prefect014 {
		s = append(s, allow("Find", list{"tag:GetResources"}, "*"))
	}
	if r.Prefect == Prefect3 {
		s = append(s, observer(p, r)...)
	}
	return s
}

// observer allows the calls with which a worker learns what happens to its tasks: beside
// these, it describes a task, whose tags name the run, and its definition, which names its
// log. Without DescribeTasks it would drop every event in silence.
//
// It may not deregister task definitions, which IAM cannot limit to those of a pool. It tries
// to only if a deployment sets auto_deregister_task_definition; the event of such a task,
// whose run it has updated, then ends in the dead-letter queue.
//
// A worker without a queue looks for Prefect's default one at every start. Without this
// permission its observer would fail instead, and the worker would restart it.
func observer(p Place, r AgentRights) []statement {
	if r.Events == "" {
		return []statement{allow("Events", list{"sqs:GetQueueUrl"}, p.arn("sqs", p.Region, "prefect-ecs-tasks-events"))}
	}
	s := []statement{
		allow("Events", list{"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"}, p.arn("sqs", p.Region, r.Events)),
		allow("CrashLogs", list{"logs:GetLogEvents"}, p.logGroup(r.LogGroup)),
	}
	if r.EventsKey != "" {
		s = append(s, useKey(p, "EventsKey", "sqs", r.EventsKey, "kms:Decrypt"))
	}
	return s
}

// otherParameters denies reads of every other parameter in the account. Session
// Manager needs AmazonSSMManagedInstanceCore, and that policy would allow them.
// AWS's public parameters stay readable, and those that a statement of the spec opens.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonSSMManagedInstanceCore.html
func otherParameters(p Place, r AgentRights) []statement {
	reads := list{"ssm:GetParameter", "ssm:GetParameters"}
	but := list{"arn:" + p.Partition + ":ssm:*::parameter/aws/*"}
	if own := r.Secret; own.Service == secret.SSM {
		but = append(but, own.ARN())
	}
	for _, s := range r.Statements {
		if !slices.ContainsFunc(s.Actions, func(a string) bool { return matchesOne(a, reads) }) {
			continue
		}
		for _, arn := range s.Resources {
			if arn == "*" {
				return nil
			}
			if strings.Contains(arn, ":ssm:") && !slices.Contains(but, arn) {
				but = append(but, arn)
			}
		}
	}
	return []statement{{Sid: "OtherSecrets", Effect: "Deny", Action: reads, NotResource: but}}
}

// matchesOne reports whether an action of a statement matches one of the actions. IAM compares
// them regardless of case; * matches any text, and ? any character.
func matchesOne(pattern string, actions list) bool {
	return slices.ContainsFunc(actions, func(a string) bool {
		ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(a))
		return ok && err == nil
	})
}

func definitionActions(g Generation) list {
	switch g {
	case Prefect1:
		return list{"ecs:DeregisterTaskDefinition", "ecs:RegisterTaskDefinition"}
	case Prefect014:
		return list{"ecs:RegisterTaskDefinition"}
	}
	return list{"ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"}
}

// pass allows passing roles to ECS tasks and nothing else.
func pass(sid string, roles []string) statement {
	return allow(sid, list{"iam:PassRole"}, roles...).
		when("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com")
}

// tasksOf returns the ARN pattern of a cluster's tasks.
func tasksOf(clusterARN string) string {
	return strings.Replace(clusterARN, ":cluster/", ":task/", 1) + "/*"
}
