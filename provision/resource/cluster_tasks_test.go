package resource_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
)

const ourRole, theirRole = "arn:aws:iam::123456789012:role/flowbed-dev-task", "arn:aws:iam::123456789012:role/theirs"

// site is an environment with a cluster in which tasks run.
type site struct {
	*testing.T
	account *sandbox.Account
	want    resource.Cluster
}

func newSite(t *testing.T, shared bool) site {
	a := sandbox.New()
	want := resource.Cluster{
		API: ecs.NewFromConfig(a.Config("us-east-1")), Name: "flows", Providers: []string{"FARGATE"}, Shared: shared,
		ID: resource.Identity{Env: "dev", Account: sandbox.DefaultAccount, Region: "us-east-1", Partition: "aws", Version: "1.0.0"},
	}
	want.Tasks = &resource.TaskReader{API: want.API, Roles: func() []string { return []string{ourRole} }}
	s := site{t, a, want}
	if err := s.only("dev").Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	roles := iam.NewFromConfig(a.Config("us-east-1"))
	for _, name := range []string{"flowbed-dev-task", "theirs"} {
		if _, err := roles.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}); err != nil {
			t.Fatal(err)
		}
	}
	for family, role := range map[string]string{"ours": ourRole, "theirs": theirRole, "none": ""} {
		in := &ecs.RegisterTaskDefinitionInput{Family: &family, ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python:3.12")}}}
		if role != "" {
			in.TaskRoleArn = &role
		}
		if _, err := want.API.RegisterTaskDefinition(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// only is the graph of an environment that has only the cluster.
func (s site) only(env string) *provision.Graph {
	g, _ := s.graph(env)
	return g
}

func (s site) graph(env string) (*provision.Graph, provision.Ref[resource.ClusterState]) {
	c := s.want
	c.ID.Env = env
	own := provision.Own
	if c.Shared {
		own = provision.Share
	}
	g := &provision.Graph{Owner: c.ID.Owner(), Retry: awserr.Retry}
	return g, provision.Add(g, "cluster", own, c)
}

// removal is the graph of a run that removes the environment. Its reader knows nothing yet.
func (s site) removal() *provision.Graph {
	was := s.want.Tasks
	reader := &resource.TaskReader{API: s.want.API, Roles: was.Roles, External: was.External, Families: was.Families}
	s.want.Tasks = reader
	g, cluster := s.graph("dev")
	provision.Add(g, "running tasks", provision.Own, resource.RunningTasks{
		ID: s.want.ID, Reader: reader, Clusters: func() []string { return []string{s.want.Name} }, After: []provision.Edge{cluster},
	})
	return g
}

// start runs a task and returns its id.
func (s site) start(family, override, group string) string {
	s.Helper()
	in := &ecs.RunTaskInput{Cluster: &s.want.Name, TaskDefinition: &family}
	if override != "" {
		in.Overrides = &types.TaskOverride{TaskRoleArn: &override}
	}
	if group != "" {
		in.Group = &group
	}
	out, err := s.want.API.RunTask(s.Context(), in)
	if err != nil {
		s.Fatal(err)
	}
	arn := *out.Tasks[0].TaskArn
	return arn[strings.LastIndex(arn, "/")+1:]
}

// running are the ids of the tasks that still run.
func (s site) running() (ids []string) {
	s.Helper()
	out, err := s.want.API.ListTasks(s.Context(), &ecs.ListTasksInput{Cluster: &s.want.Name})
	if err != nil {
		s.Fatal(err)
	}
	for _, arn := range out.TaskArns {
		ids = append(ids, arn[strings.LastIndex(arn, "/")+1:])
	}
	return ids
}

// TestTasksOfACluster: those that run as the environment's role are stopped, and
// any other is named and stops the removal before it begins.
func TestTasksOfACluster(t *testing.T) {
	for _, c := range []struct {
		name                    string
		family, override, group string
		ours                    bool
	}{
		{"the role of the run", "none", ourRole, "", true},
		{"the role of the definition", "ours", "", "", true},
		{"the run has another role than the definition", "ours", theirRole, "", false},
		{"another role", "theirs", "", "", false},
		{"no role", "none", "", "", false},
		{"a service's", "ours", "", "service:api", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, false)
				first := s.start("ours", "", "")
				task := s.start(c.family, c.override, c.group)
				p, err := s.removal().PlanDown(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				note := p.Actions[0].Notes[0]
				if note.Severity != provision.Warn || !strings.Contains(note.Text, " of this environment will be stopped: ") {
					t.Errorf("the plan says %v", note)
				}
				left, err := s.removal().Down(t.Context())
				if c.ours {
					if err != nil || !left.Empty() || !strings.HasPrefix(note.Text, "2 running tasks of") {
						t.Errorf("down: %v, left %+v, after %q", err, left, note.Text)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), "cluster flows runs the task "+task) {
					t.Errorf("down says %v", err)
				}
				if have := s.running(); !slices.Contains(have, task) || !slices.Contains(have, first) {
					t.Errorf("something was stopped: %v are left", have)
				}
			})
		})
	}
}

// TestTasksOfASharedCluster checks that an environment that releases a shared cluster
// stops its own tasks, and no others.
func TestTasksOfASharedCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		if err := s.only("ci").Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.start("ours", "", "")
		theirs := s.start("theirs", "", "")
		left, err := s.removal().Down(t.Context())
		if err != nil || !left.Empty() {
			t.Fatalf("down: %v, left %+v", err, left)
		}
		if have := s.running(); !slices.Equal(have, []string{theirs}) {
			t.Errorf("%v run, want %s", have, theirs)
		}
	})
}

// TestTasksWithAnExternalRole: others may use the role, too, so only the tasks of our work pool are
// ours. A task whose definition is deregistered still is.
func TestTasksWithAnExternalRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		if err := s.only("ci").Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, family := range []string{"prefect_dev_nightly", "prefect_ci_nightly"} {
			if _, err := s.want.API.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
				Family: &family, TaskRoleArn: aws.String(theirRole), ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python:3.12")}},
			}); err != nil {
				t.Fatal(err)
			}
		}
		ours := s.start("prefect_dev_nightly", "", "")
		others := []string{s.start("prefect_ci_nightly", "", ""), s.start("theirs", "", ""), s.start("ours", "", "")}
		if _, err := s.want.API.DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("prefect_dev_nightly:1")}); err != nil {
			t.Fatal(err)
		}
		s.want.Tasks = &resource.TaskReader{
			Roles: func() []string { return nil }, External: theirRole, Families: func() []string { return []string{"prefect_dev_"} },
		}
		g := s.removal()
		p, err := g.PlanDown(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if note := p.Actions[0].Notes[0].Text; note != "1 running task of this environment will be stopped: 1 of family prefect_dev_nightly in cluster flows" {
			t.Errorf("the plan says %q", note)
		}
		if left, err := g.Down(t.Context()); err != nil || !left.Empty() {
			t.Fatalf("down: %v, left %+v", err, left)
		}
		have := s.running()
		slices.Sort(others)
		if !slices.Equal(have, others) {
			t.Errorf("%v run, want %v without %s", have, others, ours)
		}
	})
}
