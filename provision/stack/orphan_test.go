package stack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/provision/stack"
)

// named is an environment all of whose objects have names of the given kind; ""
// are the default ones.
func named(kind string) string {
	if kind == "" {
		return `environment "dev" {}`
	}
	return strings.ReplaceAll(`environment "dev" {
	bucket { name = "KIND-${account}-${region}-an" }
	task_role { name = "KIND-task" }
	execution_role { name = "KIND,execution" }
	cluster { name = "KIND" }
}`, "KIND", kind)
}

var noPrefect = stack.Options{NoPrefect: true}

// bare removes an environment by its name alone.
func bare(t *testing.T, account *sandbox.Account) (provision.Plan, error) {
	t.Helper()
	f, err := spec.Bare("dev", spec.Options{Region: region})
	if err != nil {
		t.Fatal(err)
	}
	env, err := f.Environment(spec.Place{Account: sandbox.DefaultAccount, Region: region})
	if err != nil {
		t.Fatal(err)
	}
	id := resource.Identity{Env: "dev", Region: region, Account: sandbox.DefaultAccount, Partition: "aws", Version: "1.0.0"}
	s, err := stack.Build(env, id, stack.NewClients(account.Config(region)), stack.Options{NoPrefect: true, Destroy: true})
	if err != nil {
		t.Fatal(err)
	}
	return s.Graph.Down(t.Context())
}

// up builds a spec, and sees that nothing is left to do then.
func up(t *testing.T, account *sandbox.Account, text string) {
	t.Helper()
	if err := build(t, account, text, noPrefect).Graph.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := build(t, account, text, noPrefect).Graph.Plan(t.Context())
	if err != nil || p.Err() != nil || !p.Empty() {
		t.Fatalf("the plan after up: %v, %v, %+v", err, p.Err(), p.Actions)
	}
}

// one checks that there is exactly one object of each kind, however often it was renamed.
func one(t *testing.T, account *sandbox.Account) {
	t.Helper()
	have := contents(t, account)
	for what, want := range map[string]int{`"Versioning"`: 0, `"versioning":"Enabled"`: 1, `"trust":"`: 2, `"providers":`: 1} {
		if n := strings.Count(have, what); n != want {
			t.Errorf("%d times %s, want %d: %s", n, what, want, have)
		}
	}
}

// down removes the environment by its name, and sees that the account is empty.
func down(t *testing.T, account *sandbox.Account) {
	t.Helper()
	left, err := bare(t, account)
	if err != nil || !left.Empty() {
		t.Errorf("down: %v, left %+v", err, left.Actions)
	}
	if have := contents(t, account); have != "{}" {
		t.Errorf("left behind: %s", have)
	}
}

func contents(t *testing.T, account *sandbox.Account) string {
	t.Helper()
	b, err := json.Marshal(account.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// actions are the steps of a plan with what is done to which object.
func actions(p provision.Plan, ops ...provision.Op) (list []string) {
	for _, a := range p.Actions {
		if slices.Contains(ops, a.Op) {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Op, a.Step, a.Object)))
		}
	}
	return list
}

func TestRename(t *testing.T) {
	kinds := []string{"", "one", "two"}
	for _, from := range kinds {
		for _, to := range kinds {
			if from == to {
				continue
			}
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					account := sandbox.New()
					up(t, account, named(from))
					p, err := build(t, account, named(to), noPrefect).Graph.Plan(t.Context())
					if err != nil || p.Err() != nil {
						t.Fatal(err, p.Err())
					}
					prefix := from + "-"
					if from == "" {
						prefix = "flowbed-dev-"
					}
					want := []string{"delete old bucket " + prefix + "123456789012-eu-central-1-an", "delete old task role " + prefix + "task",
						"delete old execution role " + from + ",execution", "delete old cluster " + from}
					if from == "" {
						want[2], want[3] = "delete old execution role ecsTaskExecutionRole", "delete old cluster default"
					}
					if have := actions(p, provision.Delete, provision.Release); !slices.Equal(have, want) {
						t.Errorf("have %q, want %q", have, want)
					}
					up(t, account, named(to))
					if have := contents(t, account); from != "" && strings.Contains(have, from+"-task") {
						t.Errorf("an old name is left: %s", have)
					}
					unchanged := len(account.Calls())
					if _, err := build(t, account, named(to), noPrefect).Graph.Plan(t.Context()); err != nil {
						t.Fatal(err)
					}
					again := len(account.Calls()) - unchanged
					fresh := sandbox.New()
					up(t, fresh, named(to))
					before := len(fresh.Calls())
					if _, err := build(t, fresh, named(to), noPrefect).Graph.Plan(t.Context()); err != nil {
						t.Fatal(err)
					}
					if want := len(fresh.Calls()) - before; again != want {
						t.Errorf("a plan takes %d calls, and %d without a history", again, want)
					}
					down(t, account)
				})
			})
		}
	}
}

