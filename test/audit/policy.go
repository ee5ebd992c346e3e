package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Policy is an IAM or S3 policy.
type Policy struct {
	Statement Statements
	Text      string `json:"-"` // the original text
}

// Statements is a list. JSON may hold one statement without a list.
type Statements []Statement

// UnmarshalJSON implements json.Unmarshaler.
func (l *Statements) UnmarshalJSON(b []byte) error {
	return oneOrMore(b, (*[]Statement)(l))
}

// oneOrMore reads a list, or a single element without a list.
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

// List is a list of strings. JSON may hold one string without a list.
type List []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *List) UnmarshalJSON(b []byte) error {
	return oneOrMore(b, (*[]string)(l))
}

// ParsePolicy parses a policy.
func ParsePolicy(text string) (Policy, error) {
	p := Policy{Text: text}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("read policy: %w", err)
	}
	return p, nil
}

// allows returns the Allow statements.
func (p Policy) allows() Statements {
	return slices.DeleteFunc(slices.Clone(p.Statement), func(s Statement) bool { return s.Effect != "Allow" })
}

// unlimited lists actions that flowbed uses and that cannot be limited to a
// resource, or only to one that does not exist yet.
// https://docs.aws.amazon.com/service-authorization/latest/reference/
var unlimited = []string{
	"ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
	"ecr:GetAuthorizationToken",
	"ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListAccountSettings", "ecs:ListClusters",
	"ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition",
	"iam:ListRoles", "logs:DescribeLogGroups", "tag:GetResources",
}

// wild returns the actions of a statement that contain wildcards.
func (s Statement) wild() (list []string) {
	for _, a := range s.Action {
		if strings.Contains(a, "*") {
			list = append(list, a)
		}
	}
	return list
}

// open returns the actions that a statement allows on every resource although they
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

// services returns the services that a trust statement names. Other principals get
// their kind as a prefix.
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
