// Package doctor checks an account before up builds an environment in it, and finds
// the problems that would stop up halfway. It changes nothing.
//
// A finding is ok, a warning or a failure, and tells what to do. If the caller lacks
// the permission for a check, the finding is a warning that says so: "cannot tell"
// does not mean "no".
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

// Status is the outcome of a check.
type Status string

// The outcomes of a check.
const (
	OK   Status = "ok"
	Warn Status = "warn" // up may fail, or the check cannot tell
	Fail Status = "fail" // up will fail
)

// Finding is the result of a check.
type Finding struct {
	Check  string // its name; scripts may rely on it
	Status Status
	Text   string // what was found
	Todo   string // what the user can do; may be empty
}

// Worst is the worst status in a list.
func Worst(list []Finding) Status {
	worst := OK
	for _, f := range list {
		worst = worse(worst, f.Status)
	}
	return worst
}

func worse(a, b Status) Status {
	if b == Fail || a == OK {
		return b
	}
	return a
}

func ok(check, format string, args ...any) Finding {
	return Finding{check, OK, fmt.Sprintf(format, args...), ""}
}

func warn(check, todo, format string, args ...any) Finding {
	return Finding{check, Warn, fmt.Sprintf(format, args...), todo}
}

func fail(check, todo, format string, args ...any) Finding {
	return Finding{check, Fail, fmt.Sprintf(format, args...), todo}
}

// unseen is the finding of a check whose call failed. A denied call, or one without an
// answer, tells nothing about the account.
func unseen(check string, err error) Finding {
	if refused, is := awserr.RefusalOf(err); is {
		what := refused.Action
		if what == "" {
			what = "a permission"
		}
		return warn(check, "", "cannot tell: this check needs %s", what)
	}
	return warn(check, awserr.Hint(err), "cannot tell: %s", said(err))
}

// said is the text of an error without the SDK's details of the request.
func said(err error) string {
	op, isOp := errors.AsType[*smithy.OperationError](err)
	api, isAPI := errors.AsType[smithy.APIError](err)
	if !isOp || !isAPI {
		return err.Error()
	}
	return strings.Replace(err.Error(), op.Error(), api.ErrorCode()+": "+api.ErrorMessage(), 1)
}

// Doctor checks the account for one environment.
type Doctor struct {
	Config aws.Config
	ID     resource.Identity
	Caller string // ARN
	Env    *spec.Environment

	NoPrefect bool              // skips the check of Prefect's API
	Transport http.RoundTripper // to Prefect's API; nil is Go's default

	// Learned is told the secret that Doctor reads from the account, so that nothing prints it.
	// nil tells nobody.
	Learned func(secret string)

	Getenv func(string) string // os.Getenv if nil

	// Progress is told how many checks have ended. It is called from several goroutines at once,
	// and may be nil.
	Progress func(done, total int)

	clients   stack.Clients
	sts       *sts.Client
	network   func() (resource.NetworkState, error)
	image     func() (resource.ImageState, error)
	simulated func() []Finding // the check of the permissions
}

// Look runs all checks in parallel and returns the findings in a fixed order.
func (d *Doctor) Look(ctx context.Context) []Finding {
	d.clients, d.sts = stack.NewClients(d.Config), sts.NewFromConfig(d.Config)
	if d.Getenv == nil {
		d.Getenv = os.Getenv
	}
	d.network = sync.OnceValues(func() (resource.NetworkState, error) {
		if d.Env.Network.New() {
			return d.ownNetwork(ctx)
		}
		if from := d.Env.Network.VPCFrom; from != "" {
			return resource.LentNetwork{API: d.clients.EC2, ID: d.ID, From: from}.Read(ctx)
		}
		return resource.Network{API: d.clients.EC2, ID: d.ID, VPC: d.Env.Network.VPC, Subnets: d.Env.Network.Subnets, PublicIP: d.Env.Network.PublicIP}.Read(ctx)
	})
	d.image = sync.OnceValues(func() (resource.ImageState, error) {
		return resource.Image{SSM: d.clients.SSM, Image: d.Env.Agent.Image, Type: d.Env.Agent.InstanceType}.Read(ctx)
	})
	d.simulated = sync.OnceValue(func() []Finding { return d.permissions(ctx) })
	checks := []func(context.Context) []Finding{
		d.credentials, d.region, d.vpc, d.endpoints, d.publicAccess, d.bucket, d.serviceRole, d.entities, d.sharedRole, d.sharing, func(context.Context) []Finding { return d.simulated() }, d.dryRun, d.lease, d.kmsKey,
	}
	if d.Env.Agent != nil && d.Env.Agent.Service == nil {
		checks = slices.Insert(checks, 3, d.instanceType, d.machineImage)
		checks = slices.Insert(checks, 11, d.processors)
		checks = append(checks, d.volumeKey)
	}
	if d.Env.Agent != nil && d.Env.Agent.Service != nil {
		checks = slices.Insert(checks, 3, d.wayOut, d.capacity)
		checks = append(checks, d.workers)
	}
	if d.Env.Network.Egress != nil {
		checks = append(checks, d.egress)
	}
	if d.Env.Boundary() != "" {
		checks = append(checks, d.boundary)
	}
	if d.Env.Prefect != nil {
		checks = append(checks, d.prefect, d.flowRuns)
	}
	found := make([][]Finding, len(checks))
	var all crash.Group
	var done atomic.Int64
	for i, check := range checks {
		all.Go(func() {
			found[i] = check(ctx)
			if d.Progress != nil {
				d.Progress(int(done.Add(1)), len(checks))
			}
		})
	}
	all.Wait()
	return slices.Concat(found...)
}
