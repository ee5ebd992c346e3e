package resource

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// ssmActions are what the agent of Systems Manager needs of AmazonSSMManagedInstanceCore to be
// managed at all, and for sessions and commands.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-instance-permissions.html
var ssmActions = []string{
	"ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
	"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
}

const ssmPolicy = "policy/AmazonSSMManagedInstanceCore"

// instead has single actions for the patterns that flowbed itself writes: IAM simulates no
// patterns.
var instead = map[string][]string{
	"s3:*":  {"s3:GetObject", "s3:ListBucket", "s3:PutObject"},
	"ecr:*": append([]string{pullToken}, pullActions...),
}

// Uses are the permissions that the role has from its own policies, as far as IAM can simulate
// them: with single actions and resources. A permissions boundary must allow them, too.
func (r Role) Uses() (list []Permission) {
	want := r.inline()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		for _, raw := range statementsOf(want[name]) {
			list = append(list, used(raw)...)
		}
	}
	for _, g := range r.pullsImage() {
		list = append(list, Permission{Actions: g.Action, Resources: g.Resource})
	}
	if slices.ContainsFunc(r.Managed, func(arn string) bool { return strings.HasSuffix(arn, ssmPolicy) }) {
		list = append(list, on("*", ssmActions...))
	}
	return list
}

func (r Role) pullsImage() []grant {
	if r.Pull == "" {
		return nil
	}
	return pulling(r.Pull)
}

// used is what a statement allows.
func used(raw json.RawMessage) []Permission {
	var s struct {
		Effect           string
		Action, Resource stringList
		Condition        map[string]map[string]stringList
	}
	if json.Unmarshal(raw, &s) != nil || s.Effect != "Allow" {
		return nil
	}
	p := Permission{Condition: Condition{}}
	for _, a := range s.Action {
		if some, is := instead[a]; is {
			p.Actions = append(p.Actions, some...)
		} else if !strings.ContainsAny(a, "*?") {
			p.Actions = append(p.Actions, a)
		}
	}
	for _, r := range s.Resource {
		if r != "*" {
			r = strings.NewReplacer("*", "example", "?", "x").Replace(r)
		}
		p.Resources = append(p.Resources, r)
	}
	for operator, keys := range s.Condition {
		p.Condition[operator] = map[string][]string{}
		for key, values := range keys {
			for _, v := range values {
				p.Condition[operator][key] = append(p.Condition[operator][key], strings.ReplaceAll(v, "*", "example"))
			}
		}
	}
	if len(p.Actions) == 0 {
		return nil
	}
	return []Permission{p}
}
