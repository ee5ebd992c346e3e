// Package stack turns an environment of the spec into the graph of its
// resources. It is the only place that knows which resource needs which.
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
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

// Clients are the clients of the AWS services.
type Clients struct {
	IAM  *iam.Client
	EC2  *ec2.Client
	ECS  *ecs.Client
	ECR  *ecr.Client
	S3   *s3.Client
	SSM  *ssm.Client
	Logs *cloudwatchlogs.Client
}

// NewClients makes the clients for one configuration.
func NewClients(cfg aws.Config) Clients {
	return Clients{
		IAM: iam.NewFromConfig(cfg), EC2: ec2.NewFromConfig(cfg), ECS: ecs.NewFromConfig(cfg), ECR: ecr.NewFromConfig(cfg),
		S3: s3.NewFromConfig(cfg, pathStyle(cfg)), SSM: ssm.NewFromConfig(cfg), Logs: cloudwatchlogs.NewFromConfig(cfg),
	}
}

// pathStyle addresses buckets by path at an endpoint that is not AWS's: its
// name server does not know the buckets.
func pathStyle(cfg aws.Config) func(*s3.Options) {
	return func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil || o.BaseEndpoint != nil }
}

// Options are what a command decides, and the spec does not.
type Options struct {
	// Destroy builds the graph for down: everything that the environment may
	// have, without what only up needs.
	Destroy bool

	// ForceDestroy lets everything that holds data go with what it holds, whatever
	// the spec says; ForceDestroyBucket lets the bucket alone.
	ForceDestroy       bool
	ForceDestroyBucket bool

	// NoPrefect leaves the work pool and the worker out: there is no API.
	NoPrefect bool

	// NoWait ends up when the instance runs, and Wait is how long it waits for
	// the worker otherwise.
	NoWait bool
	Wait   time.Duration

	// Address is the caller's public address. If it is not valid, it is looked
	// up when it is needed.
	Address netip.Prefix

	// Transport carries the calls to Prefect's API; nil is the usual one.
	Transport http.RoundTripper
}

// emptiesBucket reports whether a bucket may go with what it holds.
func (o Options) emptiesBucket() bool { return o.ForceDestroy || o.ForceDestroyBucket }

// Stack is the graph of an environment.
type Stack struct {
	Graph *provision.Graph

	steps []permissions.Step // what the steps of the graph say of their calls

	env *spec.Environment
	id  resource.Identity
	c   Clients
	o   Options

	version prefect.Version // zero without an agent
	api     *prefect.Client // nil if nobody asks, or can

	bucket     provision.Ref[resource.BucketState]
	logs       provision.Ref[resource.LogGroupState]
	parameter  provision.Ref[resource.ParameterState]
	task       provision.Ref[resource.RoleState]
	execution  provision.Ref[resource.RoleState]
	cluster    provision.Ref[resource.ClusterState]
	repository provision.Ref[resource.RepositoryState]
	network    provision.Ref[resource.NetworkState]
	pool       provision.Ref[resource.PoolState]
	group      provision.Ref[resource.SecurityGroupState] // of the agent
	tasks      provision.Ref[resource.SecurityGroupState]
	agent      provision.Ref[resource.InstanceState]

	searches   resource.Searches
	groups     *resource.GroupReader
	parameters *resource.ParameterReader

	defaults spec.Environment // the names that a spec does not have to give
	nameLog  *resource.NameLog
	orphans  []provision.Edge
}

// Build wires the resources of an environment. It fails if the agent's user
// data cannot be written.
func Build(env *spec.Environment, id resource.Identity, c Clients, o Options) (*Stack, error) {
	s := &Stack{
		Graph: &provision.Graph{Owner: id.Owner(), Retry: retry, Fatal: awserr.Fatal},
		env:   env, id: id, c: c, o: o,
	}
	if env.Agent != nil && !o.Destroy {
		if _, err := userData(env, exampleTasks(env)); err != nil {
			return nil, err
		}
	}
	if err := s.openPrefect(); err != nil {
		return nil, err
	}
	s.limitLife()
	s.groups = &resource.GroupReader{Names: []string{s.id.Names().TaskGroup(), s.id.Names().Agent()}}
	s.parameters = &resource.ParameterReader{Names: s.neededParameters()}
	s.defaults = spec.Defaults(env.Name, spec.Place{Account: id.Account, Region: id.Region})
	s.addStorage()
	s.addRepository()
	s.addRoles()
	s.addCluster()
	s.addNetwork()
	s.addPool()
	s.addAgent()
	s.addWorker()
	return s, nil
}

