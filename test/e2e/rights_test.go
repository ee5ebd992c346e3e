//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// wantRights checks that the machine's role allows exactly the calls that the machine made,
// plus the unseen actions, which the test does not trigger. The SSM agent's permissions
// are in an AWS managed policy, and the machine does not run that agent.
func (s session) wantRights(unseen ...string) {
	s.Helper()
	out, err := iam.NewFromConfig(s.front.Config("us-east-1")).GetRolePolicy(s.Context(), &iam.GetRolePolicyInput{
		RoleName: aws.String("flowbed-dev-agent"), PolicyName: aws.String("flowbed")})
	if err != nil {
		s.Fatal(err)
	}
	text, err := url.QueryUnescape(*out.PolicyDocument)
	if err != nil {
		s.Fatal(err)
	}
	used := map[string]bool{}
	for _, action := range unseen {
		used[action] = true
	}
	for _, c := range s.front.Calls() {
		if c.Key == workerKey {
			asks(c, used)
		}
	}
	if diff := cmp.Diff(allowed(s.T, text), slices.Sorted(maps.Keys(used))); diff != "" {
		s.Errorf("the agent's policy and its calls differ (-policy +calls):\n%s", diff)
	}
}

// asks adds the actions that a call needs. Tagging and passing roles are actions too,
// although nothing calls them.
func asks(c moto.Call, used map[string]bool) {
	used[c.Service+":"+c.Operation] = true
	if c.Service != "ecs" {
		return
	}
	if bytes.Contains(c.Body, []byte(`RoleArn"`)) {
		used["iam:PassRole"] = true
	}
	var in struct {
		Tags []any `json:"tags"`
	}
	if json.Unmarshal(c.Body, &in) == nil && len(in.Tags) > 0 {
		used["ecs:TagResource"] = true
	}
}

// allowed returns the actions that a policy allows, sorted.
func allowed(t *testing.T, policy string) []string {
	t.Helper()
	var p struct {
		Statement []struct {
			Effect string
			Action any
		}
	}
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		t.Fatalf("%v: %s", err, policy)
	}
	set := map[string]bool{}
	for _, s := range p.Statement {
		if s.Effect != "Allow" {
			continue
		}
		list, ok := s.Action.([]any)
		if !ok {
			list = []any{s.Action}
		}
		for _, a := range list {
			set[a.(string)] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}
