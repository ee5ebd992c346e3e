package stack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/stack"
)

// inService is an environment whose agent runs in a service; settings are those of the block.
func inService(settings string) string {
	return `environment "dev" {
		prefect {
			api_url = "https://prefect.example.com/api"
			api_key = "pnu_0123456789abcdef"
		}
		agent {
			service {
				` + settings + `
			}
		}
	}`
}

const onInstance = `environment "dev" {
	prefect {
		api_url = "https://prefect.example.com/api"
		api_key = "pnu_0123456789abcdef"
	}
	agent {}
}`

// slow is an account in which tasks, instances and agents need the time that they need in AWS.
func slow() *sandbox.Account {
	a := sandbox.New()
	a.BootTime, a.SetupTime, a.TaskTime, a.StopTime, a.HealthTime = 20*time.Second, time.Minute, 15*time.Second, 10*time.Second, 10*time.Second
	return a
}

func with(account *sandbox.Account) stack.Options {
	return stack.Options{Transport: sandbox.Prefect(account), Wait: 10 * time.Minute}
}

// TestServiceLives takes an agent in a service through up, a change, and down.
func TestServiceLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		up := func(text string) {
			t.Helper()
			if err := build(t, account, text, with(account)).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			unchanged(t, account, text)
		}
		up(inService(""))
		wantWorkers(t, account, 1)
		up(inService("desired_count = 2"))
		wantWorkers(t, account, 2)
		up(inService("memory = 2048\nstop_timeout = 60"))
		o := with(account)
		o.Destroy, o.ForceDestroy = true, true
		left, err := build(t, account, inService(""), o).Graph.Down(t.Context())
		if err != nil || !left.Empty() {
			t.Fatalf("down: %v, %+v", err, left)
		}
		if have := account.Inventory(); len(have) > 0 {
			t.Errorf("down has left %v", have)
		}
	})
}

// unchanged fails the test if a plan of the text has something to do.
func unchanged(t *testing.T, account *sandbox.Account, text string) {
	t.Helper()
	p, err := build(t, account, text, with(account)).Graph.Plan(t.Context())
	if err != nil || p.Err() != nil {
		t.Fatal(err, p.Err())
	}
	for _, a := range p.Actions {
		if a.Op != provision.None && a.Op != provision.Use {
			t.Errorf("the second plan has %s %s: %+v", a.Op, a.Step, a.Changes)
		}
	}
}

// wantWorkers checks how many workers of the environment are online.
func wantWorkers(t *testing.T, account *sandbox.Account, n int) {
	t.Helper()
	rows, online := workersOf(t, account), 0
	for _, r := range rows {
		if r.Status == "ONLINE" && strings.HasPrefix(r.Name, "dev-") {
			online++
		}
	}
	if online != n {
		t.Errorf("%d workers are online, want %d: %+v", online, n, rows)
	}
}

// workersOf returns the records of workers in Prefect.
func workersOf(t *testing.T, account *sandbox.Account) []prefect.Worker {
	t.Helper()
	h, err := build(t, account, onInstance, with(account)).Hello()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := h.API.Workers(t.Context(), "flowbed-dev")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestSwitch changes the agent from an instance to a service and back. The old worker is online
// until the new one is.
func TestSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		online := func() int {
			n := 0
			for _, r := range workersOf(t, account) {
				if r.Status == "ONLINE" && time.Since(r.Heartbeat) < 40*time.Second {
					n++
				}
			}
			return n
		}
		for i, text := range []string{onInstance, inService(""), onInstance} {
			s := build(t, account, text, with(account))
			s.Graph.Notify = func(e provision.Event) {
				if i > 0 && e.Kind == provision.Waiting && online() == 0 {
					t.Errorf("no worker is online while %s waits: %s", e.Step, e.Detail)
				}
			}
			if err := s.Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Minute)
			if have := online(); have != 1 {
				t.Errorf("%d workers are online, want 1", have)
			}
			if err := build(t, account, text, with(account)).Graph.Up(t.Context()); err != nil { // removes the records of the old one
				t.Fatal(err)
			}
			unchanged(t, account, text)
		}
		if have := fmt.Sprint(account.Inventory()); strings.Contains(have, "flowbed-dev-worker") {
			t.Errorf("something of the service is left: %s", have)
		}
	})
}