// cut lets the first n writing calls of an account pass from now on, and no
// others, as if the process had been killed; the last one may be carried out
// without its reply.
func cut(account *sandbox.Account, n int) {
	past := len(account.Writes())
	account.Fault = func(c sandbox.Call) sandbox.Fault {
		if c.Write && c.WriteNo > past+n {
			return sandbox.Fault{Refuse: errors.New("killed")}
		}
		return sandbox.Fault{}
	}
}

// TestRenameCutShort: wherever a run is cut off, and whatever the names are next,
// no object is forgotten: neither by up nor by a down that knows the name only.
func TestRenameCutShort(t *testing.T) {
	for _, path := range [][]string{{"", "one"}, {"one", ""}, {"one", "two"}} {
		for i, next := range []string{"", "one", "two", "three"} { // three stands for a removal
			t.Run(fmt.Sprintf("%q then %q", path, next), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					for n := i % 3; ; n += 3 { // together they try each
						account := sandbox.New()
						up(t, account, named(path[0]))
						cut(account, n)
						err := build(t, account, named(path[1]), noPrefect).Graph.Up(t.Context())
						account.Fault = nil
						if next == "three" {
							down(t, account)
						} else {
							up(t, account, named(next))
							one(t, account)
							down(t, account)
						}
						if t.Failed() {
							t.Fatalf("cut off after %d writes: %v", n, err)
						}
						if err == nil {
							break
						}
					}
				})
			})
		}
	}
}

// TestFirstRunCutShort: a run that is killed before there is a log group leaves
// no record; the default names are looked for then.
func TestFirstRunCutShort(t *testing.T) {
	for _, from := range []string{"", "one"} {
		synctest.Test(t, func(t *testing.T) {
			for n := 0; ; n++ {
				account := sandbox.New()
				cut(account, n)
				err := build(t, account, named(from), noPrefect).Graph.Up(t.Context())
				cut(account, n/2)
				_ = build(t, account, named("two"), noPrefect).Graph.Up(t.Context())
				account.Fault = nil
				up(t, account, named("two"))
				one(t, account)
				down(t, account)
				if t.Failed() {
					t.Fatalf("cut off after %d writes", n)
				}
				if err == nil {
					break
				}
			}
		})
	}
}

// TestDownCutShort: the record goes after all that it names.
func TestDownCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := 0; ; n++ {
			account := sandbox.New()
			up(t, account, named("one"))
			cut(account, n)
			_, err := bare(t, account)
			account.Fault = nil
			down(t, account)
			if t.Failed() {
				t.Fatalf("cut off after %d writes", n)
			}
			if err == nil {
				return
			}
		}
	})
}

