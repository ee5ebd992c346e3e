package spec

import "github.com/zclconf/go-cty/cty"

// The structs in this file are the language of config.hcl. Field tags name the
// blocks and attributes, and `make docs` turns the comments into their reference,
// docs/spec.md. A comment states a default as "Default: …".
//
// The tag spec:"names" marks an attribute that tells what a resource is called: down
// needs its value. spec:"place" marks the account and the region, spec:"secret" an
// attribute that accepts a sensitive variable, and spec:"cautious" one that down takes as
// true if it depends on something that is missing. Attributes with the same spec:"one-of:…"
// are alternatives: one in an environment replaces all of them in the defaults. Where members
// have different spec:"side:…", one in an environment replaces those of the other side.

// Variable is an input whose value comes from outside the file. Its label is its
// name, and `var.name` refers to it. flowbed takes the value from
// `--var name=value`, then from the environment variable `FLOWBED_VAR_name`, then
// from the files that `--var-file` names, the last one first, then from the default.
type Variable struct {
	Name string `hcl:"name,label"`

	// Default is the value to use when none is given. It also sets the variable's
	// type: flowbed converts a given value to that type. Write a list or a map the
	// way you would in this file, for example
	// `--var 'subnets=["subnet-0a1b2c3d"]'`. The default may call functions but
	// may not refer to other variables.
	Default cty.Value `hcl:"default,optional"`

	// Sensitive hides the value: flowbed never prints it and never stores it in
	// plain text. A sensitive variable can only be used for an attribute that holds
	// a secret. Default: false.
	Sensitive bool `hcl:"sensitive,optional"`

	// Description tells readers what the variable is for.
	Description string `hcl:"description,optional"`
}

// Environment is one place where flows run: everything that `up` builds and `down`
// removes. Its label is its name: a lowercase letter, then up to 31 lowercase
// letters, digits or hyphens. A file can define several environments; select one
// with `-e`. A label such as "pr-*" is a pattern: it describes every environment whose
// name begins that way and that has no block of its own, for example `-e pr-4711`.
// Every block is optional. Without a `prefect`, `agent` or `repository` block there is
// none of these; any other block that you leave out gets its defaults.
type Environment struct {
	Name string `hcl:"name,label"`

	// Region is the AWS region, for example "us-east-1". Default: the region of
	// your AWS configuration (AWS_REGION, then the profile). flowbed stops if there
	// is no region in either place.
	Region string `hcl:"region,optional" spec:"place"`

	// Account pins the environment to one AWS account: 12 digits, in quotes. If the
	// credentials belong to another account, every command stops before it reads
	// or changes anything. Default: the account of the credentials.
	Account string `hcl:"account,optional" spec:"place"`

	// TTL is how long the environment may live, from 10 minutes to one year, in
	// hours and minutes: "8h", "90m", "1h30m". flowbed tags every resource with
	// `flowbed:expires-at`, `flowbed sweep` removes the environment after that
	// time, and the agent instance terminates itself when it has run for the ttl.
	// Default: none; the environment stays until `down`.
	TTL string `hcl:"ttl,optional"`

	// DeletionProtection makes `down` ask for the environment's name, or need
	// `--confirm NAME`, even with `--yes`. `flowbed sweep` leaves the environment alone.
	// All resources have the tag `flowbed:deletion-protection`, so that this also holds
	// without the file. It cannot be combined with `ttl`. Default: false.
	DeletionProtection bool `hcl:"deletion_protection,optional" spec:"cautious"`

	// Tags are added to every resource that supports tags; at most 32. Keys that
	// start with "aws:" or "flowbed:" are reserved. flowbed leaves tags alone that
	// somebody else adds. If you remove a tag from the file, `up` removes it from the resources,
	// except from a shared role or cluster: the tag `flowbed:tags` records the keys without
	// spaces, as many as fit into 256 characters. The tasks of your flows have the tags, too,
	// and the task definitions that the worker registers: with tags, it registers a revision
	// for each run. A new tag replaces the instance of a Prefect 1 agent. Default: none.
	Tags map[string]string `hcl:"tags,optional"`

	// KMSKey is the ARN of a KMS key that exists, in the region and the account of the
	// environment; the ARN of an alias is refused. It encrypts the bucket, the log group, the
	// API key's parameter, the queues, the repository and the volume of the agent's instance.
	// The plan checks the key's policy; docs/company.md has one that works.
	// Default: none; AWS's own keys encrypt everything.
	KMSKey string `hcl:"kms_key,optional"`

	IAM           *IAM           `hcl:"iam,block"`
	Bucket        *Bucket        `hcl:"bucket,block"`
	TaskRole      *TaskRole      `hcl:"task_role,block"`
	ExecutionRole *ExecutionRole `hcl:"execution_role,block"`
	Cluster       *Cluster       `hcl:"cluster,block"`
	Repository    *Repository    `hcl:"repository,block"`
	Network       *Network       `hcl:"network,block"`
	Logs          *Logs          `hcl:"logs,block"`
	Prefect       *Prefect       `hcl:"prefect,block"`
	Flows         *Flows         `hcl:"flows,block"`
	Agent         *Agent         `hcl:"agent,block"`
}

