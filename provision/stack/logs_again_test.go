package stack_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/inventory"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
	"github.com/flowbed/flowbed/test/try"
)

// logsWith is an environment with a log group of a name, and with further lines.
func logsWith(group string, lines ...string) string {
	return fmt.Sprintf("environment \"dev\" {\nlogs { name = %q }\n%s\n}", group, strings.Join(lines, "\n"))
}

// TestLogsRenamedTwice: the plan names each of the old log groups that it keeps or deletes.
func TestLogsRenamedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		for _, name := range []string{"/a", "/b", "/c"} {
			up(t, account, logsWith(name))
			writeLog(t, account, name)
			time.Sleep(time.Hour)
		}
		old := func(o stack.Options) string {
			o.NoPrefect = true
			plan := build(t, account, logsWith("/c"), o).Graph.Plan
			if o.Destroy {
				plan = build(t, account, logsWith("/c"), o).Graph.PlanDown
			}
			p := try.Must(plan(t.Context()))
			i := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == "old log group" })
			return fmt.Sprint(p.Actions[i].Op, p.Actions[i].Object, p.Actions[i].Notes)
		}
		for want, o := range map[string]stack.Options{
			"skip": {}, "delete": {ForceDestroy: true}, "delete ": {Destroy: true},
		} {
			have := old(o)
			if n := strings.Count(have, "less than 1 MB of logs will be deleted with the log group /"); o.Destroy && n != 2 || !o.Destroy && n > 0 {
				t.Errorf("with %+v, the plan says of the logs of %d groups that they are lost: %s", o, n, have)
			}
			if !strings.HasPrefix(have, strings.TrimSpace(want)) || !strings.Contains(have, "/a") || !strings.Contains(have, "/b") {
				t.Errorf("with %+v, the plan says %s", o, have)
			}
		}
		down(t, account)
	})
}

// TestLogsNamedAgain: what a log group says of the time when it was last in use counts no more.
func TestLogsNamedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, logsWith("/a", `ttl = "8h"`))
		writeLog(t, account, "/a")
		time.Sleep(time.Hour)
		up(t, account, logsWith("/b", `ttl = "100h"`))
		time.Sleep(6*time.Hour + 50*time.Minute)
		up(t, account, logsWith("/a", `ttl = "8h"`))
		want := time.Now().UTC().Add(8 * time.Hour).Format(time.RFC3339)
		if have := expiries(t, account); len(have) != 1 || have[want] == 0 {
			t.Errorf("have %v, want %s", have, want)
		}
		down(t, account)
	})
}

// TestLogsListed: the protection on a former log group protects nothing, and the work pool that both
// record is one.
func TestLogsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, logsWith("/a", "deletion_protection = true"))
		writeLog(t, account, "/a")
		up(t, account, logsWith("/b"))
		api := cloudwatchlogs.NewFromConfig(account.Config(region))
		for _, group := range []string{"/a", "/b"} {
			try.Must(api.TagResource(t.Context(), &cloudwatchlogs.TagResourceInput{
				ResourceArn: aws.String("arn:aws:logs:" + region + ":" + sandbox.DefaultAccount + ":log-group:" + group),
				Tags:        map[string]string{"flowbed:work-pool": "etl"},
			}))
		}
		id := resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}
		list := try.Must(inventory.Region(t.Context(), region, try.Must(stack.Discoverers(stack.NewClients(account.Config(region)), id))))
		if len(list) != 1 || list[0].Protected {
			t.Errorf("have %+v", list)
		}
		if have := strings.Count(fmt.Sprint(list), "{work pool etl}"); have != 1 {
			t.Errorf("the work pool is listed %d times: %+v", have, list)
		}
	})
}

// TestLogsIndexLate: a default name is not forgotten if the index shows the former log group only
// after the new one was created, and the name changes then.
func TestLogsIndexLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.TagLag = 10 * time.Minute
		up(t, account, logsWith("/a", `task_role { name = "t1" }`))
		time.Sleep(time.Minute)
		up(t, account, logsWith("/b"))
		time.Sleep(time.Hour)
		up(t, account, logsWith("/b", `task_role { name = "t2" }`))
		time.Sleep(time.Hour)
		left, err := build(t, account, logsWith("/b", `task_role { name = "t2" }`), stack.Options{NoPrefect: true, Destroy: true}).Graph.Down(t.Context())
		if have := contents(t, account); err != nil || !left.Empty() || have != "{}" {
			t.Errorf("down: %v, left %+v, behind %s", err, left, have)
		}
	})
}

// TestDownWithoutIndex: an environment with the default name goes with a policy from before the
// index was asked, also a second time.
func TestDownWithoutIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, logsNamed("", ""))
		account.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"tag:*","Resource":"*"}]}`
		for range 2 {
			left, err := build(t, account, logsNamed("", ""), stack.Options{NoPrefect: true, Destroy: true}).Graph.Down(t.Context())
			if have := contents(t, account); err != nil || !left.Empty() || have != "{}" {
				t.Errorf("down: %v, left %+v, behind %s", err, left, have)
			}
		}
	})
}

// TestLogsRecordedAgain: a name that one step unregisters while another creates the log group is
// not recorded by that.
func TestLogsRecordedAgain(t *testing.T) {
	for range 20 { // steps meet by chance
		synctest.Test(t, func(t *testing.T) {
			account := sandbox.New()
			up(t, account, logsNamed("", ""))
			account.Fault = func(c sandbox.Call) sandbox.Fault {
				if c.Operation == "CreateRole" {
					return sandbox.Fault{Refuse: errors.New("no role today")}
				}
				return sandbox.Fault{}
			}
			if err := build(t, account, logsWith("/b", `execution_role { name = "own" }`), noPrefect).Graph.Up(t.Context()); err == nil {
				t.Error("up succeeded without a role")
			}
			account.Fault = nil
			up(t, account, logsWith("/c"))
		})
	}
}
