// Package names derives the names of everything that flowbed creates for an
// environment. There is no state file, so a name must be the same in every run. This
// package defines each name once, for the kinds of resources, the defaults of the
// config file, the policies and the inventory.
//
// The package imports only the standard library. Package spec needs the names for its
// defaults, and must not import the AWS SDK for them. That is why they are not part of
// package resource, which exports them as resource.Names.
//
// The name of an environment has at most 32 characters. Where a name would exceed AWS's
// limit by that, fit shortens it; of the names below, that is only the bucket's.
package names

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

const (
	// Prefix starts all names except those of log groups and parameters. A name does
	// not prove that an object is ours; only its tags do.
	Prefix = "flowbed-"

	// Path starts the names of log groups and parameters.
	Path = "/flowbed/"
)

// Account-wide names. Several environments, and people, may use the object with this
// name.
const (
	// AccountExecutionRole is the name that the ECS console gives to this role.
	// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
	AccountExecutionRole = "ecsTaskExecutionRole"

	// AccountCluster is the cluster that ECS uses if a call names none.
	// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html
	AccountCluster = "default"
)

// HelloPrefix starts the keys of the objects that `flowbed hello` puts into the flow bucket.
const HelloPrefix = "flowbed-hello/"

// The objects of `flowbed hello`, below the prefix and the run's id.
const (
	HelloCode   = "code/hello.py"
	HelloResult = "result.txt"
)

// HelloRun returns the id of the run of `flowbed hello` that an object belongs to. It is empty
// if the key has not exactly the form that hello gives to its objects.
func HelloRun(key string) string {
	rest, ok := strings.CutPrefix(key, HelloPrefix)
	id, file, _ := strings.Cut(rest, "/")
	if !ok || !HelloID(id) || file != HelloCode && file != HelloResult {
		return ""
	}
	return id
}

