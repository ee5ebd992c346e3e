// Package stack turns an environment of the spec into the graph of its resources. It
// alone defines which resource depends on which.
package stack

import (
	"cmp"
	"net/http"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/cost"
	"github.com/flowbed/flowbed/provision/freetier"
	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// Clients are the clients of the AWS services.
type Clients struct {
	IAM *iam.Client
	EC2 *ec2.Client
	ECS *ecs.Client
	ECR *ecr.Client
	S3  *s3.Client
	SQS *sqs.Client
	SSM *ssm.Client

	KMS            *kms.Client            // only reads a key that exists
	SecretsManager *secretsmanager.Client // only reads secrets that exist

	Logs    *cloudwatchlogs.Client
	Events  *eventbridge.Client
	Tagging *resourcegroupstaggingapi.Client // finds log groups by their tags

	FreeTier *freetier.Client // nil where there is no such service
}

// NewClients creates the clients for one configuration.
func NewClients(cfg aws.Config) Clients {
	return Clients{
		IAM: iam.NewFromConfig(cfg), EC2: ec2.NewFromConfig(cfg), ECS: ecs.NewFromConfig(cfg), ECR: ecr.NewFromConfig(cfg),
		S3: s3.NewFromConfig(cfg, pathStyle(cfg)), SSM: ssm.NewFromConfig(cfg), Logs: cloudwatchlogs.NewFromConfig(cfg),
		KMS: kms.NewFromConfig(cfg), SecretsManager: secretsmanager.NewFromConfig(cfg),
		SQS: sqs.NewFromConfig(cfg), Events: eventbridge.NewFromConfig(cfg),
		Tagging:  resourcegroupstaggingapi.NewFromConfig(cfg),
		FreeTier: freetier.NewFromConfig(cfg),
	}
}

// pathStyle puts the bucket into the path of the URL if the endpoint is not AWS's: such
// an endpoint has no DNS name for each bucket.
func pathStyle(cfg aws.Config) func(*s3.Options) {
	return func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil || o.BaseEndpoint != nil }
}

// Options are the settings that come from the command, not from the spec.
type Options struct {
	// Destroy builds the graph for down: everything that the environment may have,
	// without the steps that only up needs.
	Destroy bool

	// ForceDestroy deletes all resources that hold data together with their contents,
	// regardless of the spec; ForceDestroyBucket does so only for the bucket.
	ForceDestroy       bool
	ForceDestroyBucket bool

	// DeleteDeployments deletes the work pool together with its deployments.
	DeleteDeployments bool

	// Account is the account's execution role as it was read before, so that an environment
	// that names none can choose. nil means that such an environment uses the account's.
	Account *AccountRole

	// Start is when the time to live of an environment begins that has none yet, unless it would
	// be over: for a saved plan, when it was made. Zero means now.
	Start time.Time

	// AsIs is for a command that uses the environment and changes none of its resources. It
	// need not read what an environment may choose.
	AsIs bool

	// NoPrefect leaves out the work pool and the worker: there is no API.
	NoPrefect bool

	// With NoWait, up does not wait for the worker. Otherwise Wait limits how long it
	// waits.
	NoWait bool
	Wait   time.Duration

	// Settle is how long a change to AWS may take to be visible to everybody; see
	// provision.Graph.
	Settle time.Duration

	// Address is the caller's public address. If it is not valid, a step finds out
	// when it needs the address.
	Address netip.Prefix

	// Flags are those that select the environment, for commands in messages.
	Flags string

	// Transport carries the calls to Prefect's API; nil means the default transport.
	Transport http.RoundTripper

	// Lookup carries the question for the caller's public address; nil means the default
	// transport.
	Lookup http.RoundTripper

	// Learned is told each secret that the run reads from the account, before it is used, so
	// that nothing prints it; may be nil.
	Learned func(secret string)

	// Fence stops all writes, to Prefect too, while the command does not hold the
	// environment's lease. The clients must have it as well. nil stops none.
	Fence *lease.Fence
}

// emptyBucket reports whether a command may delete a bucket with its contents.
func (o Options) emptyBucket() bool { return o.ForceDestroy || o.ForceDestroyBucket }

