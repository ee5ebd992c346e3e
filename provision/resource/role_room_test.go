package resource_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
)

// TestFull compares what a role will have with IAM's limits: only what up adds can exceed
// them.
func TestFull(t *testing.T) {
	id := resource.Identity{Env: "dev", Region: "us-east-1", Account: "123456789012", Partition: "aws", Version: "1"}
	tags := func(n int) resource.Tags {
		list := resource.Tags{}
		for i := range n {
			list[fmt.Sprintf("team-%d", i)] = "x"
		}
		return list
	}
	text := func(n int) string { return strings.Repeat("x", n) }
	ours := func(count int) resource.Tags {
		list := id.SharedTags("ecsTaskExecutionRole")
		for i := range count - len(list) {
			list[fmt.Sprintf("team-%d", i)] = "x"
		}
		return list
	}
	const own, other = "flowbed-dev-us-east-1", "flowbed-prod-us-east-1"
	for _, c := range []struct {
		name   string
		shared bool
		want   string // the desired inline policy
		have   resource.RoleState
		says   string
	}{
		{"nothing there", false, text(100), resource.RoleState{}, ""},
		{"as long as it may be", false, text(10240), resource.RoleState{}, ""},
		{"white space does not count", false, text(10240) + " \n\t", resource.RoleState{}, ""},
		{"too long", false, text(10241), resource.RoleState{}, "would have 10241 characters, and IAM allows 10240"},
		{"in place of others", false, text(10240), resource.RoleState{Inline: map[string]string{"old": text(9000)}}, ""},
		{"shared, and unread", true, text(241), resource.RoleState{Inline: map[string]string{other: ""}}, "has 240 of 10240 characters left for inline policies, and this environment needs 241"},
		{"shared, and it fits", true, text(240), resource.RoleState{Inline: map[string]string{other: ""}}, ""},
		{"shared, a person's policy", true, text(241), resource.RoleState{Inline: map[string]string{"mine": text(10000)}}, "has 240 of 10240"},
		{"shared, already there", true, text(200), resource.RoleState{Inline: map[string]string{other: "", "mine": text(100), own: text(200)}}, ""},
		{"shared, it grows", true, text(241), resource.RoleState{Inline: map[string]string{other: "", own: text(200)}}, "has 40 of 10240 characters left for inline policies, and this environment needs 41"},
		{"shared, it goes", true, "", resource.RoleState{Inline: map[string]string{other: "", "mine": text(240), own: text(200)}}, ""},
		{"tags of others", false, "", resource.RoleState{Tags: tags(46)}, "has 46 tags, this environment needs 5 more, and IAM allows 50"},
		{"as many tags as may be", false, "", resource.RoleState{Tags: tags(45)}, ""},
		{"no new tag", true, "", resource.RoleState{Tags: ours(50)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := resource.Role{
				ID: id, Name: "r", Shared: c.shared, Unread: func(string) int { return 10000 },
				Inline: func() map[string]string {
					if c.want == "" {
						return nil
					}
					return map[string]string{map[bool]string{true: own, false: "flowbed"}[c.shared]: c.want}
				},
			}
			if have := r.Full(c.have); (c.says == "") != (have == "") || !strings.Contains(have, c.says) {
				t.Errorf("have %q, want %q", have, c.says)
			}
			notes := r.Validate(c.have, true)
			if (len(notes) > 0) != (c.says != "") || len(notes) > 0 && (notes[0].Severity != provision.Error || !strings.Contains(notes[0].Text, " → ")) {
				t.Errorf("have %+v", notes)
			}
		})
	}
}
