package resource

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestVolumesOfOthers: flowbed tags the volumes that go with the instance, and none that
// somebody has attached to it.
func TestVolumesOfOthers(t *testing.T) {
	disk := func(device, volume string, ends *bool) types.InstanceBlockDeviceMapping {
		return types.InstanceBlockDeviceMapping{DeviceName: &device, Ebs: &types.EbsInstanceBlockDevice{VolumeId: &volume, DeleteOnTermination: ends}}
	}
	m := ec2InstanceOf(types.Instance{RootDeviceName: new("/dev/xvda"), BlockDeviceMappings: []types.InstanceBlockDeviceMapping{
		disk("/dev/xvda", "vol-root", new(false)), disk("/dev/sdb", "vol-ours", new(true)), disk("/dev/sdf", "vol-theirs", new(false)), disk("/dev/sdg", "vol-unknown", nil),
	}})
	if want := []string{"vol-root", "vol-ours"}; !slices.Equal(m.Volumes, want) {
		t.Errorf("have %v, want %v", m.Volumes, want)
	}
}

// TestRecordOfTags: the record fits into a tag, and has only keys that can be told apart.
func TestRecordOfTags(t *testing.T) {
	many := Tags{}
	for i := range 32 {
		many[fmt.Sprintf("cost-center-%03d", i)] = "x"
	}
	for name, c := range map[string]struct {
		tags Tags
		want int // keys in the record
	}{
		"none":             {nil, 0},
		"two":              {Tags{"team": "a", "stage": "b"}, 2},
		"a space":          {Tags{"cost center": "42", "team": "a"}, 1},
		"a no-break space": {Tags{"cost\u00a0center": "42", "team": "a"}, 1},
		"too many":         {many, 16}, // 16 keys of 15 characters, with blanks between: 255 of 256
	} {
		want := Identity{Env: "dev", Region: "us-east-1", Extra: c.tags}.Tags("x")
		if n := len(want[KeySpecTags]); n > 256 {
			t.Errorf("%s: the record has %d characters", name, n)
		}
		if old := want.stale(Identity{Env: "dev", Region: "us-east-1"}.Tags("x")); len(old) != c.want+min(c.want, 1) {
			t.Errorf("%s: up would remove %v, want %d tags and the record", name, old, c.want)
		}
	}
	// Whoever changes the record cannot make up remove what marks the owner.
	forged := Tags{KeySpecTags: KeyEnvironment + " aws:x team " + KeyManagedBy, KeyEnvironment: "dev", "aws:x": "y", "team": "a", KeyManagedBy: "flowbed"}
	if old := forged.stale(Tags{}); len(old) != 2 || old["team"] != "a" {
		t.Errorf("with a forged record, up would remove %v", old)
	}
}

// TestChangesOfTags: what the plan shows.
func TestChangesOfTags(t *testing.T) {
	id := Identity{Env: "dev", Region: "us-east-1", Version: "1.0.0"}
	plain := id.Tags("x")
	id.Extra = Tags{"team": "ops"}
	team := id.Tags("x")
	id.Extra = Tags{"stage": "test"}
	stage := id.Tags("x")
	before := team.clone(KeySpecTags)
	for name, c := range map[string]struct {
		have, want Tags
		text       string
	}{
		"same":                 {team, team, ""},
		"another":              {team, stage, "team=ops → stage=test"},
		"none":                 {team, plain, "team=ops → "},
		"first":                {plain, team, " → team=ops"},
		"from before a record": {before, team, " → flowbed:tags=team"},
	} {
		text := ""
		for _, d := range tagChange(c.have, c.want, false, tagger{}) {
			text += d.From.String() + " → " + d.To.String()
		}
		if text != c.text {
			t.Errorf("%s: have %q, want %q", name, text, c.text)
		}
	}
}

func (t Tags) clone(without string) Tags {
	c := Tags{}
	for k, v := range t {
		if k != without {
			c[k] = v
		}
	}
	return c
}