// TestServiceFails: up names the cause of which the tasks of a service die, and the cure, as soon
// as it is clear, and shows what ECS and the tasks have said.
func TestServiceFails(t *testing.T) {
	none := func(*testing.T, *sandbox.Account) {}
	for name, c := range map[string]struct {
		settings        string
		change          func(*testing.T, *sandbox.Account) // after the first steps of up
		why, cure, said string
	}{
		"image":      {`image = "acme/worker:1"`, none, "the image cannot be pulled", "correct image in the service block", "CannotPullContainerError"},
		"memory":     {"memory = 512", func(_ *testing.T, a *sandbox.Account) { a.WorkerMemory = 600 }, "a worker ran out of memory", "set memory in the service block to more", "exit code 137"},
		"secret":     {"", func(t *testing.T, a *sandbox.Account) { denySecret(t, a) }, "the execution role may not read the secret", "run `flowbed up`", "AccessDeniedException"},
		"key":        {"", func(_ *testing.T, a *sandbox.Account) { a.PrefectKeys = []string{"up:alone"} }, "its tasks did not become healthy", "`flowbed agent logs`", "401 Unauthorized"},
		"no way out": {"", func(t *testing.T, a *sandbox.Account) { closeGroup(t, a) }, "its subnet has no way out", "use subnets with a route to the internet", "context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := slow()
				o := with(account)
				if name == "key" {
					o.Transport = otherKey{o.Transport}
				}
				s := build(t, account, inService(c.settings), o)
				changed := false
				s.Graph.Notify = func(e provision.Event) {
					if e.Step == "service" && e.Kind == provision.Started && !changed {
						changed = true
						c.change(t, account)
					}
				}
				begun := time.Now()
				err := s.Graph.Up(t.Context())
				failed, ok := errors.AsType[*resource.ServiceFailed](err)
				step, _ := errors.AsType[*provision.StepError](err)
				switch {
				case !ok:
					t.Fatalf("up: %v", err)
				case !strings.Contains(failed.Why, c.why) || !strings.Contains(failed.Hint(), c.cure):
					t.Errorf("have %v, want %s and %s", failed, c.why, c.cure)
				case !strings.Contains(step.Cause, c.said):
					t.Errorf("the cause does not contain %s:\n%s", c.said, step.Cause)
				}
				if took := time.Since(begun); took > 6*time.Minute {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// denySecret takes the right to read the secret from the execution role.
func denySecret(t *testing.T, a *sandbox.Account) {
	t.Helper()
	api := iam.NewFromConfig(a.Config(region))
	role := aws.String("ecsTaskExecutionRole")
	list, err := api.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: role})
	if err != nil {
		t.Error(err)
		return
	}
	for _, p := range list.PolicyNames {
		if _, err := api.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: role, PolicyName: &p}); err != nil {
			t.Error(err)
		}
	}
}

// closeGroup lets nothing out of the tasks.
func closeGroup(t *testing.T, a *sandbox.Account) {
	t.Helper()
	api := ec2.NewFromConfig(a.Config(region))
	groups, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{
		Filters: []ec2types.Filter{{Name: aws.String("group-name"), Values: []string{"flowbed-dev-agent"}}},
	})
	if err != nil || len(groups.SecurityGroups) != 1 {
		t.Error(groups, err)
		return
	}
	g := groups.SecurityGroups[0]
	if _, err := api.RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: g.GroupId, IpPermissions: g.IpPermissionsEgress}); err != nil {
		t.Error(err)
	}
}

