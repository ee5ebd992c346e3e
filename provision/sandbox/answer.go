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
	"time"

	"github.com/aws/smithy-go"
)

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
	dry := dryRun(in)
	c.Write = c.Write && !dry
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
	if err := a.admit(c, region, in); err != nil {
		return nil, fault.Then, err
	}
	if dry {
		return nil, fault.Then, fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
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

// dryRun reports whether a call only asks whether it would be allowed.
func dryRun(in any) bool {
	f := reflect.ValueOf(in).Elem().FieldByName("DryRun")
	if !f.IsValid() {
		return false
	}
	b, ok := f.Interface().(*bool)
	return ok && b != nil && *b
}

// admit is what comes before an operation: the region, and the permissions.
func (a *Account) admit(c Call, region string, in any) error {
	if slices.Contains(a.Off, region) && c.Service != "iam" {
		if c.Service == "ec2" {
			return fail("AuthFailure", "AWS was not able to validate the provided access credentials")
		}
		return fail("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	return a.request(region).permitted(c, in)
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
