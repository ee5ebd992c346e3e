// Package sandbox is an AWS account in memory. It lives inside the real clients
// of the AWS SDK, as a middleware that answers in place of the network, so that
// the code under test, the SDK's validation of requests and the types of errors
// are those of a real run.
//
// It is strict where AWS is strict, and knows only the operations that its
// services register: any other call is an error, never a silent success. Rules
// come from AWS's documentation; where one is surprising, a comment says so.
//
// A folder is a service: its part of the account, its operations, and with each
// operation what the caller must be allowed for it. That authorization is a
// witness against flowbed's own list of permissions, so it is written from AWS's
// service authorization reference and not derived from that list. The services
// stand on core and need each other where AWS's do: ecs, ec2 and s3 ask iam, and
// ssm asks ec2 and iam.
//
// A new service is one file in a folder of its own, and go generate.
package sandbox

import "github.com/flowbed/flowbed/provision/sandbox/core"

//go:generate go run ./genservices

// DefaultAccount is the account number of a new sandbox.
const DefaultAccount = core.DefaultAccount

// Account is an AWS account in memory.
type Account = core.Account

// Call is one call that reached the account.
type Call = core.Call

// Fault is what goes wrong with a call.
type Fault = core.Fault

// New is an empty account as AWS hands it out: each region has its default VPC.
func New() *Account { return core.New() }

// Load reads an account that Account.Save has written. If there is no file, it
// is a new account.
func Load(path string) (*Account, error) { return core.Load(path) }
