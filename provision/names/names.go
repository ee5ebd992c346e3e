// Package names derives the names of everything that flowbed makes for an
// environment. There is no state file, so a name has to be the same in every run,
// and each of them is written down here, once: the kinds of resources, the
// defaults of the file, the policies and the inventory all take it from here.
//
// The package imports nothing. The file's language (package spec) needs the names
// for its defaults, and would otherwise pull the AWS SDK into everything that only
// reads a file; for the same reason it is not a part of package resource, which
// passes it on as resource.Names.
//
// An environment's name has at most 20 characters, so that every name below stays
// within what AWS allows.
package names

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	// Prefix begins the names that the account or the region knows without a path.
	// No name proves that an object is ours: the tags do.
	Prefix = "flowbed-"

	// Path begins the names of log groups and parameters.
	Path = "/flowbed/"
)

// Names that belong to the whole account: several environments, and people, may
// use one object of this name.
const (
	// AccountExecutionRole is the name that ECS's console gives to this role.
	// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
	AccountExecutionRole = "ecsTaskExecutionRole"

	// AccountCluster is the cluster that ECS takes where a call names none.
	// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html
	AccountCluster = "default"
)

// OwnPolicy is the inline policy of a role that one environment has to itself.
// Inline policies have a namespace of their own in each role.
const OwnPolicy = "flowbed"

// Names derives the names of one environment.
type Names struct {
	Env     string // 1 to 20 lower-case letters, digits and hyphens
	Account string // 12 digits
	Region  string
}

// LogGroup is unique in the account and region: at most 512 characters.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
func (n Names) LogGroup() string { return Path + n.Env }

// Bucket is the default name in the account-regional namespace, where nobody else
// can take it: 63 characters with its suffix.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func (n Names) Bucket() string { return Prefix + n.Env + "-" + n.BucketSuffix() }

// BucketSuffix is how every name in the account-regional namespace ends.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/gpbucketnamespaces.html
func (n Names) BucketSuffix() string { return n.Account + "-" + n.Region + "-an" }

// GlobalBucket is the default name in the namespace that all accounts share: 63
// characters. The account is hashed, so that the name does not tell it to the world.
func (n Names) GlobalBucket() string {
	sum := sha256.Sum256([]byte(n.Account + "/" + n.Region + "/" + n.Env))
	return Prefix + n.Env + "-" + hex.EncodeToString(sum[:6])
}

// TaskRole is the default name of the role as which flows run: 64 characters, and
// unique in the account whatever their case.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func (n Names) TaskRole() string { return n.part("task") }

// Agent is the name of what the agent alone has, each in a namespace of its own:
// its role (64 characters), its instance profile (128), both unique in the account;
// its key pair (255, unique in the region), its security group (255, unique in the
// VPC), and the Name tag of its instance, which has an id besides.
func (n Names) Agent() string { return n.part("agent") }

// TaskGroup is the security group of the tasks: 255 characters, unique in the VPC.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
func (n Names) TaskGroup() string { return n.part("tasks") }

func (n Names) part(what string) string { return Prefix + n.Env + "-" + what }

// SharedPolicy is the environment's inline policy of a role that it shares with
// environments of all regions: 128 characters, unique in the role.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
func (n Names) SharedPolicy() string { return Prefix + n.Env + "-" + n.Region }

// APIKey is the parameter that holds the key, or user and password, of Prefect's
// API: with its ARN 1,011 characters, unique in the account and region.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
func (n Names) APIKey() string { return Path + n.Env + "/prefect-api-key" }

// Lease is the parameter that the run at work on the environment holds.
func (n Names) Lease() string { return Path + n.Env + leaseSuffix }

const leaseSuffix = "/lease"

// IsLease reports whether a parameter's name is that of an environment's lease.
func IsLease(parameter string) bool {
	env, path := len(parameter)-len(leaseSuffix), len(Path)
	return env > path && parameter == Names{Env: parameter[path:env]}.Lease()
}

// Plain is the default name of what an environment has one of, in a namespace of
// its own: Prefect's work pool (unique in the server or workspace), the family of
// ECS task definitions that flows of Prefect 1 are registered in (255 characters),
// and other kinds whose names are unique in the account and region.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
func (n Names) Plain() string { return Prefix + n.Env }

// Worker is the name under which an agent on the instance reports to Prefect; the
// instance's setup makes the same.
func (n Names) Worker(instance string) string { return n.Env + "-" + instance }