// pass lets time pass in the account, in which something happens only when somebody looks.
func pass(t *testing.T, account *sandbox.Account, d time.Duration) {
	t.Helper()
	api := ecs.NewFromConfig(account.Config(region))
	for begun := time.Now(); time.Since(begun) < d; time.Sleep(5 * time.Second) {
		if _, err := api.ListClusters(t.Context(), &ecs.ListClustersInput{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRollback: ECS goes back to the workers that run if the new ones do not start. Up says so,
// the old ones go on, and the next up with a correct file moves on.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		if err := build(t, account, inService(""), with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		wrong := inService(`image = "acme/worker:1"`)
		if err := build(t, account, wrong, with(account)).Graph.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "the image cannot be pulled") {
			t.Fatalf("up with a wrong image: %v", err)
		}
		pass(t, account, 10*time.Minute)
		wantWorkers(t, account, 1)
		err := build(t, account, wrong, with(account)).Graph.Up(t.Context())
		if failed, ok := errors.AsType[*resource.ServiceFailed](err); !ok || failed.Why == "" {
			t.Errorf("up again: %v", err)
		}
		if err := build(t, account, inService("cpu = 512"), with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		unchanged(t, account, inService("cpu = 512"))
		pass(t, account, 2*time.Minute) // the record of the old one is online until then
		wantWorkers(t, account, 1)
	})
}

// TestServiceHeals: ECS replaces a worker that somebody has stopped, and a plan has nothing to do.
func TestServiceHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		if err := build(t, account, inService(""), with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		api := ecs.NewFromConfig(account.Config(region))
		tasks, err := api.ListTasks(t.Context(), &ecs.ListTasksInput{ServiceName: aws.String("flowbed-dev-worker")})
		if err != nil || len(tasks.TaskArns) != 1 {
			t.Fatal(tasks, err)
		}
		if _, err := api.StopTask(t.Context(), &ecs.StopTaskInput{Task: &tasks.TaskArns[0]}); err != nil {
			t.Fatal(err)
		}
		pass(t, account, 5*time.Minute)
		wantWorkers(t, account, 1)
		unchanged(t, account, inService(""))
	})
}

// TestServiceExpires: with a ttl the workers scale their service to zero, without flowbed.
func TestServiceExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		text := strings.Replace(inService(""), "{\n", "{\n\t\tttl = \"1h\"\n", 1)
		if err := build(t, account, text, with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		unchanged(t, account, text)
		pass(t, account, 50*time.Minute)
		wantWorkers(t, account, 1)
		pass(t, account, 20*time.Minute)
		wantWorkers(t, account, 0)
		api := ecs.NewFromConfig(account.Config(region))
		out, err := api.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("flowbed-dev"), Services: []string{"flowbed-dev-worker"}})
		if err != nil || len(out.Services) != 1 || out.Services[0].DesiredCount != 0 || out.Services[0].RunningCount != 0 {
			t.Errorf("the service still runs: %+v, %v", out.Services, err)
		}
	})
}

// TestServiceHasNoSecret: the key reaches the container by ECS, and stands nowhere.
func TestServiceHasNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := slow()
		if err := build(t, account, inService(""), with(account)).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		api := ecs.NewFromConfig(account.Config(region))
		out, err := api.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("flowbed-dev-worker")})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		c := out.TaskDefinition.ContainerDefinitions[0]
		if strings.Contains(string(text), "pnu_") || len(c.Secrets) != 1 || *c.Secrets[0].Name != "PREFECT_API_KEY" ||
			*c.Secrets[0].ValueFrom != "arn:aws:ssm:"+region+":123456789012:parameter/flowbed/dev/prefect-api-key" {
			t.Errorf("the definition is %s", text)
		}
		if *c.Image != "prefecthq/prefect-aws:0.7.12-python3.12-prefect3.9.1" || c.Command[0] != "python" || slices.Contains(c.Command, "sh") {
			t.Errorf("the container runs %s: %v", *c.Image, c.Command)
		}
	})
}

