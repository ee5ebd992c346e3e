package ecs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

// TestRunTaskAccess starts a task with policies that lack one permission each.
func TestRunTaskAccess(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/flow"
	account := sandbox.New()
	cfg, ctx := account.Config("us-east-1"), context.Background()
	api := ecs.NewFromConfig(cfg)
	try.Must(iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("flow"), AssumeRolePolicyDocument: aws.String(try.Trust)}))
	try.Must(api.CreateCluster(ctx, &ecs.CreateClusterInput{}))
	try.Must(api.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("prefect_dev_1"), ContainerDefinitions: []types.ContainerDefinition{{Image: aws.String("python")}}, ExecutionRoleArn: aws.String(role),
	}))
	const (
		run  = `{"Effect":"Allow","Action":"ecs:RunTask","Resource":"arn:aws:ecs:us-east-1:123456789012:task-definition/prefect_dev_*:*","Condition":{"ArnEquals":{"ecs:cluster":"arn:aws:ecs:us-east-1:123456789012:cluster/default"}}}`
		tag  = `{"Effect":"Allow","Action":"ecs:TagResource","Resource":"arn:aws:ecs:us-east-1:123456789012:task/default/*","Condition":{"StringEquals":{"ecs:CreateAction":"RunTask"}}}`
		pass = `{"Effect":"Allow","Action":"iam:PassRole","Resource":"` + role + `","Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}}`
	)
	for name, c := range map[string]struct{ statements, code string }{
		"all":          {run + "," + tag + "," + pass, ""},
		"no RunTask":   {tag + "," + pass, "AccessDeniedException"},
		"no tags":      {run + "," + pass, "AccessDeniedException"},
		"no PassRole":  {run + "," + tag, "AccessDeniedException"},
		"other family": {`{"Effect":"Allow","Action":"ecs:RunTask","Resource":"arn:aws:ecs:us-east-1:123456789012:task-definition/prefect_prod_*:*"},` + tag + "," + pass, "AccessDeniedException"},
	} {
		t.Run(name, func(t *testing.T) {
			account.Policy = `{"Version":"2012-10-17","Statement":[` + c.statements + `]}`
			_, err := api.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: aws.String("prefect_dev_1"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
			try.WantCode(t, err, c.code)
		})
	}
}

// TestTaskStarts lists a task that has not started yet among those that are meant to run.
func TestTaskStarts(t *testing.T) {
	api, ctx := ecs.NewFromConfig(sandbox.New().Config("us-east-1")), context.Background()
	try.Must(api.CreateCluster(ctx, &ecs.CreateClusterInput{}))
	try.Must(api.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("flow"), ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("prefect"), Image: aws.String("python")}},
	}))
	ran := try.Must(api.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: aws.String("flow"), Overrides: &types.TaskOverride{
		ContainerOverrides: []types.ContainerOverride{{Environment: []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("1")}}}},
	}}))
	if out := try.Must(api.ListTasks(ctx, &ecs.ListTasksInput{})); len(out.TaskArns) != 1 || *ran.Tasks[0].LastStatus != "PROVISIONING" {
		t.Errorf("ListTasks: %v; the task is %s", out.TaskArns, *ran.Tasks[0].LastStatus)
	}
	stopped := try.Must(api.StopTask(ctx, &ecs.StopTaskInput{Task: ran.Tasks[0].TaskArn, Reason: aws.String("by hand")})).Task
	if stopped.StopCode != types.TaskStopCodeUserInitiated || *stopped.StoppedReason != "by hand" || stopped.Containers[0].ExitCode != nil {
		t.Errorf("the stopped task is %+v", stopped)
	}
}

// TestSecretNames: ECS refuses a container in which a variable has the name of a secret, in
// the definition and in the overrides of RunTask.
func TestSecretNames(t *testing.T) {
	a := sandbox.New()
	api := ecs.NewFromConfig(a.Config("us-east-1"))
	role := "arn:aws:iam::123456789012:role/execution"
	_, err := iam.NewFromConfig(a.Config("us-east-1")).CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("execution"), AssumeRolePolicyDocument: aws.String(strings.Replace(try.Trust, "ec2.", "ecs-tasks.", 1))})
	try.OK(err)
	define := func(from string, secrets []string, variables ...string) error {
		c := types.ContainerDefinition{Name: aws.String("c"), Image: aws.String("python:3.12")}
		for _, n := range secrets {
			c.Secrets = append(c.Secrets, types.Secret{Name: &n, ValueFrom: &from})
		}
		for _, n := range variables {
			c.Environment = append(c.Environment, types.KeyValuePair{Name: &n, Value: aws.String("x")})
		}
		_, err := api.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
			Family: aws.String("f"), ExecutionRoleArn: &role, ContainerDefinitions: []types.ContainerDefinition{c}})
		return err
	}
	try.WantCode(t, define("db", []string{"A"}, "A"), "ClientException")
	try.WantCode(t, define("db", []string{"A", "A"}), "ClientException")
	try.WantCode(t, define("", []string{"A"}), "ClientException")
	try.WantCode(t, define("db", []string{"A", "B"}, "C"), "")
	_, err = api.CreateCluster(t.Context(), &ecs.CreateClusterInput{})
	try.OK(err)
	for name, want := range map[string]string{"A": "ClientException", "C": ""} {
		_, err = api.RunTask(t.Context(), &ecs.RunTaskInput{TaskDefinition: aws.String("f"), Overrides: &types.TaskOverride{
			ContainerOverrides: []types.ContainerOverride{{Name: aws.String("c"), Environment: []types.KeyValuePair{{Name: &name, Value: aws.String("x")}}}}}})
		try.WantCode(t, err, want)
	}
}
