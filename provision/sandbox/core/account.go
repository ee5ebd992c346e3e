// Package core is what the sandbox's services share: the account and its file, the
// handling of calls, and policies, ids, ARNs, tags, pages and errors.
//
// It knows no service by name. A service is a package beside this one. At program
// start it registers the part of the account that it keeps (Global, Regional), and
// each operation together with its authorization (Register). Services may import
// each other where AWS's services depend on each other; core imports none.
package core

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// DefaultAccount is the account number of a new sandbox.
const DefaultAccount = "123456789012"

// Account is an AWS account in memory. It is safe for concurrent use. Set its
// exported fields before the first call.
type Account struct {
	Behavior

	// Fault, if set, is called before each call to the account, one at a time. It
	// must not call the account.
	Fault func(Call) Fault

	// Policy, if set, is the caller's identity policy in JSON. Calls that it does
	// not allow are denied.
	Policy string

	// ControlPolicy, if set, is a service control policy of the organization in JSON. Its
	// Deny statements hold for the caller and for all roles of the account. All else is
	// allowed, as if AWS's FullAWSAccess were attached, too.
	// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
	ControlPolicy string

	// Caller is the caller's ARN; empty means the user "sandbox".
	Caller string

	// Off lists the regions that are not enabled in the account.
	Off []string

	// Secrets are values that SecureString parameters may hold. Save writes only
	// fingerprints; Load recognizes a value that is listed here.
	Secrets []string

	// Keep, if set, is a file to which the account is saved after each write, so
	// that a killed run leaves behind what it created. Before each call, the account
	// reads what other processes have written to the file.
	Keep string

	mu      sync.Mutex
	db      *database
	dirty   bool       // changed since the last Load or Save
	file    string     // that was loaded or saved last
	content []byte     // of that file, then; nil if there was none
	past    []snapshot // oldest first; kept only if there is a lag
	calls   []Call
	writes  int
	memory  map[any]any // see Memory; never saved
}

// Behavior sets delays and failures that real accounts have. Each service reads
// the fields that concern it. With the zero value everything happens at once.
type Behavior struct {
	// Lag is how long a change stays invisible to reads.
	Lag time.Duration

	// ProfileLag is how long EC2 rejects a new instance profile.
	ProfileLag time.Duration

	// ProfileShown is how long EC2 does not show the instance profile of a new instance.
	ProfileShown time.Duration

	// BootTime is how long an instance takes to start, stop or terminate.
	BootTime time.Duration

	// ImageRelease counts how often AWS has published newer public images.
	ImageRelease int

	// Plan is the account's plan, "FREE" or "PAID"; empty for an account that is older than
	// the plans. On the free plan, EC2 launches only some instance types.
	Plan string

	// FirstCluster makes the creation of a region's first cluster fail once. In a
	// real account that happens while ECS creates its service-linked role.
	FirstCluster bool

	// ReuseLag is how long the name of a deleted bucket stays unavailable.
	ReuseLag time.Duration

	// ParameterRest is how long the name of a deleted parameter stays
	// unavailable.
	ParameterRest time.Duration

	// TagLag is how long the index of all tags does not show a new object, and shows a deleted
	// one.
	TagLag time.Duration

	// QueueRest is how long the name of a deleted queue stays unavailable.
	QueueRest time.Duration

	// QueueStart is how long a new queue is unknown to all other calls.
	QueueStart time.Duration

	// Shell, if set, runs the commands that are sent to a running instance, in place
	// of the instance, and returns their output and exit code. It must not call the
	// account.
	Shell func(instance, script string) (output string, code int)

	// CommandTime is how long a command on an instance takes.
	CommandTime time.Duration

	Agents
	Prefect
}

// Agents says how the agents on instances behave.
type Agents struct {
	// SetupTime is how long an instance takes to install its agent.
	SetupTime time.Duration

	// SetupFails, if set, is the step at which every setup fails: "name", "python" or
	// "prefect".
	SetupFails string

	// SetupSays is what a program says when SetupFails lets it fail five times.
	SetupSays string

	// AgentHangs makes an agent that runs never report to Prefect.
	AgentHangs bool

	// AgentLife, if not 0, is how long an agent reports to Prefect after its start.
	AgentLife time.Duration

	// PollTime is how long a worker takes to see a run.
	PollTime time.Duration

	// TaskTime is how long each part of a task's life takes: until it is provisioned, until
	// its image is pulled, and until its flow has run.
	TaskTime time.Duration

	// StopTime is how long a flow goes on after StopTask. ECS sends SIGTERM, and kills what
	// has not ended after the stop timeout, which is 30 seconds unless the definition sets it:
	// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html
	StopTime time.Duration

	// InterfaceTime is how long the network interface of a task exists after the task has
	// stopped.
	InterfaceTime time.Duration

	// HealthTime is how long a task of a service has to run until it counts as healthy.
	HealthTime time.Duration

	// WorkerMemory is how much memory a worker in a task needs, in MiB. A task with less is
	// killed.
	WorkerMemory int

	// FlowMemory is how much memory a flow needs, in MiB. A task with less is killed.
	FlowMemory int
}

// Prefect says how the APIs of Prefect behave.
type Prefect struct {
	// PrefectKeys, if set, are the only API keys, or users with passwords, that the
	// APIs accept.
	PrefectKeys []string

	// PrefectDown, if set, reports whether the APIs do not answer at a given time.
	PrefectDown func(time.Time) bool
}

// Call is one call that reached the account.
type Call struct {
	Service   string // the SDK's package: "iam", "ec2", "cloudwatchlogs", …
	Operation string // "CreateRole", …
	Write     bool
	Number    int // of this call, from 1
	WriteNo   int // of this write, from 1; 0 for a read
}

func (c Call) String() string { return c.Service + ":" + c.Operation }

// Fault says what goes wrong with a call. With the zero Fault nothing does.
type Fault struct {
	Refuse error  // returned instead of executing the call
	Lose   bool   // executed, but the reply is lost, so the call is made again, as the SDK would
	Then   func() // runs after the call was executed; it may call the account
}

// New returns an account in the state of a new AWS account.
func New() *Account { return &Account{db: newDatabase(DefaultAccount), memory: map[any]any{}} }

// Config returns a configuration with which the SDK's clients talk to the account.
func (a *Account) Config(region string) aws.Config {
	return aws.Config{
		Region: region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "SANDBOX", SecretAccessKey: "sandbox"}, nil
		}),
		APIOptions: []func(*middleware.Stack) error{func(s *middleware.Stack) error {
			// After the SDK's own validation of the input, before anything else.
			return s.Initialize.Add(middleware.InitializeMiddlewareFunc("flowbed:sandbox",
				func(ctx context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler) (
					middleware.InitializeOutput, middleware.Metadata, error) {
					here := region
					if r := awsmiddleware.GetRegion(ctx); r != "" { // a client that is set to another region
						here = r
					}
					out, err := a.handle(ctx, here, in.Parameters)
					return middleware.InitializeOutput{Result: out}, middleware.Metadata{}, err
				}), middleware.After)
		}},
	}
}

// Calls returns the calls that reached the account so far.
func (a *Account) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// Writes returns the writes that reached the account so far.
func (a *Account) Writes() (list []Call) {
	for _, c := range a.Calls() {
		if c.Write {
			list = append(list, c)
		}
	}
	return list
}

// Change changes the account without a call. It is for changes that no call of
// this account could make, such as those of other AWS accounts.
func (a *Account) Change(region string, change func(*Request)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dirty = true
	change(a.request(region))
}
