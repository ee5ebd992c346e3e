// Package core is what all services of the sandbox have in common: the account
// in memory and its file, the way of a call through it, the evaluation of
// policies, and what services do alike: ids, ARNs, tags, pages and errors.
//
// It knows no service by name. A service is a package beside this one, which
// says at its start what it has: the part of the account that it keeps (Global,
// Regional), and each operation together with what the caller must be allowed
// for it (Register). Services may import each other where AWS's services depend
// on each other, and core imports none.
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

// Account is an AWS account in memory. It is safe for concurrent use. Its
// exported fields are set before the first call.
type Account struct {
	Behavior

	// Fault, if set, is asked before each call, one call at a time. It must
	// not call the account.
	Fault func(Call) Fault

	// Policy, if set, is the caller's identity policy in JSON: what it does not
	// allow is denied.
	Policy string

	// Caller is the ARN of who calls; empty means the user sandbox.
	Caller string

	// Off are the regions that are not enabled in the account.
	Off []string

	// Secrets are values that may stand in secret parameters. Save keeps only
	// their fingerprints; a value given here is recognised after Load.
	Secrets []string

	// Keep, if set, is the file to which the account is saved after each
	// writing call, so that a run that is killed leaves behind what it made.
	Keep string

	mu     sync.Mutex
	db     *database
	dirty  bool       // changed since it was loaded or saved
	past   []snapshot // oldest first; kept only if there is a lag
	calls  []Call
	writes int
	memory map[any]any // see Memory; never saved
}

// Behavior is how the account differs from one in which everything happens at
// once. Services read what concerns them; the zero value changes nothing.
type Behavior struct {
	// Lag is how long a change stays invisible to reading calls.
	Lag time.Duration

	// ProfileLag is how long a new instance profile is not accepted for an
	// instance.
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

	// Shell, if it is set, runs the commands that are sent to a running
	// instance: it returns their output and exit code. It must not call the
	// account. Without it no instance takes commands.
	Shell func(instance, script string) (output string, code int)

	// CommandTime is how long such a command takes.
	CommandTime time.Duration
}

// Call is one call that reached the account.
type Call struct {
	Service   string // the SDK's package: "iam", "ec2", "cloudwatchlogs", …
	Operation string // "CreateRole", …
	Write     bool
	Number    int // of this call, from 1
	WriteNo   int // number among the writing calls, from 1; 0 for a reading call
}

func (c Call) String() string { return c.Service + ":" + c.Operation }

// Fault is what goes wrong with a call. The zero Fault is nothing.
type Fault struct {
	Refuse error  // returned instead of executing the call
	Lose   bool   // executed, but the reply is lost: as the SDK does, the call is made again
	Then   func() // runs after the call was executed; it may call the account
}

// New is an empty account as AWS hands it out.
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
					if r := awsmiddleware.GetRegion(ctx); r != "" { // of a client that is elsewhere
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

// Writes returns the writing calls that reached the account so far.
func (a *Account) Writes() (list []Call) {
	for _, c := range a.Calls() {
		if c.Write {
			list = append(list, c)
		}
	}
	return list
}

// Change changes the account without a call: for what others do on AWS, and
// nobody could do with this account's own calls.
func (a *Account) Change(region string, change func(*Request)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dirty = true
	change(a.request(region))
}