// TestServicePrefect1: an agent of Prefect 1 runs in a service, too, with its network in a file.
// The network may take its time to come.
func TestServicePrefect1(t *testing.T) {
	for version, network := range map[string]string{"0.14.22": `network { vpc = "new" }`, "1.4.1": ""} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := slow()
				account.Lag = 10 * time.Second
				text := `environment "dev" {
					` + network + `
					prefect {
						version = "` + version + `"
						api_url = "http://prefect.example.com:4200"
						api_key = "a-runner-token"
					}
					agent {
						labels = ["fargate-dev"]
						service {}
					}
				}`
				if err := build(t, account, text, with(account)).Graph.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				unchanged(t, account, text)
				api := ecs.NewFromConfig(account.Config(region))
				out, err := api.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("flowbed-dev-worker")})
				if err != nil {
					t.Fatal(err)
				}
				c := out.TaskDefinition.ContainerDefinitions[0]
				if *c.Image != "prefecthq/prefect:"+version || len(c.Secrets) != 1 || !slices.Contains(c.Command, "fargate-dev") {
					t.Errorf("the container runs %s: %v, with the secrets %v", *c.Image, c.Command[3:], c.Secrets)
				}
				o := with(account)
				o.Destroy, o.ForceDestroy = true, true
				if left, err := build(t, account, text, o).Graph.Down(t.Context()); err != nil || !left.Empty() {
					t.Errorf("down: %v, %+v", err, left)
				}
			})
		})
	}
}

// TestServicePrefect2: Prefect publishes no image of its version 2 with prefect-aws, so the one of
// Prefect installs it, in the right version. An image of the user's own has it.
func TestServicePrefect2(t *testing.T) {
	const version = "prefect {\nversion = \"2.20.25\""
	for settings, want := range map[string][2]string{
		"": {"prefecthq/prefect:2.20.25-python3.12", "prefect==2.20.25 prefect-aws==0.4.20"},
		"}\npip_packages = [\"s3fs==2024.1.0\"]\nenv = {":                  {"prefecthq/prefect:2.20.25-python3.12", "prefect[aws]==2.20.25 prefect-aws==0.4.20 s3fs==2024.1.0"},
		`image = "prefecthq/prefect-aws:0.4.20-python3.12-prefect2.20.25"`: {"prefecthq/prefect-aws:0.4.20-python3.12-prefect2.20.25", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			account := slow()
			text := strings.Replace(inService(settings), "prefect {", version, 1)
			if err := build(t, account, text, with(account)).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			unchanged(t, account, text)
			wantWorkers(t, account, 1)
			out, err := ecs.NewFromConfig(account.Config(region)).DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("flowbed-dev-worker")})
			if err != nil {
				t.Fatal(err)
			}
			c, packages := out.TaskDefinition.ContainerDefinitions[0], ""
			for _, e := range c.Environment {
				if *e.Name == "EXTRA_PIP_PACKAGES" {
					packages = *e.Value
				}
			}
			if *c.Image != want[0] || packages != want[1] {
				t.Errorf("the container is %s with the packages %q, want %q", *c.Image, packages, want)
			}
		})
	}
}

// TestSwitchWithoutWaiting: up --no-wait builds the new agent, and leaves the old one for the
// next up, whichever is which.
func TestSwitchWithoutWaiting(t *testing.T) {
	for _, order := range [][2]string{{onInstance, inService("")}, {inService(""), onInstance}} {
		synctest.Test(t, func(t *testing.T) {
			account := slow()
			if err := build(t, account, order[0], with(account)).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			o := with(account)
			o.NoWait = true
			if err := build(t, account, order[1], o).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			pass(t, account, 5*time.Minute)
			wantWorkers(t, account, 2)
			if err := build(t, account, order[1], with(account)).Graph.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			pass(t, account, 3*time.Minute)
			wantWorkers(t, account, 1)
		})
	}
}
