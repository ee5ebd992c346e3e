package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/lease"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

func TestUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		api := ssm.NewFromConfig(account.Config("us-east-1"))
		id := resource.Identity{Env: "demo", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "test"}
		var out, errs bytes.Buffer
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = null.Close() }()
		a := &app{in: null, out: &out, err: &notes{Writer: &errs}}
		unlock := func(yes bool) error {
			out.Reset()
			errs.Reset()
			return a.unlock(t.Context(), a.lease(api, id, "unlock", 0), yes)
		}
		if err := unlock(false); err != nil || out.String() != "demo is not locked.\n" {
			t.Fatalf("have %v and %q, want no error and a message that demo is not locked", err, &out)
		}
		h, run, err := a.lease(api, id, "up", 0).Acquire(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := unlock(false); exitCode(err) != exitUsage {
			t.Errorf("without a terminal: %v", err)
		}
		for _, line := range []string{
			"Environment demo in account 123456789012, region us-east-1, is locked:\n",
			"  command  flowbed up, process ",
			"  since    2000-01-01 00:00:00 UTC (10s ago)\n",
			"  expires  2000-01-01 00:02:00 UTC (in 1m50s, unless renewed)\n",
		} {
			if !strings.Contains(out.String(), line) {
				t.Errorf("have\n%s\nwant the line %q", &out, line)
			}
		}
		if run.Err() != nil {
			t.Fatal("the lease was removed without an answer")
		}
		if err := unlock(true); err != nil {
			t.Fatal(err)
		}
		<-run.Done()
		if err := h.Release(false); err == nil {
			t.Error("the run did not notice")
		} else if _, ok := errors.AsType[*lease.LostError](err); !ok {
			t.Errorf("the run noticed %v", err)
		}
	})
}

func TestWaitingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := ssm.NewFromConfig(sandbox.New().Config("us-east-1"))
		var errs bytes.Buffer
		a := &app{err: &notes{Writer: &errs}}
		h, _, err := a.lease(api, resource.Identity{Env: "demo"}, "up", 0).Acquire(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = a.lease(api, resource.Identity{Env: "demo"}, "down", time.Minute).Acquire(t.Context(), nil)
		if _, ok := errors.AsType[*lease.HeldError](err); !ok || exitCode(err) != exitFailed {
			t.Errorf("have %v", err)
		}
		a.idle()
		said := errs.String()
		if n := strings.Count(said, "Waiting up to "); n != 1 || !strings.HasPrefix(said, "Waiting up to 1m0s for the lock, held by ") ||
			!strings.Contains(said, "\nWaiting for the lock (10s)\n") || strings.Count(said, "\n") > 7 {
			t.Errorf("said %q", &errs)
		}
		if err := h.Release(true); err != nil {
			t.Error(err)
		}
	})
}