// TestOldBucketWithContents: nothing is lost by a new name.
func TestOldBucketWithContents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, named("one"))
		name := "one-" + sandbox.DefaultAccount + "-" + region + "-an"
		_, err := s3.NewFromConfig(account.Config(region)).PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &name, Key: aws.String("flow.py"), Body: strings.NewReader("flow"),
		})
		if err != nil {
			t.Fatal(err)
		}
		before := len(account.Writes())
		forced := strings.Replace(named("two"), "bucket {", "bucket {\nforce_destroy = true\n", 1)
		forced = strings.Replace(forced, "-an\" }", "-an\"\n}", 1)
		err = build(t, account, forced, noPrefect).Graph.Up(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the old bucket "+name+" is not empty: 1 object") {
			t.Errorf("have %v", err)
		}
		if n := len(account.Writes()) - before; n != 0 {
			t.Errorf("%d writing calls before it stopped", n)
		}
		with := stack.Options{NoPrefect: true, ForceDestroy: true}
		if err := build(t, account, named("two"), with).Graph.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(contents(t, account), name) {
			t.Error("it is still there with the flag")
		}
		down(t, account)
	})
}

// TestOldRoleOfOthers checks that a record alone does not make an object ours. If the tags
// name another owner, or none, flowbed skips the object and unregisters its name.
func TestOldRoleOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, named("one"))
		api := iam.NewFromConfig(account.Config(region))
		if _, err := api.UntagRole(t.Context(), &iam.UntagRoleInput{
			RoleName: aws.String("one-task"), TagKeys: []string{resource.KeyEnvironment},
		}); err != nil {
			t.Fatal(err)
		}
		before, err := api.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("one-task")})
		if err != nil {
			t.Fatal(err)
		}
		up(t, account, named("two"))
		after, err := api.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("one-task")})
		if err != nil || len(after.Role.Tags) != len(before.Role.Tags) {
			t.Errorf("the role of others: %v, %+v", err, after)
		}
	})
}

// TestOldShare: a shared object under an old name loses our share only.
func TestOldShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, strings.Replace(named(""), "dev", "ci", 1))
		up(t, account, named(""))
		up(t, account, named("one"))
		have := contents(t, account)
		if strings.Contains(have, "flowbed:claim:dev@") || !strings.Contains(have, "flowbed:claim:ci@") || strings.Contains(have, "flowbed-dev-"+region) {
			t.Errorf("the claims are wrong: %s", have)
		}
		up(t, account, strings.Replace(named(""), "dev", "ci", 1))
	})
}

// TestSwappedNames: a name that another object has now is left alone.
func TestSwappedNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		roles := func(task, execution string) string {
			return fmt.Sprintf(`environment "dev" {
				task_role { name = %q }
				execution_role { name = %q }
			}`, task, execution)
		}
		up(t, account, roles("a", "b"))
		up(t, account, roles("b", "a"))
		up(t, account, roles("b", "c"))
		down(t, account)
	})
}

// TestExternalIsNotRecorded: an external object is never recorded, and the
// default name is looked for once.
func TestExternalIsNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, named("one"))
		clusters := func(line string) string { return "environment \"dev\" {\n" + line + "\n}" }
		if err := build(t, account, strings.Replace(clusters(`cluster { name = "one" }`), "dev", "other", 1), noPrefect).Graph.Up(t.Context()); err == nil {
			t.Error("a cluster of another environment was taken")
		}
		external := strings.Replace(clusters(`cluster {
			name      = "one"
			ownership = "external"
		}`), "dev", "other", 1)
		up(t, account, external)
		if have := contents(t, account); !strings.Contains(have, `"flowbed:cluster":"-"`) {
			t.Errorf("no record that nothing is its own: %s", have)
		}
		calls := func(text string) (n int) {
			before := len(account.Calls())
			if _, err := build(t, account, text, noPrefect).Graph.Plan(context.Background()); err != nil {
				t.Fatal(err)
			}
			for _, c := range account.Calls()[before:] {
				if c.Operation == "DescribeClusters" {
					n++
				}
			}
			return n
		}
		if n := calls(external); n != 1 {
			t.Errorf("a plan looks at %d clusters", n)
		}
		up(t, account, strings.Replace(clusters(""), "dev", "other", 1))
		if have := contents(t, account); !strings.Contains(have, `"one"`) {
			t.Errorf("the external cluster is gone: %s", have)
		}
	})
}

