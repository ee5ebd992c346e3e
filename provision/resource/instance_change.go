package resource

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// KeyLaunch is the tag in which an instance carries what it was launched with,
// as far as EC2 does not show it, or shows it only when asked for each part.
const KeyLaunch = "flowbed:launch"

// launchTag is the value of KeyLaunch: short, readable, and the same for the
// same specification. It must not exceed a tag's 256 characters.
func (i Instance) launchTag() string {
	parts := []string{"image=" + i.ImageName, "volume=" + strconv.Itoa(i.VolumeGiB)}
	if k, _ := i.Key.Expect(); k.Wanted != "" {
		parts = append(parts, "key="+digest(k.Wanted))
	}
	if u := i.userData(); u != "" {
		parts = append(parts, "user-data="+digest(u))
	}
	return strings.Join(parts, " ")
}

func (i Instance) userData() string {
	if i.UserData == nil {
		return ""
	}
	return i.UserData()
}

func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:8])
}

func launchParts(tag string) map[string]string {
	parts := map[string]string{}
	for _, p := range strings.Fields(tag) {
		k, v, _ := strings.Cut(p, "=")
		parts[k] = v
	}
	return parts
}

// launchFields are the names in a plan of the parts of the launch tag.
var launchFields = []struct{ part, field, unit string }{
	{"image", "image", ""}, {"volume", "volume", " GiB"}, {"key", "public key", ""}, {"user-data", "user data", ""},
}

// outdated are the differences of a machine that only another machine removes.
func (i Instance) outdated(m Machine) (c []provision.Change) {
	add := func(field, have, want string) {
		if have != want {
			c = append(c, provision.Change{
				Field: field, From: provision.Text(have), To: provision.Text(want), Replace: true,
				Why: "an instance keeps what it was launched with: a new one takes over from " + m.ID,
			})
		}
	}
	add("instance type", m.Type, i.Type)
	k, _ := i.Key.Expect()
	add("key pair", m.Key, k.Name)
	// Which subnets are public may change at any time, and what runs keeps its
	// address: only a spec that names subnets, or another VPC, moves the agent.
	if n, ok := i.Network.Get(); ok && !slices.Contains(n.IDs(), m.Subnet) && (n.Named || m.VPC != n.VPC) {
		add("subnet", m.Subnet, "one of "+strings.Join(n.IDs(), ", "))
	}
	if m.Launch == "" {
		add("launch specification", "unknown: the tag "+KeyLaunch+" is gone", i.launchTag())
		return c
	}
	have, want := launchParts(m.Launch), launchParts(i.launchTag())
	for _, f := range launchFields {
		// A pair of another name has another key: once is enough.
		if f.part == "key" && m.Key != k.Name {
			continue
		}
		h, w := have[f.part], want[f.part]
		if h != w {
			add(f.field, h+f.unit, w+f.unit)
		}
	}
	return c
}

// current is the machine that is as it should be, or can be made so: the oldest,
// so that of two runs at the same time both keep the same one.
func (i Instance) current(have InstanceState) (Machine, bool) {
	live := have.live()
	at := slices.IndexFunc(live, func(m Machine) bool { return len(i.outdated(m)) == 0 })
	if at < 0 {
		return Machine{}, false
	}
	return live[at], true
}

// Changes implements provision.Resource.
func (i Instance) Changes(have InstanceState) []provision.Change {
	live := have.live()
	if len(live) == 0 {
		c := i.creation()
		if have.ID != "" { // the last one is on its way out: nothing to wait for
			c[0].Do = i.launch
		}
		return c
	}
	current, ok := i.current(have)
	if !ok {
		c := i.outdated(live[len(live)-1])
		c[0].Do = i.launch // removes all of the differences at once
		return c
	}
	c := append(i.awaken(current), i.drift(current)...)
	for _, m := range live {
		if m.ID == current.ID {
			continue
		}
		end := provision.Change{Field: "old instance", From: provision.Text(m.ID), Why: current.ID + " has taken over"}
		if len(i.outdated(m)) == 0 {
			end.Field, end.Why = "surplus instance", "there is to be one agent, and "+current.ID+" was there first"
		}
		if current.State == "running" {
			end.Do = i.terminate(m)
		}
		c = append(c, end)
	}
	return c
}

// creation is what a plan says of an instance that does not exist.
func (i Instance) creation() []provision.Change {
	c := []provision.Change{{Field: "instance type", To: provision.Text(i.Type)}}
	add := func(field string, v provision.Value) {
		if !v.IsNothing() {
			c = append(c, provision.Change{Field: field, To: v})
		}
	}
	add("image", provision.Text(i.ImageName))
	add("image id", provision.Of(i.Image, func(s ImageState) string { return s.ID }))
	add("volume", provision.Text(fmt.Sprintf("%d GiB, gp3, encrypted", i.VolumeGiB)))
	if k, ok := i.Key.Expect(); ok {
		add("key pair", provision.Text(k.Name))
	}
	add("subnet", provision.Of(i.Network, func(n NetworkState) string { return "one of " + strings.Join(n.IDs(), ", ") }))
	groups, known := i.groups()
	add("security groups", textOr(known, setText(groups)))
	p, known := i.Profile.Expect()
	add("instance profile", textOr(known, p.ARN))
	add("instance metadata", provision.Text(wantMetadata))
	if u := i.userData(); u != "" {
		add("user data", provision.Text(digest(u)))
	}
	add("tags", provision.Text(i.ID.Tags(i.Name).text()))
	return c
}

func textOr(known bool, s string) provision.Value {
	if !known {
		return provision.Unknown()
	}
	return provision.Text(s)
}

// groups are the ids of the security groups; known is false as long as one of
// them does not exist.
func (i Instance) groups() (ids []string, known bool) {
	for _, g := range i.Groups {
		s, ok := g.Get()
		if !ok {
			return nil, false
		}
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	return ids, true
}
