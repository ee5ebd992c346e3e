package ecs

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

func init() {
	core.Register(service, registerTaskDefinition, registerAccess)
	core.Register(service, deregisterTaskDefinition, core.Anything)
	core.Register(service, describeTaskDefinition, core.Anything)
	core.Register(service, listTaskDefinitions, core.Anything)
}

var familyChars = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

func (t *taskDefinition) key() string { return fmt.Sprintf("%s:%d", t.Family, t.Revision) }

func (r *request) definition(t *taskDefinition) *types.TaskDefinition {
	o := &types.TaskDefinition{
		TaskDefinitionArn: aws.String(r.arnOf("task-definition/" + t.key())), Family: &t.Family, Revision: t.Revision,
		Status:               types.TaskDefinitionStatus(t.Status),
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("flow"), Image: &t.Image}},
	}
	if c := &o.ContainerDefinitions[0]; t.Container != "" {
		c.Name = &t.Container
		for _, name := range slices.Sorted(maps.Keys(t.Secrets)) {
			c.Secrets = append(c.Secrets, types.Secret{Name: aws.String(name), ValueFrom: aws.String(t.Secrets[name])})
		}
		if len(t.Log) > 0 {
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: maps.Clone(t.Log)}
		}
	}
	if t.TaskRole != "" {
		o.TaskRoleArn = &t.TaskRole
	}
	if t.ExecutionRole != "" {
		o.ExecutionRoleArn = &t.ExecutionRole
	}
	return o
}

func registerTaskDefinition(r *request, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
	d, family := r.db(), aws.ToString(in.Family)
	if !familyChars.MatchString(family) {
		return nil, clientError("Family contains invalid characters: %s", family)
	}
	if len(in.ContainerDefinitions) == 0 {
		return nil, clientError("Container list cannot be empty.")
	}
	for _, arn := range []*string{in.TaskRoleArn, in.ExecutionRoleArn} {
		if arn != nil && iam.RoleNamed(r.Request, (*arn)[strings.LastIndex(*arn, "/")+1:]) == nil {
			return nil, clientError("Role is not valid")
		}
	}
	t, err := newTags(core.Tags{}, in.Tags)
	if err != nil {
		return nil, err
	}
	def := &taskDefinition{
		Family: family, Revision: 1, Status: "ACTIVE", Image: aws.ToString(in.ContainerDefinitions[0].Image),
		TaskRole: aws.ToString(in.TaskRoleArn), ExecutionRole: aws.ToString(in.ExecutionRoleArn), Tags: t,
	}
	if err := def.contain(in); err != nil {
		return nil, err
	}
	for _, o := range d.Definitions {
		if o.Family == family {
			def.Revision = max(def.Revision, o.Revision+1)
		}
	}
	d.Definitions[def.key()] = def
	return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: r.definition(def), Tags: tagList(t)}, nil
}

// contain keeps what fargate needs to know of the first container.
func (t *taskDefinition) contain(in *ecs.RegisterTaskDefinitionInput) error {
	c := in.ContainerDefinitions[0]
	t.Container = aws.ToString(c.Name)
	for _, s := range c.Secrets {
		if t.Secrets == nil {
			t.Secrets = map[string]string{}
		}
		t.Secrets[aws.ToString(s.Name)] = aws.ToString(s.ValueFrom)
	}
	if l := c.LogConfiguration; l != nil && l.LogDriver == types.LogDriverAwslogs {
		t.Log = maps.Clone(l.Options)
	}
	if (len(t.Secrets) > 0 || len(t.Log) > 0) && t.ExecutionRole == "" {
		return clientError("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
	}
	if in.Memory != nil {
		n, err := strconv.Atoi(*in.Memory)
		if err != nil {
			return clientError("Invalid 'memory' setting for task.")
		}
		t.Memory = n
	}
	return nil
}

// findDefinition finds a task definition by ARN, by family:revision, or by family,
// which means its latest active revision.
func (r *request) findDefinition(s *string) (*taskDefinition, error) {
	name := aws.ToString(s)
	name = name[strings.LastIndex(name, "/")+1:]
	if d := r.db().Definitions[name]; d != nil {
		return d, nil
	}
	var latest *taskDefinition
	for _, d := range r.db().Definitions {
		if d.Family == name && d.Status == "ACTIVE" && (latest == nil || d.Revision > latest.Revision) {
			latest = d
		}
	}
	if latest == nil {
		return nil, clientError("Unable to describe task definition.")
	}
	return latest, nil
}

func deregisterTaskDefinition(r *request, in *ecs.DeregisterTaskDefinitionInput) (*ecs.DeregisterTaskDefinitionOutput, error) {
	name := aws.ToString(in.TaskDefinition)
	if _, revision, ok := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":"); !ok {
		return nil, invalid("Revision is missing from the task definition %q", name)
	} else if _, err := strconv.Atoi(revision); err != nil {
		return nil, invalid("Invalid revision number. Number: %s", revision)
	}
	d, err := r.findDefinition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	d.Status = "INACTIVE"
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: r.definition(d)}, nil
}

func describeTaskDefinition(r *request, in *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
	d, err := r.findDefinition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	out := &ecs.DescribeTaskDefinitionOutput{TaskDefinition: r.definition(d)}
	if slices.Contains(in.Include, types.TaskDefinitionFieldTags) {
		out.Tags = tagList(d.Tags)
	}
	return out, nil
}

func listTaskDefinitions(r *request, in *ecs.ListTaskDefinitionsInput) (*ecs.ListTaskDefinitionsOutput, error) {
	status := "ACTIVE"
	if in.Status != "" {
		status = string(in.Status)
	}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(r.db().Definitions)) {
		d := r.db().Definitions[key]
		if d.Status == status && (in.FamilyPrefix == nil || d.Family == *in.FamilyPrefix) {
			all = append(all, r.arnOf("task-definition/"+key))
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 100)
	return &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: some, NextToken: next}, err
}
