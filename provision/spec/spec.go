package spec

import "github.com/zclconf/go-cty/cty"

// The structs of this file are the language of config.hcl: field tags name the
// blocks and attributes, and the comments are their reference in docs/spec.md
// (`make docs` writes it). A default stands in a comment as "Default: …".
//
// A tag spec:"names" is on what says how an object is called or where it is: it
// must be known even for a removal. A tag spec:"secret" is on what may come from
// a sensitive variable.

// Variable is a value that comes from outside the file: from `--var name=value`,
// else from the environment variable `FLOWBED_VAR_name`, else from its default.
// Its label is its name. It is used as `var.name`.
type Variable struct {
	Name string `hcl:"name,label"`

	// Default is the value if none is given. Values from outside are converted
	// to its type; for a list or a map they are written as in this file, for
	// example `--var 'subnets=["subnet-0a1b2c3d"]'`. It can use functions, but no
	// other variable.
	Default cty.Value `hcl:"default,optional"`

	// Sensitive keeps the value out of everything that flowbed shows or stores.
	// It can then only be used for a secret. Default: false.
	Sensitive bool `hcl:"sensitive,optional"`

	// Description says what the variable is for.
	Description string `hcl:"description,optional"`
}

// Environment is one place where flows run: everything that one `up` builds and
// one `down` removes. Its label names it: a lower-case letter, then up to 19
// lower-case letters, digits or hyphens. A file may hold several environments;
// `-e` picks one. Every block in it may be left out: all but `agent` are then
// there with their defaults.
type Environment struct {
	Name string `hcl:"name,label"`

	// Region is the AWS region, for example "us-east-1". Default: that of the
	// AWS configuration (AWS_REGION, then the profile). There is no fallback: a
	// run without a region stops.
	Region string `hcl:"region,optional" spec:"names"`

	// Account pins the environment to one AWS account, 12 digits in quotes. In
	// another account every command stops before it has looked at anything.
	// Default: none, which takes the account of the credentials.
	Account string `hcl:"account,optional" spec:"names"`

	// TTL is how long the environment is meant to live, from 10 minutes to a year,
	// in hours and minutes: "8h", "90m", "1h30m". Everything that is made for it
	// then carries the tag `flowbed:expires-at`, `flowbed sweep` removes it after
	// that, and the agent's instance terminates itself when it has run for so long.
	// Default: none; it stays until `down`.
	TTL string `hcl:"ttl,optional"`

	// Tags are put on every object that can carry tags, 38 at most. Keys that
	// begin with "aws:" or "flowbed:" are reserved. Tags that somebody else adds
	// are left alone. Default: none.
	Tags map[string]string `hcl:"tags,optional"`

	Bucket        *Bucket        `hcl:"bucket,block"`
	TaskRole      *TaskRole      `hcl:"task_role,block"`
	ExecutionRole *ExecutionRole `hcl:"execution_role,block"`
	Cluster       *Cluster       `hcl:"cluster,block"`
	Network       *Network       `hcl:"network,block"`
	Logs          *Logs          `hcl:"logs,block"`
	Agent         *Agent         `hcl:"agent,block"`
}

// Bucket is the flow bucket: private, encrypted, reachable over TLS only.
type Bucket struct {
	// Name is the bucket's name. In the account-regional namespace it must end
	// with -<account>-<region>-an. Default: `flowbed-<env>-<account>-<region>-an`
	// in the account-regional namespace, `flowbed-<env>-<12 hexadecimal digits>`
	// in the global one.
	Name string `hcl:"name,optional" spec:"names"`

	// Namespace is "account-regional", where nobody else can ever take the name,
	// or "global". me-south-1 and me-central-1 have only the global one.
	// Default: "account-regional".
	Namespace string `hcl:"namespace,optional" spec:"names"`

	// Versioning keeps overwritten and deleted objects. Default: true.
	Versioning *bool `hcl:"versioning,optional"`

	// ExpireDays deletes objects after so many days; 0 keeps them for ever.
	// Unfinished uploads always end after 7 days. Default: 0.
	ExpireDays int `hcl:"expire_days,optional"`

	// ForceDestroy lets `down` empty the bucket. Otherwise it stops at a bucket
	// that holds anything. Default: false.
	ForceDestroy bool `hcl:"force_destroy,optional"`

	// Ownership says what to do if the bucket exists and flowbed did not make
	// it: "own" refuses, "adopt" takes it over, "external" uses it and never
	// writes to it. Default: "own".
	Ownership string `hcl:"ownership,optional"`
}

