package templates

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Place says which environment a policy is for, and where it runs.
type Place struct {
	Partition string // "aws", "aws-cn" or "aws-us-gov"
	Region    string
	Account   string
	Env       string // the environment's name
}

func (p Place) arn(service, region, object string) string {
	return strings.Join([]string{"arn", p.Partition, service, region, p.Account, object}, ":")
}

// logGroup returns the ARN of a log group's streams, given the group's name.
func (p Place) logGroup(name string) string {
	return p.arn("logs", p.Region, "log-group:"+name+":*")
}

// policy is an IAM policy. Its statements keep their order.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid         string
	Effect      string
	Principal   map[string]string `json:",omitempty"`
	Action      list
	Resource    list                       `json:",omitempty"`
	NotResource list                       `json:",omitempty"`
	Condition   map[string]map[string]list `json:",omitempty"`
}

// list encodes as IAM does: a single element has no brackets.
type list []string

// MarshalJSON implements json.Marshaler.
func (l list) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

func allow(sid string, actions list, resources ...string) statement {
	return statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// when returns the statement with one more condition.
func (s statement) when(operator, key string, values ...string) statement {
	c := map[string]map[string]list{}
	for op, keys := range s.Condition {
		c[op] = keys
	}
	if c[operator] == nil {
		c[operator] = map[string]list{}
	}
	c[operator][key] = values
	s.Condition = c
	return s
}

// document returns the policy as compact JSON, or "" if it has no statements: IAM
// rejects an empty policy.
func document(s ...statement) string {
	if len(s) == 0 {
		return ""
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(policy{"2012-10-17", s}); err != nil {
		panic("templates: policy: " + err.Error()) // strings always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func trust(service string) statement {
	return statement{
		Sid: "Assume", Effect: "Allow", Principal: map[string]string{"Service": service},
		Action: list{"sts:AssumeRole"},
	}
}

// TasksTrust lets ECS tasks of this account and region assume a role.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
func TasksTrust(p Place) string {
	return document(trust("ecs-tasks.amazonaws.com").
		when("StringEquals", "aws:SourceAccount", p.Account).
		when("ArnLike", "aws:SourceArn", p.arn("ecs", p.Region, "*")))
}

// ExecutionTrust lets ECS assume an execution role. It has no condition on the source: AWS
// documents one only for task roles, and if ECS sends no source for execution roles, no task
// would start.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
func ExecutionTrust() string { return document(trust("ecs-tasks.amazonaws.com")) }

// InstanceTrust lets EC2 instances assume a role. It has no condition on the
// source: EC2 does not send one, so with a condition the instance would get no
// credentials.
func InstanceTrust(p Place) string {
	service := "ec2.amazonaws.com"
	if p.Partition == "aws-cn" {
		service = "ec2.amazonaws.com.cn"
	}
	return document(trust(service))
}
