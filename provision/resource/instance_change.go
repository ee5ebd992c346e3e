package resource

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowbed/flowbed/provision"
)

// KeyLaunch is the tag with those parts of an instance's launch specification that EC2
// does not show, or shows only in separate calls.
const KeyLaunch = "flowbed:launch"

// launchTag is the value of KeyLaunch. It is short, readable, and always the same for
// the same specification. The value of a tag can have 256 characters.
func (i Instance) launchTag() string {
	parts := []string{"image=" + i.ImageName, "volume=" + strconv.Itoa(i.VolumeGiB)}
	if key := keyARN(i.VolumeKey); key != "" { // the rest of the ARN is this account and region
		parts = append(parts, "volume-key="+key[strings.LastIndex(key, "/")+1:])
	}
	if k, _ := i.Key.Expect(); k.Wanted != "" {
		parts = append(parts, partKey+"="+digest(k.Wanted))
	}
	if u := i.userData(); u != "" {
		parts = append(parts, partUserData+"="+digest(u))
	}
	if p, ok := i.Lent.Get(); ok {
		parts = append(parts, profilePart+"="+digest(p.ARN))
	}
	if q, ok := i.Events.Get(); ok {
		parts = append(parts, eventsPart+"="+q.Created.Format(time.RFC3339))
	}
	return strings.Join(parts, " ")
}

// eventsPart tells when the queue was created that the agent found. An agent that is older
// than its queue never reads it: it looks for the queue only when it starts.
const eventsPart = "events"

// profilePart tells which external profile flowbed gave the instance.
const profilePart = "profile"

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

// launchFields maps the parts of the launch tag to field names in a plan.
var launchFields = []struct{ part, field, unit string }{
	{"image", "image", ""}, {"volume", "volume", " GiB"}, {"volume-key", "volume key", ""}, {partKey, "public key", ""}, {partUserData, fieldUserData, ""},
}

// outdated lists the differences of an instance that require a replacement.
func (i Instance) outdated(m EC2Instance) (c []provision.Change) {
	add := func(field, have, want string) {
		if have != want {
			d := i.replaces(m, field)
			d.From, d.To = provision.Text(have), provision.Text(want)
			c = append(c, d)
		}
	}
	add(fieldType, m.Type, i.Type)
	k, _ := i.Key.Expect()
	add("key pair", m.Key, k.Name)
	c = append(c, i.misplaced(m)...)
	if m.Launch == "" {
		add("launch specification", "unknown: the tag "+KeyLaunch+" is missing", i.launchText())
		return c
	}
	have, want := launchParts(m.Launch), launchParts(i.launchTag())
	c = append(c, i.olderThanQueue(m, have[eventsPart], want[eventsPart])...)
	if p, ok := i.profile().Expect(); ok && have[profilePart] != want[profilePart] {
		add("instance profile", m.Profile, p.ARN)
	}
	for _, f := range launchFields {
		// Another key pair has another key: one of the two differences is enough.
		if f.part == partKey && m.Key != k.Name {
			continue
		}
		switch h, w := have[f.part], want[f.part]; {
		case h == w:
		case f.part == partKey: // the tag has its digest
			add(f.field, "another key", fingerprint(k.Wanted))
		case f.part == partUserData: // explained adds what it is
			c = append(c, i.replaces(m, f.field))
		default:
			add(f.field, h+f.unit, w+f.unit)
		}
	}
	return c
}

// misplaced is what the network requires of an instance, and this one does not have. Subnets that are
// not known yet are new ones.
func (i Instance) misplaced(m EC2Instance) (c []provision.Change) {
	n, ok := i.Network.Get()
	// The list of public subnets can change at any time, but a running instance keeps
	// its address. So only a spec that decides on the subnets, or another VPC, moves the agent.
	if i.Network.Set() && (!ok || !slices.Contains(n.IDs(), m.Subnet) && (n.Named || m.VPC != n.VPC)) {
		d := i.replaces(m, "subnet")
		d.From, d.To = provision.Text(m.Subnet), i.subnets()
		c = append(c, d)
	}
	if n.Private && m.PublicIP != "" {
		d := i.replaces(m, "public address")
		d.From, d.To = provision.Text(m.PublicIP), provision.Text("none")
		c = append(c, d)
	}
	return c
}