// Bucket is the S3 bucket for flow code and results. It is private, encrypted, and
// accepts requests over TLS only.
type Bucket struct {
	// Name is the bucket's name. In the account-regional namespace it must end in
	// -<account>-<region>-an. Default: `flowbed-<env>-<account>-<region>-an` in the
	// account-regional namespace, `flowbed-<env>-<12 hexadecimal digits>` in the
	// global namespace.
	Name string `hcl:"name,optional" spec:"names"`

	// Namespace is "account-regional", in which no other account can take the name,
	// or "global". me-south-1 and me-central-1 support only "global".
	// Default: "account-regional".
	Namespace string `hcl:"namespace,optional" spec:"names"`

	// Versioning keeps old versions of overwritten and deleted objects.
	// Default: true.
	Versioning *bool `hcl:"versioning,optional"`

	// ExpireDays is the number of days after which S3 deletes an object; 0 keeps
	// objects forever. S3 always aborts incomplete uploads after 7 days.
	// Default: 0.
	ExpireDays int `hcl:"expire_days,optional"`

	// NoncurrentExpireDays is the number of days after which S3 deletes an old version of an
	// object, counted from its replacement or deletion. It needs versioning. 0 is like
	// expire_days. Default: 0.
	NoncurrentExpireDays int `hcl:"noncurrent_expire_days,optional"`

	// ForceDestroy lets `down` delete the bucket together with its contents.
	// Without it, `down` stops if the bucket is not empty. Default: false.
	ForceDestroy bool `hcl:"force_destroy,optional"`

	// Ownership decides what happens if the bucket already exists and flowbed did
	// not create it. "own" stops with an error. "adopt" takes the bucket over: up
	// changes it and down deletes it. "external" uses the bucket as it is and never
	// changes or deletes it. Default: "own".
	Ownership string `hcl:"ownership,optional"`

	// IgnoreChanges are fields, as the plan names them, that others may change or remove: up
	// then leaves a difference alone, and the plan shows it as ignored. Up still repairs the
	// other fields. A new resource gets all fields, also if the run that creates it is
	// interrupted. For example, an account may encrypt all buckets with its own key:
	// ["encryption"]. Tags cannot be ignored; flowbed leaves tags alone that others add. Nor
	// can missing parts, such as a subnet. Default: none.
	IgnoreChanges []string `hcl:"ignore_changes,optional"`

	AccessLogs *AccessLogs `hcl:"access_logs,block"`
}

// TaskRole is the IAM role that your flow's code runs with.
type TaskRole struct {
	// Name is the role's name. Default: `flowbed-<env>-task`.
	Name string `hcl:"name,optional" spec:"names"`

	// S3 is "bucket" (list, get, put and delete objects in the flow bucket), "full"
	// (all of S3) or "none". Default: "bucket".
	S3 string `hcl:"s3,optional"`

	// ECR is "pull" (read this account's repositories), "repository" (read only the
	// one of the repository block), "full" or "none". The
	// task's own image does not need it: the execution role pulls that.
	// Default: "pull".
	ECR string `hcl:"ecr,optional"`

	// Dask adds the permissions that dask-cloudprovider's FargateCluster needs to
	// start workers in this cluster, with these roles and this log group. It also
	// lets the environment's tasks connect to each other. Default: false.
	Dask bool `hcl:"dask,optional"`

	// Policies are the ARNs of managed policies to attach. Default: none.
	Policies []string `hcl:"policies,optional"`

	// Statement blocks add to the role's policy. You can write any number of them.
	Statements []Statement `hcl:"statement,block"`

	// Ownership works as in the bucket block. Default: "own".
	Ownership string `hcl:"ownership,optional"`

	// IgnoreChanges works as in the bucket block. Default: none.
	IgnoreChanges []string `hcl:"ignore_changes,optional"`
}

