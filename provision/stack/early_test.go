package stack_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// otherKey carries up's own calls to Prefect with another key than the agent's.
type otherKey struct{ http.RoundTripper }

func (o otherKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("up:alone")))
	return o.RoundTripper.RoundTrip(r)
}

// worker is an environment whose agent's instance has a type.
func worker(version, instance string) string {
	return `environment "dev" {
		prefect {
			version     = "` + version + `"
			api_url     = "https://prefect.example.com/api"
			auth_string = "flow:bed-of-flows"
		}
		agent { instance_type = "` + instance + `" }
	}`
}

// TestUpEndsEarly: up does not wait for an agent that has failed for good, and says why and
// what to do. It waits for one that may still recover. On Xen only the instance itself can
// tell, and on Nitro the console.
func TestUpEndsEarly(t *testing.T) {
	const setup, wait = 3 * time.Minute, 10 * time.Minute
	refuse := func(a *sandbox.Account) { a.PrefectKeys = []string{"up:alone"} }
	fails := func(step, says string) func(*sandbox.Account) {
		return func(a *sandbox.Account) { a.SetupFails, a.SetupSays = step, says }
	}
	for _, c := range []struct {
		name, version string
		change        func(*sandbox.Account)
		early         time.Duration // after the end of the setup; 0 if up waits
		why, remedy   string
	}{
		{"wrong key", "3.9.1", refuse, time.Minute, "Prefect's API refuses its key", "correct api_key or auth_string"},
		{"version", "3.99.0", func(*sandbox.Account) {}, time.Minute, "does not have the version of Prefect", "correct version in the prefect block"},
		{"package", "3.9.1", fails("prefect", "ERROR: Could not find a version that satisfies the requirement s3fs==9999 (from versions: 0.0.1, 0.0.2)"), time.Minute, "does not have one of the packages", "correct pip_packages in the agent block"},
		{"conflict", "3.9.1", fails("prefect", "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/"), time.Minute, "it conflicts with Prefect", "correct pip_packages in the agent block"},
		{"disk", "3.9.1", fails("prefect", "OSError: [Errno 28] No space left on device"), time.Minute, "its disk is full", "increase volume_gib"},
		{"image", "3.9.1", fails("python", "Error: Unable to find a match: python3.12"), time.Minute, "does not offer the Python", "remove image from the agent block"},
		{"hiccup", "3.9.1", fails("prefect", "ERROR: No matching distribution found for prefect (from versions: none)"), 0, "", ""},
		{"network", "3.9.1", fails("python", "Curl error (28): Timeout was reached"), 0, "", ""},
		{"no word", "3.9.1", func(a *sandbox.Account) { a.AgentHangs = true }, 0, "", ""},
	} {
		for _, instance := range []string{"t2.micro", "t3.micro"} {
			t.Run(c.name+"/"+instance, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					account := sandbox.New()
					account.BootTime, account.SetupTime, account.CommandTime = 20*time.Second, setup, 2*time.Second
					c.change(account)
					begun := time.Now()
					s := build(t, account, worker(c.version, instance), stack.Options{Transport: otherKey{sandbox.Prefect(account)}, Wait: wait})
					err := s.Graph.Up(t.Context())
					took := time.Since(begun)
					e, early := errors.AsType[*resource.FailedForGood](err)
					switch {
					case err == nil:
						t.Fatal("up found no fault")
					case early != (c.early > 0):
						t.Fatalf("after %s: %v", took, err)
					case early && (!strings.Contains(e.Why, c.why) || !strings.HasPrefix(e.Hint(), c.remedy) || took > setup+20*time.Second+c.early+30*time.Second):
						t.Errorf("after %s: %v", took, err)
					case !early && (took < wait || !strings.Contains(err.Error(), "timed out after 10m0s")):
						t.Errorf("after %s: %v", took, err)
					}
				})
			})
		}
	}
}

// TestSetupScriptFails: up ends after the setup script of the file has failed twice, with its
// exit status and its last words.
func TestSetupScriptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.BootTime, account.SetupTime, account.CommandTime = 20*time.Second, time.Minute, 2*time.Second
		text := strings.Replace(worker("3.9.1", "t3.micro"), `agent { instance_type = "t3.micro" }`, "agent {\ninstance_type = \"t3.micro\"\nsetup = \"echo 'no such mount'\\nexit 32\"\n}", 1)
		begun := time.Now()
		err := build(t, account, text, stack.Options{Transport: sandbox.Prefect(account), Wait: 10 * time.Minute}).Graph.Up(t.Context())
		e, ok := errors.AsType[*resource.FailedForGood](err)
		if took := time.Since(begun); !ok || e.Why != "its setup script has failed twice, with exit status 32" || !strings.HasPrefix(e.Hint(), "correct setup") || took > 6*time.Minute {
			t.Fatalf("after %s: %v", took, err)
		}
		step, ok := errors.AsType[*provision.StepError](err)
		if !ok || !strings.Contains(step.Cause, "| no such mount") {
			t.Errorf("have the cause %q", step.Cause)
		}
	})
}