// subnets says in which subnets an instance may be.
func (i Instance) subnets() provision.Value {
	return provision.Of(i.Network, func(n NetworkState) string { return "one of " + strings.Join(n.IDs(), ", ") })
}

// olderThanQueue is the difference of an instance whose agent did not find today's queue,
// or which starts before there is one.
func (i Instance) olderThanQueue(m EC2Instance, have, want string) []provision.Change {
	if !i.Events.Set() || want != "" && have == want {
		return nil
	}
	from, to := "none", provision.Unknown()
	if have != "" {
		from = "created " + have
	}
	if want != "" {
		to = provision.Text("created " + want)
	}
	return []provision.Change{{
		Field: "event queue", From: provision.Text(from), To: to, Replace: true,
		Why: "the agent looks for its queue only when it starts: a new instance replaces " + m.ID,
	}}
}

// obsolete reports whether an instance has to be replaced.
func (i Instance) obsolete(m EC2Instance) bool {
	return slices.ContainsFunc(i.outdated(m), func(c provision.Change) bool { return !i.ignored.Has(c.Field) })
}

// current returns the oldest instance that needs no replacement. It is the oldest so that
// two runs at the same time keep the same one.
func (i Instance) current(have InstanceState) (EC2Instance, bool) {
	live := have.live()
	at := slices.IndexFunc(live, func(m EC2Instance) bool { return !i.obsolete(m) })
	if at < 0 {
		return EC2Instance{}, false
	}
	return live[at], true
}

// Changes implements provision.Resource.
func (i Instance) Changes(have InstanceState) []provision.Change {
	live := have.live()
	if len(live) == 0 {
		c := i.creation()
		if have.ID != "" { // the last one is shutting down: do not wait for it, and keep nothing of it
			for n := range c {
				c[n].Required = true
			}
			c[0].Do = i.launch
		}
		return c
	}
	current, ok := i.current(have)
	if !ok {
		newest := live[len(live)-1]
		return provision.Together(i.explained(i.outdated(newest), newest, have.running), i.replace(newest))
	}
	ignored := i.explained(i.outdated(current), current, have.running)
	c := slices.Concat(ignored, i.start(current), i.drift(current))
	for _, m := range live {
		if m.ID == current.ID {
			continue
		}
		terminate := provision.Change{Field: "old instance", From: provision.Text(m.ID), Why: current.ID + " replaces it"}
		if !i.obsolete(m) {
			terminate.Field, terminate.Why = "surplus instance", "an environment has one agent, and "+current.ID+" is older"
		}
		if current.State == "running" {
			terminate.Do = i.terminate(m)
		}
		c = append(c, terminate)
	}
	return c
}

// creation lists the fields that a plan shows for an instance that does not exist.
func (i Instance) creation() []provision.Change {
	c := []provision.Change{{Field: fieldType, To: provision.Text(i.Type)}}
	add := func(field string, v provision.Value) {
		if !v.IsNothing() {
			c = append(c, provision.Change{Field: field, To: v})
		}
	}
	add("image", provision.Text(i.ImageName))
	add("image id", provision.Of(i.Image, func(s ImageState) string { return s.ID }))
	add("volume", provision.Text(fmt.Sprintf("%d GiB, gp3, encrypted", i.VolumeGiB)))
	add("volume key", provision.Text(keyARN(i.VolumeKey)))
	if k, ok := i.Key.Expect(); ok {
		add("key pair", provision.Text(k.Name))
	}
	add("subnet", i.subnets())
	groups, known := i.groups()
	add("security groups", textOr(known, setText(groups)))
	p, known := i.profile().Expect()
	add("instance profile", textOr(known, p.ARN))
	add("instance metadata", provision.Text(wantMetadata))
	add(fieldUserData, i.shown())
	return append(c, provision.Change{Field: "tags", To: provision.Text(i.ID.Tags(i.Name).text()), Required: true})
}

func textOr(known bool, s string) provision.Value {
	if !known {
		return provision.Unknown()
	}
	return provision.Text(s)
}

// groups returns the ids of the security groups; known is false if one of them does not
// exist yet.
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
