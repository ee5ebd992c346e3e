package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// flowRun is a run as a worker gets it.
type flowRun struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Deployment string    `json:"deployment_id"`
	Created    time.Time `json:"created"`
}

// takeRuns is a worker's query for runs. It submits each of them when it is due.
func (h host) takeRuns() {
	pool := h.flag("--pool")
	var queues []string
	for _, flag := range []string{"--work-queue", "-q"} {
		queues = append(queues, h.flags(flag)...)
	}
	got, err := h.call(h.Now, http.MethodPost, "/work_pools/"+pool+"/get_scheduled_flow_runs", map[string]any{"work_queue_names": queues}, nil)
	if err != nil || got.Status != http.StatusOK {
		return // the worker asks again
	}
	var list []struct {
		Run flowRun `json:"flow_run"`
	}
	if json.Unmarshal(got.JSON(), &list) != nil {
		return
	}
	for _, l := range list {
		if at := l.Run.Created.Add(h.Account.PollTime); !at.After(h.Now) {
			h.submit(at, l.Run)
		}
	}
}

// submit starts the task of a run, as the worker does. Each of its words comes a moment after
// the one before, so that they can be ordered.
func (h host) submit(at time.Time, r flowRun) {
	const moment = time.Millisecond
	h.setState(at.Add(moment), r, "PENDING", "Pending", "")
	h.writes(at.Add(2*moment), r, 20, fmt.Sprintf("Worker '%s' submitting flow run '%s'", h.name(), r.ID))
	cluster, task, err := h.startTask(at, r)
	if err != nil {
		h.writes(at.Add(3*moment), r, 40, "Failed to submit flow run '"+r.Name+"' to infrastructure.\n"+err.Error())
		h.setState(at.Add(4*moment), r, "CRASHED", "Crashed", "Failed to submit flow run to infrastructure: "+err.Error())
		return
	}
	_, _ = h.call(at, http.MethodPatch, "/flow_runs/"+r.ID, map[string]any{"infrastructure_pid": cluster + "::" + task}, nil)
	h.writes(at.Add(3*moment), r, 20, "Flow run '"+r.Name+"' submitted to infrastructure")
}

func (h host) setState(at time.Time, r flowRun, kind, name, message string) {
	_, _ = h.call(at, http.MethodPost, "/flow_runs/"+r.ID+"/set_state", map[string]any{
		"state": map[string]any{"type": kind, "name": name, "message": message},
	}, nil)
}

// writes adds a line to the run's log.
func (h host) writes(at time.Time, r flowRun, level int, text string) {
	_, _ = h.call(at, http.MethodPost, "/logs", []any{map[string]any{
		"flow_run_id": r.ID, "level": level, "message": text, "timestamp": at.UTC().Format(time.RFC3339Nano), "name": "prefect.flow_runs.worker",
	}}, nil)
}

// startTask makes the worker's calls to AWS, as the instance's role.
func (h host) startTask(at time.Time, r flowRun) (cluster, task string, err error) {
	job, err := h.job(at, r)
	if err != nil {
		return "", "", err
	}
	who, ok := h.session()
	if !ok {
		return "", "", said("NoCredentialsError: Unable to locate credentials")
	}
	if job.VPC != "" {
		if _, err := h.as(at, who, "DescribeVpcs", &ec2.DescribeVpcsInput{VpcIds: []string{job.VPC}}); err != nil {
			return "", "", err
		}
		if _, err := h.as(at, who, "DescribeSubnets", &ec2.DescribeSubnetsInput{SubnetIds: job.Network.Subnets}); err != nil {
			return "", "", err
		}
	}
	definition, err := h.as(at, who, "RegisterTaskDefinition", job.definition(h, r))
	if err != nil {
		return "", "", err
	}
	run := job.run(h, r)
	run.TaskDefinition = definition.(*ecs.RegisterTaskDefinitionOutput).TaskDefinition.TaskDefinitionArn
	out, err := h.as(at, who, "RunTask", run)
	if err != nil {
		return "", "", err
	}
	one := out.(*ecs.RunTaskOutput).Tasks[0]
	if cluster = job.Cluster; cluster == "" {
		cluster = aws.ToString(one.ClusterArn)
	}
	return cluster, aws.ToString(one.TaskArn), nil
}

