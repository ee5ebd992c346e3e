// Package sandbox is an AWS account in memory. It lives inside the real clients
// of the AWS SDK, as a middleware that answers in place of the network, so that
// the code under test, the SDK's validation of requests and the types of errors
// are those of a real run.
//
// It is strict where AWS is strict, and knows only the operations that are
// listed in its service files: any other call is an error, never a silent
// success. Rules come from AWS's documentation; where one is surprising, a
// comment says so.
package sandbox

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

// Account is an AWS account in memory. It is safe for concurrent use. Its
// exported fields are set before the first call.
type Account struct {
	// Lag is how long a change stays invisible to reading calls.
	Lag time.Duration

	// ProfileLag is how long EC2 does not accept a new instance profile.
	ProfileLag time.Duration

	// BootTime is how long an instance takes to start, to stop and to end.
	BootTime time.Duration

	// ImageRelease counts how often AWS has published newer public images.
	ImageRelease int

	// FirstCluster makes the first cluster of a region fail once, as the first
	// one of an AWS account does while its service-linked role is being made.
	FirstCluster bool

	// ReuseLag is how long the name of a deleted bucket cannot be used again.
	ReuseLag time.Duration

	// ParameterRest is how long the name of a deleted parameter cannot be used
	// again.
	ParameterRest time.Duration

	// Fault, if set, is asked before each call, one call at a time. It must
	// not call the account.
	Fault func(Call) Fault

	// Shell, if it is set, carries out the commands that Systems Manager sends to
	// a running instance: it returns their output and exit code. It must not call
	// the account. Without it no instance has an agent of Systems Manager.
	Shell func(instance, script string) (output string, code int)

	// CommandTime is how long such a command takes.
	CommandTime time.Duration

	// Policy, if set, is the caller's identity policy in JSON: what it does not
	// allow is denied.
	Policy string

	// Caller is the ARN of who calls; empty means the user sandbox.
	Caller string

	// Off are the regions that are not enabled in the account.
	Off []string

	// Secrets are values that may stand in SecureString parameters. Save keeps
	// only their fingerprints; a value given here is recognised after Load.
	Secrets []string

	// Keep, if set, is the file to which the account is saved after each
	// writing call, so that a run that is killed leaves behind what it made.
	Keep string

	mu      sync.Mutex
	db      *database
	dirty   bool       // changed since it was loaded or saved
	past    []snapshot // oldest first; kept only if there is a lag
	calls   []Call
	writes  int
	secrets map[string]string // see secretKey; never saved

	commands map[string]*command // of Systems Manager, by id; never saved
}

// Call is one call that reached the account.
type Call struct {
	Service   string // "iam", "ec2", …
	Operation string // "CreateRole", …
	Write     bool
	Number    int // of this call, from 1
	WriteNo   int // number among the writing calls, from 1; 0 for a reading call
}

func (c Call) String() string { return c.Service + ":" + c.Operation }

// Fault is what goes wrong with a call. The zero Fault is nothing.
type Fault struct {
	Refuse error  // returned instead of carrying out the call
	Lose   bool   // carried out, but the reply is lost: as the SDK does, the call is made again
	Then   func() // runs after the call was carried out; it may call the account
}

type snapshot struct {
	until time.Time // the state was this until then
	db    *database
}

// database is everything that an account holds. Its parts are defined beside
// the operations that use them.
type database struct {
	Account string             `json:"account"`
	Serial  int                `json:"serial"` // of ids
	IAM     iamDB              `json:"iam"`
	EC2     map[string]*ec2DB  `json:"ec2"` // by region
	ECS     map[string]*ecsDB  `json:"ecs"` // by region
	S3      s3DB               `json:"s3"`
	Logs    map[string]*logsDB `json:"logs"` // by region
	SSM     map[string]*ssmDB  `json:"ssm"`  // by region
}

// New is an empty account as AWS hands it out: each region has its default VPC.
func New() *Account {
	return &Account{db: &database{Account: DefaultAccount}, secrets: map[string]string{}}
}

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
					if r := awsmiddleware.GetRegion(ctx); r != "" { // of a client that is elsewhere
						here = r
					}
					out, err := a.answer(ctx, here, in.Parameters)
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

// Writes returns the writing calls that reached the account so far.
func (a *Account) Writes() (list []Call) {
	for _, c := range a.Calls() {
		if c.Write {
			list = append(list, c)
		}
	}
	return list
}