// TaskRole is the IAM role of the flow's container.
type TaskRole struct {
	// Name is the role's name. Default: `flowbed-<env>-task`.
	Name string `hcl:"name,optional" spec:"names"`

	// S3 is "bucket" (list, get, put and delete in the flow bucket), "full" or
	// "none". Default: "bucket".
	S3 string `hcl:"s3,optional"`

	// ECR is "pull" (this account's repositories), "full" or "none". Pulling
	// the task's own image needs nothing here. Default: "pull".
	ECR string `hcl:"ecr,optional"`

	// Dask adds what dask-cloudprovider's FargateCluster needs to start workers in
	// this cluster, with these roles and this log group, and lets the tasks of the
	// environment reach each other. Default: false.
	Dask bool `hcl:"dask,optional"`

	// Policies are the ARNs of further managed policies. Default: none.
	Policies []string `hcl:"policies,optional"`

	// Statement blocks, any number, are added to the role's policy.
	Statements []Statement `hcl:"statement,block"`

	// Ownership is as in the bucket block. Default: "own".
	Ownership string `hcl:"ownership,optional"`
}

// Statement allows actions on resources.
type Statement struct {
	// Actions are IAM actions, for example "sqs:SendMessage"; at least one.
	Actions []string `hcl:"actions"`

	// Resources are ARNs, at least one; `account`, `region` and `env_name` help to
	// write them.
	Resources []string `hcl:"resources"`
}

// ExecutionRole is the IAM role with which ECS pulls the image, writes the log
// and reads the API key. The name usually belongs to the whole account.
type ExecutionRole struct {
	// Name is the role's name. Default: "ecsTaskExecutionRole".
	Name string `hcl:"name,optional" spec:"names"`

	// Ownership is as in the bucket block. Default: for "ecsTaskExecutionRole",
	// made if it is absent and used as it is if flowbed did not make it; for
	// another name, "own".
	Ownership string `hcl:"ownership,optional"`
}

// Cluster is the ECS cluster.
type Cluster struct {
	// Name is the cluster's name. Default: "default".
	Name string `hcl:"name,optional" spec:"names"`

	// CapacityProviders are those that the cluster offers: "FARGATE",
	// "FARGATE_SPOT" or both. Default: both.
	CapacityProviders []string `hcl:"capacity_providers,optional"`

	// ContainerInsights turns on CloudWatch Container Insights, which costs
	// money. Default: false.
	ContainerInsights bool `hcl:"container_insights,optional"`

	// Ownership is as in the bucket block. Default: for the cluster "default",
	// made if it is absent and used as it is if flowbed did not make it; for
	// another name, "own".
	Ownership string `hcl:"ownership,optional"`
}

// Network says where tasks and the agent run.
type Network struct {
	// VPC is "default", for the account's default VPC in the region, or a VPC's
	// id. Default: "default".
	VPC string `hcl:"vpc,optional"`

	// Subnets are the ids of the subnets. Default: the VPC's public subnets.
	Subnets []string `hcl:"subnets,optional"`
}

// Logs is the CloudWatch log group `/flowbed/<env>`.
type Logs struct {
	// RetentionDays is how long logs are kept. CloudWatch offers 1, 3, 5, 7, 14,
	// 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
	// 3288 and 3653 days. Default: 30.
	RetentionDays int `hcl:"retention_days,optional"`
}

