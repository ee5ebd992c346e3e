package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Policy is a policy of IAM or S3.
type Policy struct {
	Statement Statements
	Text      string `json:"-"` // as it was read
}

// Statements may be written as one, without a list.
type Statements []Statement

// UnmarshalJSON implements json.Unmarshaler.
func (l *Statements) UnmarshalJSON(b []byte) error {
	return oneOrMore(b, (*[]Statement)(l))
}

// oneOrMore reads a list, or one element that is written without one.
func oneOrMore[T any](b []byte, into *[]T) error {
	var one T
	if json.Unmarshal(b, &one) == nil {
		*into = []T{one}
		return nil
	}
	return json.Unmarshal(b, into)
}

// Statement is one statement of a policy.
type Statement struct {
	Sid, Effect string
	Principal   any
	Action      List
	NotAction   List
	Resource    List
	NotResource List
	Condition   map[string]map[string]List
}

// List is one value or several, which mean the same in a policy.
type List []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *List) UnmarshalJSON(b []byte) error {
	return oneOrMore(b, (*[]string)(l))
}

// ParsePolicy reads a policy.
func ParsePolicy(text string) (Policy, error) {
	p := Policy{Text: text}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("read policy: %w", err)
	}
	return p, nil
}

// allows are the statements that allow something.
func (p Policy) allows() Statements {
	return slices.DeleteFunc(slices.Clone(p.Statement), func(s Statement) bool { return s.Effect != "Allow" })
}

// unlimited are the actions of AWS's that are used here and know no resource, or
// none that could be named before it exists.
// https://docs.aws.amazon.com/service-authorization/latest/reference/
var unlimited = []string{
	"ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
	"ecr:GetAuthorizationToken",
	"ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListAccountSettings", "ecs:ListClusters",
	"ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition",
	"iam:ListRoles", "logs:DescribeLogGroups", "tag:GetResources",
}

// wild are the actions of a statement that stand for others.
func (s Statement) wild() (list []string) {
	for _, a := range s.Action {
		if strings.Contains(a, "*") {
			list = append(list, a)
		}
	}
	return list
}

// open are the actions that a statement allows on every resource, though they
// could be limited.
func (s Statement) open() (list []string) {
	if !slices.Contains(s.Resource, "*") {
		return nil
	}
	for _, a := range s.Action {
		if !slices.Contains(unlimited, a) {
			list = append(list, a)
		}
	}
	return list
}

// services are the services that a trust policy's statement names; other
// principals are named as they are.
func (s Statement) services() (list []string) {
	m, ok := s.Principal.(map[string]any)
	if !ok {
		return []string{fmt.Sprint(s.Principal)}
	}
	for kind, v := range m {
		for _, name := range asList(v) {
			if kind != "Service" {
				name = kind + " " + name
			}
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func asList(v any) (list []string) {
	if all, ok := v.([]any); ok {
		for _, one := range all {
			list = append(list, fmt.Sprint(one))
		}
		return list
	}
	return []string{fmt.Sprint(v)}
}
