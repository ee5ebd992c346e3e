package stack_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/hello"
)

func hasTags(t *testing.T, what string, have []types.Tag, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, tag := range have {
		got[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s has %v, want %s = %s", what, got, k, v)
		}
	}
}

// TestTagsOfTasks runs a flow in an environment with tags, with only the permissions of the
// agent's role: its task and its definition have them.
func TestTagsOfTasks(t *testing.T) {
	want := map[string]string{"cost-center": "42", "team": "data platform"}
	inHello(t, `tags = { cost-center = "42", team = "data platform" }`+"\n"+helloFile, func(w *helloWorld) {
		tasks := 0
		w.on = func(e hello.Event) {
			if string(e.Kind) != "task" || e.Name != "RUNNING" {
				return
			}
			list, err := w.ecs.ListTasks(w.Context(), &ecs.ListTasksInput{})
			w.check(err)
			out, err := w.ecs.DescribeTasks(w.Context(), &ecs.DescribeTasksInput{Tasks: list.TaskArns, Include: []types.TaskField{types.TaskFieldTags}})
			w.check(err)
			for _, task := range out.Tasks {
				tasks++
				hasTags(t, "the task", task.Tags, want)
				d, err := w.ecs.DescribeTaskDefinition(w.Context(), &ecs.DescribeTaskDefinitionInput{
					TaskDefinition: task.TaskDefinitionArn, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags},
				})
				w.check(err)
				hasTags(t, "the task definition", d.Tags, want)
			}
		}
		if _, err := w.hello.Run(w.Context()); err != nil {
			t.Fatalf("%v:\n%s", err, w.said())
		}
		if tasks == 0 {
			t.Errorf("no task has run:\n%s", w.said())
		}
	})
}