// as makes a call at a time. The error is in boto's words.
func (h host) as(at time.Time, who core.Identity, operation string, in any) (any, error) {
	request := *h.Request
	request.Now = at
	out, err := request.As(who, in)
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return nil, said(fmt.Sprintf("ClientError: An error occurred (%s) when calling the %s operation: %s", api.ErrorCode(), operation, api.ErrorMessage()))
	}
	return out, err
}

// definition is the worker's task definition.
func (j job) definition(h host, r flowRun) *ecs.RegisterTaskDefinitionInput {
	c := types.ContainerDefinition{Name: aws.String("prefect"), Image: aws.String(j.Image)}
	if c.Image == nil || j.Image == "" {
		c.Image = aws.String("prefecthq/prefect:" + h.Prefect + "-python3.12")
	}
	for name, value := range j.Env {
		c.Environment = append(c.Environment, types.KeyValuePair{Name: aws.String(name), Value: aws.String(value)})
	}
	for name, arn := range j.Secrets {
		c.Secrets = append(c.Secrets, types.Secret{Name: aws.String(name), ValueFrom: aws.String(arn)})
	}
	if j.Logs {
		options := map[string]string{"awslogs-create-group": "true", "awslogs-group": "prefect", "awslogs-region": h.Region,
			"awslogs-stream-prefix": "prefect-logs_" + h.flag("--pool") + "_" + r.Deployment}
		for k, v := range j.LogOptions {
			options[k] = v
		}
		c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: options}
	}
	in := &ecs.RegisterTaskDefinitionInput{
		Family:               aws.String("prefect_" + h.flag("--pool") + "_" + r.Deployment),
		ContainerDefinitions: []types.ContainerDefinition{c}, Cpu: aws.String("1024"), Memory: aws.String("2048"),
		NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
	}
	if j.CPU != "" {
		in.Cpu = &j.CPU
	}
	if j.Memory != "" {
		in.Memory = &j.Memory
	}
	if j.Family != "" {
		in.Family = &j.Family
	}
	in.Tags = j.Tags
	if j.ExecutionRole != "" {
		in.ExecutionRoleArn = &j.ExecutionRole
	}
	return in
}

// run is the worker's call that starts the task.
func (j job) run(h host, r flowRun) *ecs.RunTaskInput {
	public := types.AssignPublicIpEnabled
	if j.Network.PublicIP != "" {
		public = types.AssignPublicIp(j.Network.PublicIP)
	}
	env := []types.KeyValuePair{
		{Name: aws.String("PREFECT__FLOW_RUN_ID"), Value: &r.ID}, {Name: aws.String("PREFECT_API_URL"), Value: aws.String(h.api())},
	}
	for name, value := range j.Env {
		env = append(env, types.KeyValuePair{Name: aws.String(name), Value: aws.String(value)})
	}
	in := &ecs.RunTaskInput{
		Cluster: &j.Cluster, Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("prefect"), Environment: env}}},
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
			Subnets: j.Network.Subnets, SecurityGroups: j.Network.Groups, AssignPublicIp: public,
		}},
		Tags:          append([]types.Tag{{Key: aws.String("prefect.io/flow-run-id"), Value: &r.ID}}, j.RunTags...),
		PropagateTags: types.PropagateTags(j.Propagate),
	}
	if j.TaskRole != "" {
		in.Overrides.TaskRoleArn = &j.TaskRole
	}
	if j.LaunchType == "FARGATE_SPOT" {
		in.CapacityProviderStrategy = []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE_SPOT"), Weight: 1}}
	} else {
		in.LaunchType = types.LaunchTypeFargate
	}
	return in
}