// Statement allows actions on resources.
type Statement struct {
	// Actions are IAM actions, for example "sqs:SendMessage"; at least one.
	Actions []string `hcl:"actions"`

	// Resources are ARNs; at least one. You can use `account`, `region` and
	// `env_name` in them.
	Resources []string `hcl:"resources"`
}

// ExecutionRole is the IAM role that ECS uses to pull the image, write the log and
// read the API key. Most accounts have one such role and share it.
type ExecutionRole struct {
	// Name is the role's name. Default: "ecsTaskExecutionRole" if the account has no such
	// role, or one that may do what the environment's tasks need and that does not open the
	// key of one environment to another; otherwise, and with a ttl or an `iam` block,
	// `flowbed-<env>-execution`.
	Name string `hcl:"name,optional" spec:"names"`

	// Ownership works as in the bucket block. Default: for "ecsTaskExecutionRole",
	// flowbed creates the role if it does not exist, and uses it as it is if
	// somebody else created it; for any other name, "own".
	Ownership string `hcl:"ownership,optional"`

	// IgnoreChanges works as in the bucket block. Default: none.
	IgnoreChanges []string `hcl:"ignore_changes,optional"`
}

// Cluster is the ECS cluster that flows run in.
type Cluster struct {
	// Name is the cluster's name. Default: "default"; with a ttl, `flowbed-<env>`.
	Name string `hcl:"name,optional" spec:"names"`

	// CapacityProviders are the cluster's capacity providers: "FARGATE",
	// "FARGATE_SPOT" or both. Default: both.
	CapacityProviders []string `hcl:"capacity_providers,optional"`

	// ContainerInsights turns on CloudWatch Container Insights, which AWS charges
	// for. Default: false.
	ContainerInsights bool `hcl:"container_insights,optional"`

	// Ownership works as in the bucket block. Default: for the cluster "default",
	// flowbed creates the cluster if it does not exist, and uses it as it is if
	// somebody else created it; for any other name, "own".
	Ownership string `hcl:"ownership,optional"`

	// IgnoreChanges works as in the bucket block. Default: none.
	IgnoreChanges []string `hcl:"ignore_changes,optional"`
}

// Network is the VPC and the subnets that tasks and the agent run in.
type Network struct {
	// VPC is a VPC's id, "default" for the account's default VPC in the region, or
	// "new" for one of the environment's own. Default: "default".
	VPC string `hcl:"vpc,optional" spec:"one-of:vpc"`

	// VPCFrom is the name of another environment of the account, in the same region, that was
	// built with `vpc = "new"`. Tasks and the agent then run in its VPC, in the same subnets as
	// its own: flowbed only reads them, and `down` of the other environment stops as long as
	// this one is there. Set it instead of `vpc`. Default: none.
	VPCFrom string `hcl:"vpc_from,optional" spec:"one-of:vpc"`

	// Subnets are subnet ids. Default: the VPC's public subnets.
	Subnets []string `hcl:"subnets,optional"`

	// SecurityGroups are the ids of existing security groups for the tasks and the agent,
	// at most 5. flowbed then creates no groups, and opens no port: an `ssh` block only gives
	// the agent its key. Default: flowbed creates a group for the tasks and one for the agent.
	SecurityGroups []string `hcl:"security_groups,optional"`

	// PublicIP decides whether the tasks and the agent get public addresses. Without one,
	// they need another way out, such as a NAT gateway: in public subnets there is none.
	// Default: true if the subnets are public.
	PublicIP *bool `hcl:"public_ip,optional"`

	// CIDR is the range of private IPv4 addresses of a new VPC, from /16 to /24; with
	// ten endpoints that cost money or more, to /23. It cannot change later. Default: "10.42.0.0/16".
	CIDR string `hcl:"cidr,optional"`

	// Zones is in how many availability zones a new VPC has subnets, from 1 to 6.
	// flowbed chooses zones with Fargate and with the agent's instance type.
	// Default: 2.
	Zones int `hcl:"zones,optional"`

	// NAT gives a new VPC private subnets too, in which tasks and the agent then run
	// without public addresses: with "single", they reach the internet through one
	// NAT gateway, with "per-zone" through one in each zone. A NAT gateway costs more
	// than all else in a small environment. Default: "none".
	NAT string `hcl:"nat,optional"`

	// Private gives a new VPC private subnets without any way out, in which tasks and the agent
	// then run: they reach only what is in the VPC, and the services in `endpoints`. Images must
	// then come from ECR, and Prefect's API and a package index must be in reach from the VPC.
	// Default: false.
	Private bool `hcl:"private,optional"`

	// Endpoints are the AWS services that a new VPC reaches through VPC endpoints, without the
	// internet: "s3", which costs nothing, and "ec2", "ecr.api", "ecr.dkr", "ecs", "ecs-agent",
	// "ecs-telemetry", "logs", "secretsmanager", "sqs", "ssm", "ssmmessages" and "sts", each of
	// which costs money in each zone; "all" is all of them. docs/company.md says what needs
	// which. flowbed creates none in a VPC that exists. Default: none; with `private`, "all".
	Endpoints []string `hcl:"endpoints,optional"`

	// IgnoreChanges works as in the bucket block, for the security group of the tasks, and in
	// a new VPC for the VPC ("dns hostnames"), its route tables ("default route") and the
	// security group of its endpoints. Whether there are subnets, NAT gateways and endpoints
	// cannot be ignored. Default: none.
	IgnoreChanges []string `hcl:"ignore_changes,optional"`

	Egress *Egress `hcl:"egress,block"`
}

