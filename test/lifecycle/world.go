// Package lifecycle takes each kind of resource through its whole life: create,
// drift, repair, conflict and delete.
//
// The same table runs on the sandbox and, over HTTP, on moto, so each of the two checks
// the other.
package lifecycle

import (
	"context"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"

	"github.com/flowbed/flowbed/provision/resource"
)

// World is an empty account, and the environment that a case builds in it. Its objects
// have the names of config.hcl.example or account-wide names, so a test can also change
// the fields in an environment of that file.
type World struct {
	Config aws.Config // its clients count their calls
	ID     resource.Identity

	*counter
}

// counter counts the calls of an account.
type counter struct {
	mu    sync.Mutex
	calls []string
	after func(call string) // is called after each call
}

// NewWorld returns a world in the account of cfg.
func NewWorld(cfg aws.Config, account string) *World {
	w := &World{counter: &counter{}, ID: resource.Identity{
		Env: "dev", Account: account, Region: cfg.Region, Partition: "aws", Version: "1.0.0",
		Extra: resource.Tags{"team": "data"},
	}}
	cfg.APIOptions = append([]func(*middleware.Stack) error{w.count}, cfg.APIOptions...)
	w.Config = cfg
	return w
}

// As returns another environment in the same account.
func (w *World) As(env string) *World {
	o := &World{Config: w.Config, ID: w.ID, counter: w.counter}
	o.ID.Env = env
	return o
}

// count adds a middleware that records each call before it is made.
func (c *counter) count(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("flowbed:count",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error) {
			t := reflect.TypeOf(in.Parameters).Elem()
			c.mu.Lock()
			call := path.Base(t.PkgPath()) + "." + strings.TrimSuffix(t.Name(), "Input")
			c.calls = append(c.calls, call)
			after := c.after
			c.mu.Unlock()
			out, md, err := next.HandleInitialize(ctx, in)
			if after != nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				after(call)
			}
			return out, md, err
		}), middleware.Before)
}

// writes returns the writes since it was last called.
func (c *counter) writes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.DeleteFunc(c.calls, reads)
	c.calls = nil
	return list
}

// tell makes each call from now on call f, one at a time.
func (c *counter) tell(f func(call string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after = f
}

func reads(call string) bool {
	_, op, _ := strings.Cut(call, ".")
	for _, p := range []string{"Get", "List", "Describe", "Head"} {
		if strings.HasPrefix(op, p) {
			return true
		}
	}
	return false
}

// list converts tags to a service's type.
func list[T any](tags resource.Tags, one func(k, v string) T) (l []T) {
	for k, v := range tags {
		l = append(l, one(k, v))
	}
	return l
}