// Stack is the graph of an environment.
type Stack struct {
	Graph *provision.Graph

	steps   []permissions.Step // the steps of the graph, with their permissions
	bounded []resource.Role    // the roles of the graph

	env *spec.Environment
	id  resource.Identity
	c   Clients
	o   Options

	version prefect.Version   // zero without Prefect
	prefect prefect.Config    // for the API with the work pool; without a URL if the spec has none
	api     *prefect.Client   // nil if no step may call the API
	poolAPI *resource.PoolAPI // nil if the run does not delete the environment

	key        provision.Ref[resource.KMSKeyState] // of the spec; unset if it names none
	bucket     provision.Ref[resource.BucketState]
	logs       provision.Ref[resource.LogGroupState]
	parameter  provision.Ref[resource.ParameterState]
	task       provision.Ref[resource.RoleState]
	execution  provision.Ref[resource.RoleState]
	cluster    provision.Ref[resource.ClusterState]
	repository provision.Ref[resource.RepositoryState]
	network    provision.Ref[resource.NetworkState]
	vpcAlone   provision.Ref[resource.NetworkState] // the environment's own VPC; unset if it has none
	ownNetwork provision.Ref[resource.NetworkState] // in it
	own        resource.OwnNetwork                  // its parts
	queue      provision.Ref[resource.QueueState]   // of the events of tasks
	rule       provision.Ref[resource.EventRuleState]
	pool       provision.Ref[resource.PoolState]
	results    provision.Ref[resource.ResultBlockState]   // set only if the spec stores results
	group      provision.Ref[resource.SecurityGroupState] // of the agent
	tasks      provision.Ref[resource.SecurityGroupState]
	agent      provision.Ref[resource.InstanceState]
	worker     provision.Ref[resource.WorkerState]
	running    provision.Ref[resource.RunningTasksState] // set only if the run deletes the environment
	definition provision.Ref[resource.TaskDefinitionState]
	service    provision.Ref[resource.ServiceState]
	oldService provision.Edge         // the step that deletes it where the spec has none, or another
	workers    resource.ServiceWorker // zero without a service

	runs resource.TaskDefinition // of the service; zero without one

	s3Addresses provision.Ref[resource.S3AddressesState] // set only if the spec narrows egress

	searches   resource.Searches
	costs      []func() []cost.Usage // of the steps whose objects up leaves in place
	bills      []bill                // of the steps whose objects cost money all the time
	groups     *resource.GroupReader
	parameters *resource.ParameterReader
	taskReader *resource.TaskReader // nil if the run does not delete the environment

	defaults spec.Environment // with the default names
	chosen   string           // why the execution role is one of its own; empty if it is not by choice
	nameLog  *resource.NameLog
	orphans  []provision.Edge
	oldLogs  provision.Edge // the first of orphans; nil before there is one
}

// Build returns the graph for an environment. It makes no calls. It fails if the agent's
// user data or its Prefect settings are invalid.
func Build(env *spec.Environment, id resource.Identity, c Clients, o Options) (*Stack, error) {
	s := &Stack{
		Graph: &provision.Graph{Owner: id.Owner(), Retry: retry, Fatal: awserr.Fatal, Settle: o.Settle, Ignore: ignored(env)},
		env:   env, id: id, c: c, o: o,
	}
	if env.Agent != nil && env.Agent.Service == nil && !o.Destroy {
		if _, err := userData(env, examplePartition, exampleTasks(env)); err != nil {
			return nil, err
		}
	}
	if err := s.openPrefect(); err != nil {
		return nil, err
	}
	s.setLifetime()
	s.groups = &resource.GroupReader{Names: s.groupNames()}
	s.parameters = &resource.ParameterReader{Names: s.neededParameters()}
	s.defaults = spec.Defaults(env.Name, spec.Place{Account: id.Account, Region: id.Region})
	if err := s.chooseExecutionRole(); err != nil {
		return nil, err
	}
	s.openTasks()
	s.addKMSKey()
	s.addStorage()
	s.addRepository()
	s.addRoles()
	s.addCluster()
	s.addNetwork()
	s.addEvents()
	s.addResults()
	s.addRunningTasks()
	s.addPool()
	if o.Destroy {
		s.addWorker()
	}
	s.addMovedLogs()
	s.addAgent()
	if !o.Destroy {
		s.addWorker()
	}
	return s, nil
}

// retry reports whether a call to AWS or Prefect may succeed later after this error.
func retry(err error) bool { return awserr.Retry(err) || prefect.Retry(err) }

// ownership translates the attribute of the spec. Without the attribute, an account-wide
// name means that the object is shared.
func ownership(word string, accountWide bool) provision.Ownership {
	switch word {
	case "adopt":
		return provision.Adopt
	case "external":
		return provision.External
	case "", spec.Shared:
		if accountWide {
			return provision.Share
		}
	}
	return provision.Own
}