// Logs is the CloudWatch log group of the environment.
type Logs struct {
	// Name is the name of the log group, which must be the environment's own: up to 256 letters,
	// digits and the characters _ - / and dot. If you change it, up creates the new log group, and
	// deletes the old one as soon as its logs have expired. Default: "/flowbed/" and the name of
	// the environment.
	Name string `hcl:"name,optional"`

	// RetentionDays is how many days CloudWatch keeps the logs: 1, 3, 5, 7, 14,
	// 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
	// 3288 or 3653. Default: 30.
	RetentionDays int `hcl:"retention_days,optional"`

	// IgnoreChanges works as in the bucket block. Default: none.
	IgnoreChanges []string `hcl:"ignore_changes,optional"`
}

// Agent is what starts your flows: it runs a Prefect worker, or an agent of Prefect 1, on an
// EC2 instance, or in an ECS service if it has a `service` block. It needs a `prefect` block
// beside it. Without this block, flowbed creates neither the instance nor anything that only
// the instance needs. docs/choose.md says when which of them is right.
type Agent struct {
	// Enabled leaves the block out if it is false, for example where the defaults have
	// one. Default: true.
	Enabled *bool `hcl:"enabled,optional"`

	// InstanceType is the EC2 instance type. Default: "t2.micro".
	InstanceType string `hcl:"instance_type,optional" spec:"side:instance"`

	// Image is "al2023", "al2" or the id of an AMI. Default: "al2023".
	Image string `hcl:"image,optional" spec:"side:instance"`

	// VolumeGiB is the size of the encrypted root volume in GiB, from 8 to 16384.
	// Default: 16.
	VolumeGiB int `hcl:"volume_gib,optional" spec:"side:instance"`

	// WorkQueues are the queues of the work pool from which the worker takes flow runs.
	// flowbed creates those that do not exist. Prefect 1 has no queues. Default: all
	// queues.
	WorkQueues []string `hcl:"work_queues,optional"`

	// Labels are the labels of a Prefect 1 agent. The agent runs a flow if it has
	// all of the flow's labels; an agent without labels runs flows without labels.
	// Default: none.
	Labels []string `hcl:"labels,optional"`

	// Env are environment variables of the worker or agent, for example
	// PREFECT_LOGGING_LEVEL. Whoever may describe the instance or the task definition can read
	// them, so secrets do not belong here. A worker copies its PREFECT_… settings into the task
	// of each flow, as plain text; for variables of your flows, use `env` in the flows block. A
	// changed value replaces the instance. Default: none.
	Env map[string]string `hcl:"env,optional"`

	// PipPackages are Python packages to install beside Prefect's own, for example
	// "s3fs==2024.1.0": a name, perhaps with extras, and versions. pip installs them together
	// with Prefect, and only as wheels. A version that is newer than the release of Prefect
	// makes pip take the newest version of everything that Prefect does not pin. The image of
	// a service installs them whenever a worker starts, if it has the entrypoint of Prefect's
	// images. What your flows import belongs in their image. Default: none.
	PipPackages []string `hcl:"pip_packages,optional"`

	// Proxy is the URL of an HTTP proxy, for example "http://proxy.example.com:3128". The
	// instance's setup, its Systems Manager agent and the worker then use it for every call,
	// to AWS and to Prefect's API, except those to the instance itself and to its metadata
	// service. NO_PROXY in `env` lists further exceptions: hosts, or domains that begin with
	// a dot, with commas between. Your flows do not use it unless `env` in the flows block
	// says so. Default: none.
	Proxy string `hcl:"proxy,optional"`

	// Setup is a script that runs before the setup of the agent, as root, once the proxy is
	// set: setup = file("setup.sh"). It starts with #! and its interpreter; bash runs one that
	// does not. It runs again every two minutes until it exits with 0, so it must be safe to run
	// more than once. It is part of the user data, which may have 16 KiB and is no place for
	// secrets; the console shows its last output if it fails. A changed script replaces the instance.
	// Default: none.
	Setup string `hcl:"setup,optional" spec:"side:instance"`

	// PipIndexURL is the package index from which pip installs everything, Prefect and pip
	// itself included, for example "https://packages.example.com/simple". It must be open to the
	// instance: a password in the URL is refused. Default: PyPI.
	PipIndexURL string `hcl:"pip_index_url,optional"`

	// IgnoreChanges works as in the bucket block, for the instance, its instance profile, the
	// service, its task definition, and the role and the security group of either. If up
	// replaces the instance for another reason, the new one keeps its ignored type, image,
	// volume, volume key, key pair, security groups and user data. With a type of another
	// architecture than that in the file it also keeps its image. Default: none.
	IgnoreChanges []string `hcl:"ignore_changes,optional"`

	Role    *AgentRole `hcl:"role,block"`
	SSH     *SSH       `hcl:"ssh,block" spec:"side:instance"`
	Service *Service   `hcl:"service,block" spec:"side:service"`
}