// TestPoolDeleted: somebody deletes the work pool while up waits.
func TestPoolDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.BootTime, account.SetupTime = 20*time.Second, 5*time.Minute
		api, err := prefect.New(prefect.Config{URL: "https://prefect.example.com/api", AuthString: "flow:bed-of-flows", Transport: sandbox.Prefect(account)})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() {
			if err := api.DeletePool(context.Background(), "flowbed-dev"); err != nil {
				t.Errorf("delete the pool: %v", err)
			}
		})
		begun := time.Now()
		err = build(t, account, worker("3.9.1", "t3.micro"), stack.Options{Transport: sandbox.Prefect(account), Wait: 10 * time.Minute}).Graph.Up(t.Context())
		e, ok := errors.AsType[*resource.FailedForGood](err)
		if took := time.Since(begun); !ok || !strings.Contains(e.Why, "the work pool flowbed-dev does not exist any more") || took > 2*time.Minute {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// TestUpAfterRepair: a mark from before the repair does not end the next up, which waits
// for the agent to try again.
func TestUpAfterRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		account.BootTime, account.SetupTime, account.SetupFails = 20*time.Second, 3*time.Minute, "prefect"
		account.SetupSays = "No space left on device"
		up := func() error {
			s := build(t, account, worker("3.9.1", "t3.micro"), stack.Options{Transport: sandbox.Prefect(account), Wait: 10 * time.Minute})
			return s.Graph.Up(t.Context())
		}
		if err := up(); !errors.As(err, new(*resource.FailedForGood)) {
			t.Fatalf("have %v", err)
		}
		if err := up(); !errors.As(err, new(*resource.FailedForGood)) { // it has tried again
			t.Fatalf("without a repair: have %v", err)
		}
		account.SetupFails = ""
		if err := up(); err != nil {
			t.Errorf("after the repair: %v", err)
		}
	})
}

// TestFreePlan: the plan says if EC2 will refuse the type to this account, and which types
// it may have. It says nothing if AWS says nothing about the account, and nothing about an
// instance that runs.
func TestFreePlan(t *testing.T) {
	const warning = `this account is on AWS's free plan, which does not include t2.micro, so EC2 will refuse to launch it → ` +
		`set the type in the file: agent { instance_type = "t3.micro" }; the free plan includes c7i-flex.large, m7i-flex.large, t3.micro, t3.small`
	for _, c := range []struct {
		name, plan, instance, policy string
		want                         string
	}{
		{"free plan", "FREE", "t2.micro", "", warning},
		{"an eligible type", "FREE", "t3.micro", "", ""},
		{"paid plan", "PAID", "t2.micro", "", ""},
		{"older than the plans", "", "t2.micro", "", ""},
		{"denied", "FREE", "t2.micro", "freetier:GetAccountPlanState", ""},
		{"types denied", "FREE", "t2.micro", "ec2:DescribeInstanceTypes", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				account.Plan = c.plan
				if c.policy != "" {
					account.Policy = `{"Version":"2012-10-17","Statement":[` + may("*", "*") + `,{"Effect":"Deny","Action":"` + c.policy + `","Resource":"*"}]}`
				}
				o := stack.Options{Transport: sandbox.Prefect(account), NoWait: true}
				have := func() (text string) {
					p, err := build(t, account, worker("3.9.1", c.instance), o).Graph.Plan(t.Context())
					if err != nil || p.Err() != nil {
						t.Fatal(err, p.Err())
					}
					for _, a := range p.Actions {
						for _, n := range a.Notes {
							if a.Step == "agent instance" && n.Severity == provision.Warn {
								text += n.Text
							}
						}
					}
					return text
				}
				if text := have(); text != c.want {
					t.Errorf("have %q, want %q", text, c.want)
				}
				account.Plan = "PAID"
				if err := build(t, account, worker("3.9.1", c.instance), o).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				account.Plan = c.plan
				if text := have(); text != "" {
					t.Errorf("of an instance that runs: %q", text)
				}
			})
		})
	}
}