func (s *Stack) place() templates.Place {
	return templates.Place{Partition: s.id.Partition, Region: s.id.Region, Account: s.id.Account, Env: s.id.Env}
}

func (s *Stack) addStorage() {
	e := s.env
	s.nameLog = &resource.NameLog{API: s.c.Logs, ID: s.id, Group: s.logGroup()}
	s.logs = add(s, "log group", provision.Own, resource.LogGroup{
		API: s.c.Logs, ID: s.id, Name: s.logGroup(), Days: e.Logs.RetentionDays, Names: s.nameLog,
		PrefectAPI: s.prefect.URL, Key: s.key, Tagging: s.c.Tagging, Destroy: s.o.Destroy,
	})
	s.addOldLogs()
	logs, target := s.accessLogs()
	s.bucket = add(s, "bucket", ownership(e.Bucket.Ownership, false), resource.Bucket{
		API: s.c.S3, ID: s.id, Name: e.Bucket.Name, Regional: e.Bucket.Namespace == "account-regional",
		Versioning: *e.Bucket.Versioning, ExpireDays: e.Bucket.ExpireDays, OldDays: e.Bucket.NoncurrentExpireDays, Logs: logs, LogTarget: target,
		ForceDestroy: e.Bucket.ForceDestroy || s.o.emptyBucket(), Names: s.orphanBuckets(), Flags: s.o.Flags,
		Key:       s.key,
		Shortened: e.Bucket.Name == s.id.Names().Bucket() && s.id.Names().BucketShortened(),
	})
	s.parameter = addOptional(s, "api key parameter", s.secret() != "", resource.Parameter{
		API: s.c.SSM, ID: s.id, Name: s.id.Names().APIKey(), Value: s.secret(), Reader: s.parameters,
		Extra: s.apiTags(), Key: s.key,
	})
	s.addPoolAPI()
}

// addRepository adds the repository, if the spec has one. The log group records the name of
// one from an earlier spec, so without a block and without such a name, no call is made.
func (s *Stack) addRepository() {
	kind := resource.Repository{API: s.c.ECR, ID: s.id, ForceDestroy: s.o.ForceDestroy}
	s.search(kind)
	r := s.env.Repository
	if r == nil {
		r = &spec.Repository{}
	}
	names := entry(resource.KindRepository, r.Name, s.id.Names().Plain(), r.Ownership)
	names.Optional = true
	old := kind // its ForceDestroy is not that of the file, which is about the new repository
	old.Orphan = true
	names = addOrphans(s, names, "", func(name string) resource.Kind[resource.RepositoryState] {
		r := old
		r.Name = name
		return r
	})
	if r.Name == "" {
		return
	}
	kind.Name, kind.KeepImages, kind.ScanOnPush, kind.Immutable = r.Name, *r.KeepImages, *r.ScanOnPush, r.ImmutableTags
	kind.Key = s.key
	kind.ForceDestroy, kind.Names = kind.ForceDestroy || r.ForceDestroy, names
	s.repository = addStep(s, permissions.Step{Name: "repository", Ownership: ownership(r.Ownership, false), Optional: true}, kind)
}

// repositoryName is empty if the spec has no repository.
func (s *Stack) repositoryName() string {
	if s.env.Repository == nil {
		return ""
	}
	return s.env.Repository.Name
}

// secret is the API key, or the user and password, with which the agent calls Prefect, and
// which flowbed keeps in a parameter; empty if the spec has neither.
func (s *Stack) secret() string {
	if s.env.Prefect == nil {
		return ""
	}
	return cmp.Or(s.env.Prefect.APIKey, s.env.Prefect.AuthString)
}

// neededParameters are the names of the parameters whose values up needs.
func (s *Stack) neededParameters() (names []string) {
	if s.o.Destroy {
		return nil
	}
	if s.secret() != "" {
		names = append(names, s.id.Names().APIKey())
	}
	if s.onInstance() {
		if image := s.image().Parameter(); image != "" {
			names = append(names, image)
		}
	}
	return names
}

func (s *Stack) addCluster() {
	e := s.env.Cluster
	shared := e.Name == spec.AccountCluster
	s.cluster = add(s, "cluster", ownership(e.Ownership, shared), resource.Cluster{
		API: s.c.ECS, ID: s.id, Name: e.Name, Shared: shared,
		Providers: e.CapacityProviders, Insights: e.ContainerInsights, Names: s.orphanClusters(), Tasks: s.taskReader,
		Service: s.id.Names().Service(),
	})
}
