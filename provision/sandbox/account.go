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
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
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
					out, err := a.answer(ctx, region, in.Parameters)
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

// request is one call in the hands of an operation.
type request struct {
	*database
	a      *Account
	region string
	now    time.Time
}

func (a *Account) request(region string) *request {
	return &request{database: a.db, a: a, region: region, now: time.Now()}
}

// id is a new id of EC2's form.
func (r *request) id(prefix string) string {
	r.Serial++
	return fmt.Sprintf("%s-%017x", prefix, r.Serial)
}

// uniqueID is a new id of IAM's form.
func (r *request) uniqueID(prefix string) string {
	r.Serial++
	return fmt.Sprintf("%s%017d", prefix, r.Serial)
}

// partition is that of the caller's region.
func (r *request) partition() string {
	switch {
	case strings.HasPrefix(r.region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(r.region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// arn names an object of the account; region is empty for global services.
func (r *request) arn(service, region, object string) string {
	return strings.Join([]string{"arn", r.partition(), service, region, r.Account, object}, ":")
}

type operation func(r *request, in any) (any, error)

// operations holds what the account can do, by the type of the input.
var operations = map[reflect.Type]operation{}

// on adds an operation; the service files call it when the program starts.
func on[I, O any](f func(*request, *I) (*O, error)) {
	operations[reflect.TypeFor[*I]()] = func(r *request, in any) (any, error) {
		out, err := f(r, in.(*I))
		if err != nil {
			return nil, err // not a typed nil
		}
		return out, nil
	}
}

func describe(in any) Call {
	t := reflect.TypeOf(in).Elem()
	c := Call{Service: path.Base(t.PkgPath()), Operation: strings.TrimSuffix(t.Name(), "Input")}
	c.Write = true
	for _, p := range []string{"Get", "List", "Describe", "Head", "Simulate", "Decode"} {
		if strings.HasPrefix(c.Operation, p) {
			c.Write = false
		}
	}
	return c
}

func (a *Account) answer(ctx context.Context, region string, in any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, then, err := a.exchange(region, in)
	if then != nil {
		then()
	}
	return out, err
}

// exchange is one call: what comes back, and what is to happen after it.
func (a *Account) exchange(region string, in any) (any, func(), error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := describe(in)
	c.Number = len(a.calls) + 1
	if c.Write {
		a.writes++
		c.WriteNo = a.writes
	}
	a.calls = append(a.calls, c)
	op, ok := operations[reflect.TypeOf(in)]
	if !ok {
		return nil, nil, fail("NotImplemented", "the sandbox does not know the operation %s", c)
	}
	var fault Fault
	if a.Fault != nil {
		fault = a.Fault(c)
	}
	if fault.Refuse != nil {
		return nil, fault.Then, fault.Refuse
	}
	out, err := a.carryOut(op, c, region, in)
	if fault.Lose {
		out, err = a.carryOut(op, c, region, in)
	}
	if c.Write && a.Keep != "" {
		if kept := a.save(a.Keep); kept != nil {
			return nil, fault.Then, kept
		}
	}
	return out, fault.Then, err
}

func (a *Account) carryOut(op operation, c Call, region string, in any) (any, error) {
	r := a.request(region)
	if !c.Write {
		if !consistent(c) {
			r.database = a.visible(r.now.Add(-a.Lag))
		}
		return op(r, in)
	}
	a.dirty = true
	if a.Lag == 0 {
		return op(r, in)
	}
	before := a.db.clone()
	out, err := op(r, in)
	a.past = slices.DeleteFunc(a.past, func(s snapshot) bool { return !s.until.After(r.now.Add(-a.Lag)) })
	if err == nil {
		a.past = append(a.past, snapshot{until: r.now, db: before})
	}
	return out, err
}

// consistent reports whether a reading call always sees the last write. S3
// promises that for objects and their lists, though not for buckets:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
func consistent(c Call) bool {
	return c.Service == "s3" && !strings.Contains(c.Operation, "Bucket") && c.Operation != "GetPublicAccessBlock"
}

// visible is the account as it was at a moment.
func (a *Account) visible(at time.Time) *database {
	for _, s := range a.past {
		if at.Before(s.until) {
			return s.db
		}
	}
	return a.db
}

func (d *database) clone() *database {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // every part is plain data
	}
	c := new(database)
	if err := json.Unmarshal(b, c); err != nil {
		panic(err)
	}
	return c
}

// fail is an error of AWS for which the SDK has no type, as all of EC2's are.
func fail(code, format string, args ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}

// codeOf is AWS's code of an error, empty if there is none.
func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// regional is a region's part of a service, made when it is first used. Reading
// calls make it too, perhaps in a view of the past: what is in a fresh part must
// not depend on when it is made, so its ids cannot come from the serial number.
func regional[T any](m *map[string]*T, region string, fresh func() *T) *T {
	if *m == nil {
		*m = map[string]*T{}
	}
	if (*m)[region] == nil {
		(*m)[region] = fresh()
	}
	return (*m)[region]
}
