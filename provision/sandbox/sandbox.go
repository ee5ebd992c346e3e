// Package sandbox is an AWS account in memory, behind the real AWS SDK clients.
// It is an SDK middleware that replies in place of the network, so the code under
// test, the SDK's request validation and the error types are those of a real run.
//
// It is strict where AWS is strict. It supports only the operations that its
// services register; any other call is an error, never a silent success. Its
// rules come from AWS's documentation, and a comment points out each surprising
// one.
//
// Each folder is a service: its part of the account, and its operations, each
// with its authorization. The authorization checks flowbed's own list of
// permissions, so it is written from AWS's service authorization reference and
// not derived from that list. The services build on core and import each other
// where AWS's services depend on each other: kms, ecs, ec2, s3 and sqs import iam, ecs also
// events, events sqs, and ssm imports ec2, iam and machine. The services that encrypt with a
// customer's key import kms.
//
// Three folders are no services of AWS: machine runs what is on the instances, fargate what
// is in the tasks, and prefectapi is the Prefect that both report to.
//
// To add a service, write a file in a new folder and run go generate.
package sandbox

import (
	"net/http"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/prefectapi"
)

//go:generate go run ./genservices

// DefaultAccount is the account number of a new sandbox.
const DefaultAccount = core.DefaultAccount

// Account is an AWS account in memory.
type Account = core.Account

// Call is one call that reached the account.
type Call = core.Call

// Fault says what goes wrong with a call.
type Fault = core.Fault

// New returns an account in the state of a new AWS account: each region has its
// default VPC.
func New() *Account { return core.New() }

// Prefect returns the network between the account and Prefect's APIs. Every URL has an
// API, except those whose host ends in .invalid. Prefect Cloud accepts the keys that start
// with pnu_ or pnb_, and any other API accepts every key and every user; none accepts a
// secret with the word "wrong" in it.
func Prefect(a *Account) http.RoundTripper { return prefectapi.Transport(a) }

// Load reads an account that Account.Save wrote. If there is no file, it returns a
// new account.
func Load(path string) (*Account, error) { return core.Load(path) }