// Agent is the EC2 instance whose worker starts the flows. Without this block
// there is neither an instance nor anything that only it needs.
type Agent struct {
	// InstanceType is the EC2 instance type. Default: "t2.micro".
	InstanceType string `hcl:"instance_type,optional"`

	// Image is "al2023", "al2" or the id of an AMI. Default: "al2023".
	Image string `hcl:"image,optional"`

	// VolumeGiB is the size of the encrypted root volume in GiB, from 8 to 16384.
	// Default: 16.
	VolumeGiB int `hcl:"volume_gib,optional"`

	SSH     *SSH     `hcl:"ssh,block"`
	Prefect *Prefect `hcl:"prefect,block"`
}

// SSH opens port 22 to one address range. Without this block no port is open,
// and Session Manager is the way in. It needs either `public_key` or `key_name`.
type SSH struct {
	// CIDR is the address range, for example "203.0.113.7/32", or "auto" for
	// the address from which flowbed runs (FLOWBED_PUBLIC_IP overrides it).
	// Default: "auto".
	CIDR string `hcl:"cidr,optional"`

	// PublicKey is an OpenSSH public key of the type ed25519 or rsa, which is
	// imported.
	PublicKey string `hcl:"public_key,optional"`

	// KeyName is an existing EC2 key pair, instead of a public key.
	KeyName string `hcl:"key_name,optional"`

	// AllowWorld is needed for a range that is open to the world or a large part
	// of it: shorter than /8, or than /12 in IPv6. Default: false.
	AllowWorld bool `hcl:"allow_world,optional"`
}

// Prefect says which Prefect the agent runs, and for which API. An agent needs
// this block.
type Prefect struct {
	// Version is an exact Prefect version: 3.4.7 or later, 2.19.0 or later of
	// Prefect 2, or of Prefect 1 the versions from 0.14.0 to 1.4.1. Prefect 2 and
	// 3 start a worker for a work pool, Prefect 1 an agent for labels.
	// Default: "3.9.1".
	Version string `hcl:"version,optional"`

	// APIURL is the API of Prefect Cloud,
	// https://api.prefect.cloud/api/accounts/<id>/workspaces/<id>, or of a server
	// of your own: http://<host>:4200/api, or for Prefect 1 http://<host>:4200.
	APIURL string `hcl:"api_url"`

	// APIKey is the API's key, which Prefect Cloud needs; for Prefect 1, the key
	// or (before 0.15) the RUNNER token of a backend that asks for one, which a
	// Prefect Server does not. It is kept in an SSM SecureString; Prefect 1 itself
	// copies it into its tasks, and nothing else does. Use a sensitive variable.
	APIKey string `hcl:"api_key,optional" spec:"secret"`

	// AuthString is the user and the password, as user:password, of a server of
	// your own that asks for them (its PREFECT_SERVER_API_AUTH_STRING). It takes
	// the place of `api_key`, and is kept like it.
	AuthString string `hcl:"auth_string,optional" spec:"secret"`

	// CAFile is the certificate of the private authority that has signed the
	// API's, in PEM: ca_file = file("ca.pem"). flowbed and the agent use it; the
	// images of the flows must trust the authority by themselves. Default: the
	// public authorities.
	CAFile string `hcl:"ca_file,optional"`

	// WorkPool is the work pool's name: letters, digits, hyphens and underscores.
	// Prefect 1 has none. Default: `flowbed-<env>`.
	WorkPool string `hcl:"work_pool,optional"`

	// ConcurrencyLimit is how many runs of the work pool there may be at a time.
	// Default: flowbed leaves the pool's limit alone.
	ConcurrencyLimit *int `hcl:"concurrency_limit,optional"`

	// Labels are the labels of an agent of Prefect 1. It takes the flows whose
	// labels are all among these; without labels, it takes those that have none.
	// Default: none.
	Labels []string `hcl:"labels,optional"`
}