// AgentRole adds to what the agent may do: starting the flows of this environment, reading
// its secret, and Session Manager. Or it names a role of somebody else.
type AgentRole struct {
	// Name is the name of an external role, which EC2 may assume. `flowbed policy --for agent`
	// prints what it must allow; for Session Manager it also needs the policy
	// AmazonSSMManagedInstanceCore. Default: a role of flowbed's own, `flowbed-<env>-agent`.
	Name string `hcl:"name,optional"`

	// InstanceProfile is the name of the instance profile with an external role. Other
	// instances may have it, too. Default: the role's name.
	InstanceProfile string `hcl:"instance_profile,optional"`

	// Ownership is "own", or "external" to use a role and an instance profile as they are:
	// flowbed never changes or deletes them, and only compares the role with what the agent
	// needs. Default: "own".
	Ownership string `hcl:"ownership,optional"`

	// Policies are the ARNs of managed policies to attach. They cannot open Parameter Store:
	// the agent reads its secret there, and no other, unless a statement names it.
	// Default: none.
	Policies []string `hcl:"policies,optional"`

	// Statement blocks add to the role's policy. You can write any number of them.
	Statements []Statement `hcl:"statement,block"`
}

// SSH opens port 22 of the agent instance to one address range. It needs either
// `public_key` or `key_name`. Without this block no port is open, and you connect
// through Session Manager.
type SSH struct {
	// Enabled leaves the block out if it is false, where the defaults have one.
	// Default: true.
	Enabled *bool `hcl:"enabled,optional"`

	// CIDR is the address range, for example "203.0.113.7/32". "auto" stands for
	// the public address that flowbed runs from; FLOWBED_PUBLIC_IP overrides it.
	// Default: "auto".
	CIDR string `hcl:"cidr,optional"`

	// PublicKey is an OpenSSH public key, ed25519 or RSA. flowbed imports it into
	// EC2.
	PublicKey string `hcl:"public_key,optional" spec:"one-of:key"`

	// KeyName is the name of an existing EC2 key pair. Set it instead of
	// `public_key`.
	KeyName string `hcl:"key_name,optional" spec:"one-of:key"`

	// AllowWorld permits a range that opens the port to the whole internet or a
	// large part of it: shorter than /8 in IPv4, or /12 in IPv6. Default: false.
	AllowWorld bool `hcl:"allow_world,optional"`
}