// HelloID reports whether a text has the form of the ids of hello's runs: 8 characters of
// base32, in lower case.
func HelloID(id string) bool {
	return len(id) == 8 && !strings.ContainsFunc(id, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') })
}

// OwnPolicy is the name of the inline policy in a role that only one environment uses.
// Each role has its own namespace for inline policies.
const OwnPolicy = "flowbed"

// Names derives the names for one environment.
type Names struct {
	Env     string // 1 to 32 lower-case letters, digits and hyphens
	Account string // 12 digits
	Region  string
}

// LogGroup is unique in the account and region. AWS allows 512 characters.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
func (n Names) LogGroup() string { return Path + n.Env }

// Bucket is the default name in the account-regional namespace, where no other account
// can take it. AWS allows 63 characters, including the suffix.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func (n Names) Bucket() string { return n.fit("-"+n.BucketSuffix(), maxBucket) }

const maxBucket = 63

// BucketShortened reports whether Bucket contains only a part of the environment's name.
func (n Names) BucketShortened() bool {
	return len(Prefix)+len(n.Env)+1+len(n.BucketSuffix()) > maxBucket
}

// fit returns the environment's name with the prefix and a suffix, in at most limit
// characters. It replaces the end of a name that is too long with a hash of the name, so
// that two environments do not get the same name.
func (n Names) fit(suffix string, limit int) string {
	room := limit - len(Prefix) - len(suffix)
	if len(n.Env) <= room {
		return Prefix + n.Env + suffix
	}
	sum := sha256.Sum256([]byte(n.Env))
	hash := "-" + hex.EncodeToString(sum[:4])
	return Prefix + strings.TrimRight(n.Env[:max(0, room-len(hash))], "-") + hash + suffix
}

// BucketSuffix ends every name in the account-regional namespace.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/gpbucketnamespaces.html
func (n Names) BucketSuffix() string { return n.Account + "-" + n.Region + "-an" }

// GlobalBucket is the default name in the namespace that all accounts share. AWS
// allows 63 characters. The name contains only a hash of the account id, because
// everybody can see it.
func (n Names) GlobalBucket() string {
	sum := sha256.Sum256([]byte(n.Account + "/" + n.Region + "/" + n.Env))
	return Prefix + n.Env + "-" + hex.EncodeToString(sum[:6])
}

// TaskRole is the default name of the role that flows assume. It is unique in the
// account regardless of case. AWS allows 64 characters.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func (n Names) TaskRole() string { return n.part("task") }

// ExecutionRole is the name of the execution role of an environment that does not use the
// account's. It is unique in the account regardless of case. AWS allows 64 characters.
func (n Names) ExecutionRole() string { return n.part("execution") }

// Agent names all objects of the agent. Each kind has its own namespace: the role (64
// characters) and the instance profile (128) are unique in the account, the key pair
// (255) in the region, and the security group (255) in the VPC. The instance has it
// as its Name tag, which need not be unique.
func (n Names) Agent() string { return n.part("agent") }

// Service names the agent's ECS service, the family of its task definitions, and the role of
// its tasks. A service is unique in its cluster; ECS allows 255 characters for it and for a
// family. The role has another name than that of an instance, because during a change from
// one to the other both exist.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
func (n Names) Service() string { return n.part("worker") }

// TaskGroup is the security group of the tasks. It is unique in the VPC. AWS allows
// 255 characters.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
func (n Names) TaskGroup() string { return n.part("tasks") }

// EndpointGroup is the security group of the VPC endpoints. It is unique in the VPC. AWS allows
// 255 characters.
func (n Names) EndpointGroup() string { return n.part("endpoints") }

func (n Names) part(what string) string { return Prefix + n.Env + "-" + what }

// SharedPolicy is the environment's inline policy in a role that environments of all
// regions share. It is unique in the role. AWS allows 128 characters.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
func (n Names) SharedPolicy() string { return Prefix + n.Env + "-" + n.Region }

// OfSharedPolicy returns the environment and the region in the name of a policy that
// SharedPolicy named.
func OfSharedPolicy(policy string) (n Names, ok bool) {
	m := sharedPolicy.FindStringSubmatch(policy)
	if m == nil {
		return n, false
	}
	return Names{Env: m[1], Region: m[2]}, true
}

// sharedPolicy ends with a region: https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
var sharedPolicy = regexp.MustCompile(`^` + Prefix + `(.+)-([a-z]{2}(?:-[a-z]+)+-[0-9]+)$`)

// Events names the queue of the ECS events of the environment's tasks, which its worker
// reads, and the EventBridge rule that sends the events there. Queues and rules have
// separate namespaces in the account and region. AWS allows 80 characters for a queue, and
// 64 for a rule.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
func (n Names) Events() string { return n.part("events") }

// DeadEvents is the queue for the events that the worker could not handle.
func (n Names) DeadEvents() string { return n.Events() + "-dlq" }

// APIKey is the parameter that holds the key, or the user and password, for Prefect's
// API. It is unique in the account and region. AWS allows 1,011 characters, including
// the ARN.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
func (n Names) APIKey() string { return Path + n.Env + "/prefect-api-key" }

// Lease is the parameter of the environment lock.
func (n Names) Lease() string { return Path + n.Env + leaseSuffix }

const leaseSuffix = "/lease"

// IsLease reports whether a parameter is the lock of an environment.
func IsLease(parameter string) bool {
	env, path := len(parameter)-len(leaseSuffix), len(Path)
	return env > path && parameter == Names{Env: parameter[path:env]}.Lease()
}

// Plain is the default name for kinds of which an environment has one object: Prefect's
// work pool (unique in the server or workspace), the family of the ECS task definitions of
// Prefect 1's flows (255 characters), and other kinds with names that are unique in the
// account and region.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
func (n Names) Plain() string { return Prefix + n.Env }

// Worker is the name with which the agent on an instance, or in a task of the service, reports
// to Prefect. The instance's user data and the task's command derive the same name.
func (n Names) Worker(instance string) string { return n.Env + "-" + instance }
