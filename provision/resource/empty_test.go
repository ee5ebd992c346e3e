package resource_test

import (
	"context"
	"errors"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/crash"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/lifecycle"
)

// emptier makes the replies of one operation empty: a success that says nothing, as the SDK
// reads it from a reply with status 200 and without a body.
type emptier struct {
	operation atomic.Value // its name; "" for none
}

func (e *emptier) add(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("test:empty",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error) {
			out, md, err := next.HandleInitialize(ctx, in)
			t := reflect.TypeOf(in.Parameters).Elem()
			if name := path.Base(t.PkgPath()) + "." + strings.TrimSuffix(t.Name(), "Input"); name == e.operation.Load() && err == nil {
				out.Result = reflect.New(reflect.TypeOf(out.Result).Elem()).Interface()
			}
			return out, md, err
		}), middleware.Before)
}

// TestEmptyReplies: whichever operation gets empty replies, nothing panics and every run
// ends. As soon as the replies are whole again, up repairs the rest, and down removes all.
func TestEmptyReplies(t *testing.T) {
	for _, c := range lifecycle.Cases {
		t.Run(c.Name, func(t *testing.T) {
			var calls []string
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				emptyLife(t, account, c, "")
				for _, call := range account.Calls() {
					calls = append(calls, strings.ToLower(call.Service)+"."+call.Operation)
				}
			})
			slices.Sort(calls)
			for _, call := range slices.Compact(calls) {
				t.Run(call, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { emptyLife(t, sandbox.New(), c, call) })
				})
			}
		})
	}
}

// emptyLife builds and removes a case, first with empty replies, and then without.
func emptyLife(t *testing.T, account *sandbox.Account, c lifecycle.Case, call string) {
	t.Helper()
	var e emptier
	cfg := account.Config("us-east-1")
	cfg.APIOptions = append([]func(*middleware.Stack) error{e.add}, cfg.APIOptions...)
	w, before := lifecycle.NewWorld(cfg, sandbox.DefaultAccount), account.Inventory()
	graph := func() *provision.Graph {
		g := &provision.Graph{Owner: w.ID.Owner(), Retry: awserr.Retry}
		c.Add(w, g)
		return g
	}
	up := func() error { return graph().Up(t.Context()) }
	down := func() error { _, err := graph().Down(t.Context()); return err }
	plan := func() error {
		p, err := graph().Plan(t.Context())
		return errors.Join(err, p.Err())
	}
	for _, run := range []struct {
		name  string
		do    func() error
		empty bool
	}{
		{"up", up, true}, {"plan", plan, true}, {"up again", up, false}, {"plan", plan, true}, {"up", up, true}, {"down", down, true}, {"down again", down, false},
	} {
		e.operation.Store("")
		if run.empty {
			e.operation.Store(call)
		}
		err := run.do()
		if _, ok := errors.AsType[*crash.Error](err); ok || err != nil && (!run.empty || call == "") {
			t.Errorf("%s: %v", run.name, err)
		}
		time.Sleep(time.Minute)
	}
	if d := cmp.Diff(before, account.Inventory()); d != "" {
		t.Errorf("something is left (-before +after):\n%s", d)
	}
}