// Prefect is the Prefect API, and the work pool in it whose flows run in this
// environment. flowbed creates the work pool. With an `agent` block, flowbed also starts
// the worker of the pool; without one, run a worker elsewhere: `flowbed outputs` prints
// its command line, and `flowbed policy --for worker` the permissions that it needs.
type Prefect struct {
	// Enabled leaves the block out if it is false, where the defaults have one.
	// Default: true.
	Enabled *bool `hcl:"enabled,optional"`

	// Version is an exact Prefect version: 3.4.7 or later, 2.19.0 or later in
	// Prefect 2, or 0.14.0 to 1.4.1 for Prefect 1. Prefect 2 and 3 run a worker for
	// a work pool; Prefect 1 runs an agent with labels, and needs the agent block.
	// Default: "3.9.1".
	Version string `hcl:"version,optional"`

	// APIURL is the URL of the Prefect API. For Prefect Cloud:
	// https://api.prefect.cloud/api/accounts/<id>/workspaces/<id>. For your own
	// server: http://<host>:4200/api, or http://<host>:4200 with Prefect 1.
	APIURL string `hcl:"api_url"`

	// APIKey is the API key. Prefect Cloud requires one. With Prefect 1 it is the
	// key, or before 0.15 the RUNNER token, of a backend that requires one; a
	// Prefect Server does not. flowbed keeps the key in an SSM SecureString and
	// nowhere else; only Prefect 1 itself copies it into its tasks. Use a
	// sensitive variable.
	APIKey string `hcl:"api_key,optional" spec:"secret,one-of:secret"`

	// AuthString is the user and password, as user:password, for a server of your
	// own that requires them (its PREFECT_SERVER_API_AUTH_STRING). Set it instead
	// of `api_key`. flowbed stores it the same way.
	AuthString string `hcl:"auth_string,optional" spec:"secret,one-of:secret"`

	// APIKeyFrom names a secret that exists and holds the API key, instead of `api_key`: the
	// name or the ARN of an SSM parameter, or the ARN of a secret in Secrets Manager, optionally
	// followed by a JSON key, a version stage and a version ID, in ECS's format:
	// `<arn>:key::`. The execution role and the agent may read exactly this secret, and decrypt
	// it. flowbed reads it only to call the API, and writes it nowhere; it makes no parameter of
	// its own then.
	APIKeyFrom string `hcl:"api_key_from,optional" spec:"one-of:secret"`

	// AuthStringFrom names a secret that exists and holds what `auth_string` would say. It
	// works as `api_key_from`.
	AuthStringFrom string `hcl:"auth_string_from,optional" spec:"one-of:secret"`

	// CAFile is the PEM certificate of the private CA that signed the API's
	// certificate: ca_file = file("ca.pem"). flowbed and the agent trust it. Your
	// flows' images must trust the CA on their own. Default: public CAs only.
	CAFile string `hcl:"ca_file,optional"`

	// WorkPool is the work pool's name: letters, digits, hyphens and underscores.
	// Prefect 1 has no work pools. Default: `flowbed-<env>`.
	WorkPool string `hcl:"work_pool,optional"`

	// ConcurrencyLimit is the most flow runs that the work pool runs at once.
	// Default: flowbed does not touch the pool's limit.
	ConcurrencyLimit *int `hcl:"concurrency_limit,optional"`

	// Events lets the worker learn from ECS that a task has died, so that Prefect shows its
	// run as *Crashed* within a minute. Without it such a run stays *Pending* or *Running*,
	// and keeps its slot in the pool's limit. flowbed creates an SQS queue, a dead-letter
	// queue and an EventBridge rule for this environment's tasks. Only Prefect 3 supports
	// it. Default: true with Prefect 3.
	Events *bool `hcl:"events,optional"`

	// IgnoreChanges works as in the bucket block, for the work pool, its block for results, the
	// API key parameter, the queues and the event rule. Default: none.
	IgnoreChanges []string `hcl:"ignore_changes,optional"`
}
