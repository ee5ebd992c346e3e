// Package e2e tests flowbed against third-party servers: moto and Prefect.
package e2e

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/flowbed/flowbed/test/e2e/able"
	"github.com/flowbed/flowbed/test/e2e/moto"
)

var server *moto.Server

// TestMain starts moto for all tests. `make check` skips this package; `make test` runs it.
func TestMain(m *testing.M) {
	if able.Check() {
		fmt.Println("These tests need moto: they run in `make test`.")
		return
	}
	var err error
	if server, err = moto.Start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	server.Stop()
	os.Exit(code)
}

var accounts atomic.Int64

// account opens an account that no other test uses.
func account(t *testing.T) *moto.Front {
	f := server.Account(fmt.Sprintf("%012d", 200000000000+accounts.Add(1)), 0)
	t.Cleanup(f.Close)
	return f
}