// retry reports whether an error of either API passes by itself.
func retry(err error) bool { return awserr.Retry(err) || prefect.Retry(err) }

// ownership translates the spec's word; without one the step is shared if its
// name belongs to the whole account.
func ownership(word string, accountWide bool) provision.Ownership {
	switch word {
	case "adopt":
		return provision.Adopt
	case "external":
		return provision.External
	case "":
		if accountWide {
			return provision.Share
		}
	}
	return provision.Own
}

func (s *Stack) place() templates.Place {
	return templates.Place{Partition: s.id.Partition, Region: s.id.Region, Account: s.id.Account, Env: s.id.Env}
}

// wanted is Own for what the spec asks for, and Unwanted for what it does not:
// up takes away what an earlier spec has left.
func wanted(yes bool) provision.Ownership {
	if yes {
		return provision.Own
	}
	return provision.Prune
}

func (s *Stack) addStorage() {
	e := s.env
	s.nameLog = &resource.NameLog{API: s.c.Logs, ID: s.id, Group: s.id.Names().LogGroup()}
	s.logs = add(s, "log group", provision.Own, resource.LogGroup{
		API: s.c.Logs, ID: s.id, Name: s.id.Names().LogGroup(), Days: e.Logs.RetentionDays, Names: s.nameLog,
	})
	s.bucket = add(s, "bucket", ownership(e.Bucket.Ownership, false), resource.Bucket{
		API: s.c.S3, ID: s.id, Name: e.Bucket.Name, Regional: e.Bucket.Namespace == "account-regional",
		Versioning: *e.Bucket.Versioning, ExpireDays: e.Bucket.ExpireDays,
		ForceDestroy: e.Bucket.ForceDestroy || s.o.emptiesBucket(), Names: s.orphanBuckets(),
	})
	s.parameter = add(s, "api key parameter", wanted(s.o.Destroy || s.secret() != ""), resource.Parameter{
		API: s.c.SSM, ID: s.id, Name: s.id.Names().APIKey(), Value: s.secret(), Reader: s.parameters,
	})
}

// addRepository adds the repository, if the spec has one. One of an earlier spec is
// known by its recorded name, so without a block nothing is read.
func (s *Stack) addRepository() {
	kind := resource.Repository{API: s.c.ECR, ID: s.id, ForceDestroy: s.o.ForceDestroy}
	s.search(kind)
	r := s.env.Repository
	if r == nil {
		r = &spec.Repository{}
	}
	names := entry(resource.KindRepository, r.Name, s.id.Names().Plain(), r.Ownership)
	names.Optional = true
	names = addOrphans(s, names, "", func(name string) resource.Kind[resource.RepositoryState] {
		old := kind
		old.Name = name
		return old
	})
	if r.Name == "" {
		return
	}
	kind.Name, kind.KeepImages, kind.ScanOnPush, kind.Immutable = r.Name, *r.KeepImages, *r.ScanOnPush, r.ImmutableTags
	kind.ForceDestroy, kind.Names = kind.ForceDestroy || r.ForceDestroy, names
	s.repository = add(s, "repository", ownership(r.Ownership, false), kind)
}

// repositoryName is empty if the spec has no repository.
func (s *Stack) repositoryName() string {
	if s.env.Repository == nil {
		return ""
	}
	return s.env.Repository.Name
}

// secret is the key, or the user and password, with which the agent talks to
// Prefect; empty if there is none.
func (s *Stack) secret() string {
	if s.env.Agent == nil || s.env.Agent.Prefect == nil {
		return ""
	}
	return cmp.Or(s.env.Agent.Prefect.APIKey, s.env.Agent.Prefect.AuthString)
}

// neededParameters are the parameters whose values building needs.
func (s *Stack) neededParameters() (names []string) {
	if s.o.Destroy || s.env.Agent == nil {
		return nil
	}
	if s.secret() != "" {
		names = append(names, s.id.Names().APIKey())
	}
	if image := s.image().Parameter(); image != "" {
		names = append(names, image)
	}
	return names
}

func (s *Stack) addCluster() {
	e := s.env.Cluster
	shared := e.Name == spec.AccountCluster
	s.cluster = add(s, "cluster", ownership(e.Ownership, shared), resource.Cluster{
		API: s.c.ECS, ID: s.id, Name: e.Name, Shared: shared,
		Providers: e.CapacityProviders, Insights: e.ContainerInsights, Names: s.orphanClusters(), TaskRoles: s.taskRoles,
	})
}