// TestExternalThatIsOurs: a spec that calls external what the environment owns is a
// conflict. Neither up nor down deletes the object.
func TestExternalThatIsOurs(t *testing.T) {
	for _, kind := range []string{"bucket", "task_role", "execution_role", "cluster", "repository"} {
		for _, name := range []string{"", "own"} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					account := sandbox.New()
					attribute := ""
					if name != "" {
						attribute = fmt.Sprintf("name = %q\n", name)
						if kind == "bucket" {
							attribute = fmt.Sprintf("name = %q\n", name+"-${account}-${region}-an")
						}
					}
					block := func(more string) string {
						return "environment \"dev\" {\n" + kind + " {\n" + attribute + more + "}\n}"
					}
					up(t, account, block(""))
					before := contents(t, account)
					external := block("ownership = \"external\"\n")
					err := build(t, account, external, stack.Options{NoPrefect: true, ForceDestroy: true}).Graph.Up(t.Context())
					if err == nil || !strings.Contains(err.Error(), "belongs to this environment, so it cannot be external → remove its flowbed tags") {
						t.Errorf("up: %v", err)
					}
					if after := contents(t, account); after != before {
						t.Errorf("up changed\n%s to\n%s", before, after)
					}
					kept := len(account.Inventory())
					if _, err := build(t, account, external, stack.Options{NoPrefect: true, Destroy: true, ForceDestroy: true}).Graph.Down(t.Context()); err != nil {
						t.Error(err)
					}
					if kept == 0 || len(account.Inventory()) != 1 {
						t.Errorf("down left %s, want the external object", contents(t, account))
					}
				})
			})
		}
	}
}

// TestOldRepositoryKeepsItsImages: force_destroy in the file is about the repository in the
// file.
func TestOldRepositoryKeepsItsImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		repository := func(name string) string {
			return "environment \"dev\" {\nrepository {\nname = \"" + name + "\"\nforce_destroy = true\n}\n}"
		}
		up(t, account, repository("one"))
		if _, err := ecr.NewFromConfig(account.Config(region)).PutImage(t.Context(), &ecr.PutImageInput{
			RepositoryName: aws.String("one"), ImageTag: aws.String("v1"), ImageManifest: aws.String("{}"),
		}); err != nil {
			t.Fatal(err)
		}
		before := contents(t, account)
		err := build(t, account, repository("two"), noPrefect).Graph.Up(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the old repository one is not empty: 1 image → delete all images, or delete it with its images (--force-destroy); to keep it, remove its tag flowbed:environment") {
			t.Errorf("up: %v", err)
		}
		if after := contents(t, account); after != before {
			t.Errorf("up changed\n%s to\n%s", before, after)
		}
		if err := build(t, account, repository("two"), stack.Options{NoPrefect: true, ForceDestroy: true}).Graph.Up(t.Context()); err != nil {
			t.Error(err)
		}
		if have := contents(t, account); strings.Contains(have, `"one"`) || !strings.Contains(have, `"two"`) {
			t.Errorf("after up --force-destroy: %s", have)
		}
	})
}

// TestTasksOfARenamedRole: a task that runs as the task role under a name which
// only the record knows is the environment's own.
func TestTasksOfARenamedRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		up(t, account, named("one"))
		api := ecs.NewFromConfig(account.Config(region))
		if _, err := api.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
			Family: aws.String("flow"), ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python:3.12")}},
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := api.RunTask(t.Context(), &ecs.RunTaskInput{
			Cluster: aws.String("one"), TaskDefinition: aws.String("flow"),
			Overrides: &types.TaskOverride{TaskRoleArn: aws.String("arn:aws:iam::" + sandbox.DefaultAccount + ":role/one-task")},
		}); err != nil {
			t.Fatal(err)
		}
		// Up lets it end in the cluster in which it began.
		err := build(t, account, named("two"), noPrefect).Graph.Up(t.Context())
		if err == nil || !strings.Contains(err.Error(), "cluster one runs the task ") {
			t.Errorf("up: %v", err)
		}
		left, err := bare(t, account)
		if err != nil || !left.Empty() {
			t.Errorf("down: %v, left %+v", err, left.Actions)
		}
	})
}
