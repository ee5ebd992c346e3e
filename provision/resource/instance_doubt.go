package resource

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// Doubtful is an instance that has something of ours, but is not certainly ours. flowbed
// never changes or terminates it.
type Doubtful struct {
	EC2Instance
	Why  string // what it has, and what it lacks
	Cure string // what the user can do
}

func (d Doubtful) text() string { return d.Why + " → " + d.Cure }

// Owner implements provision.State.
func (s InstanceState) Owner() provision.Owner {
	o := s.Tags.Owner()
	if s.ID == "" {
		o.Doubt = s.doubt()
		return o
	}
	for _, d := range s.Doubtful {
		o.Notes = append(o.Notes, provision.Note{Severity: provision.Warn, Text: d.text()})
	}
	return o
}

// doubt tells of all doubtful instances at once.
func (s InstanceState) doubt() string {
	if len(s.Doubtful) == 0 {
		return ""
	}
	var why, cure []string
	for _, d := range s.Doubtful {
		why, cure = append(why, d.Why), append(cure, d.Cure)
	}
	return strings.Join(why, "; ") + " → " + strings.Join(cure, "; ")
}

// beside names the instances that are not ours, for up. Up must not launch an agent beside
// one that may be it.
func (s InstanceState) beside() (notes []provision.Note) {
	severity := provision.Warn
	if s.ID != "" && len(s.live()) == 0 {
		severity = provision.Error
	}
	for _, d := range s.Doubtful {
		notes = append(notes, provision.Note{Severity: severity, Text: d.text()})
	}
	for _, d := range s.Guests {
		notes = append(notes, provision.Note{Severity: provision.Warn, Text: d.text()})
	}
	return notes
}

// Keeps implements provision.Keeper. A doubtful instance needs its profile, and EC2 does not
// delete its security group.
func (i Instance) Keeps(have InstanceState, _ bool) (kept []provision.Kept) {
	for _, d := range have.Doubtful {
		for _, g := range i.Groups {
			if s, ok := g.Get(); ok && slices.Contains(d.Groups, s.ID) {
				kept = append(kept, provision.Kept{Object: g, Why: d.ID + ", which is left, is in it"})
			}
		}
		if n, ok := i.Network.Get(); ok && n.VPC == d.VPC {
			kept = append(kept, provision.Kept{Object: i.Network, Why: d.ID + ", which is left, is in it"})
		}
		if i.hasProfile(d.EC2Instance) && i.Profile.Set() {
			kept = append(kept, provision.Kept{Object: i.Profile, Why: d.ID + ", which is left, has it"})
		}
	}
	return kept
}

// cli is a command of the AWS CLI for EC2 in the environment's region.
func (i Identity) cli(command, format string, args ...any) string {
	return "aws ec2 " + command + " --region " + i.Region + " " + fmt.Sprintf(format, args...)
}

func (i Instance) terminateCommand(m EC2Instance) string {
	return i.ID.cli("terminate-instances", "--instance-ids %s", m.ID)
}

func (i Instance) tagCommand(m EC2Instance) string {
	return i.ID.cli("create-tags", "--resources %s --tags Key=%s,Value=%s Key=%s,Value=%s Key=%s,Value=flowbed",
		m.ID, KeyEnvironment, i.ID.Env, KeyRegion, i.ID.Region, KeyManagedBy)
}

func (i Instance) untagCommand(m EC2Instance) string {
	return i.ID.cli("delete-tags", "--resources %s --tags Key=%s", m.ID, KeyEnvironment)
}

// withoutProfile is an instance with our tags alone. Somebody may have taken its profile
// away, or have copied the tags.
func (i Instance) withoutProfile(m EC2Instance, association string) Doubtful {
	want, _ := i.profile().Expect()
	if m.Profile != "" && m.Profile == want.ARN { // an external one, which others have, too
		return Doubtful{m,
			fmt.Sprintf("%s has the tags of this environment, but flowbed did not launch it, so it is not certainly the agent", m.ID),
			fmt.Sprintf("if it is a copy, terminate it (%s) or remove its tag (%s)", i.terminateCommand(m), i.untagCommand(m))}
	}
	lacks := "not its instance profile " + want.Name
	give := i.ID.cli("associate-iam-instance-profile", "--instance-id %s --iam-instance-profile Name=%s", m.ID, want.Name)
	if m.Profile != "" {
		lacks = fmt.Sprintf("the instance profile %s instead of %s", lastPart(m.Profile), want.Name)
		give = i.ID.cli("replace-iam-instance-profile-association", "--association-id %s --iam-instance-profile Name=%s", association, want.Name)
	}
	return Doubtful{m,
		fmt.Sprintf("%s has the tags of this environment, but %s, so it is not certainly the agent", m.ID, lacks),
		fmt.Sprintf("if it is, give it the profile (%s) or terminate it (%s); if it is not, remove its tag (%s)",
			give, i.terminateCommand(m), i.untagCommand(m))}
}

// withoutTags is an instance with our profile alone. Our own may have lost its tags.
func (i Instance) withoutTags(m EC2Instance) Doubtful {
	want, _ := i.Profile.Expect()
	lacks := "not the tags of this environment"
	if by := m.Tags.Owner().By; by != "" {
		lacks = "the tags of environment " + by
	}
	return Doubtful{m,
		fmt.Sprintf("%s has the instance profile %s of this environment, but %s, so it is not certainly the agent", m.ID, want.Name, lacks),
		fmt.Sprintf("if it is, tag it again (%s) or terminate it (%s); if it is not, give it another instance profile",
			i.tagCommand(m), i.terminateCommand(m))}
}

func (i Instance) partlyTagged(m EC2Instance) Doubtful {
	return Doubtful{m,
		fmt.Sprintf("%s has some tags of this environment, but not %s=flowbed and not its instance profile, so it is not certainly the agent", m.ID, KeyManagedBy),
		fmt.Sprintf("terminate it (%s), or remove its tag (%s)", i.terminateCommand(m), i.untagCommand(m))}
}

// guest is an instance of somebody else in our group.
func (i Instance) guest(m EC2Instance, groups []string) Doubtful {
	at := slices.IndexFunc(m.Groups, func(g string) bool { return slices.Contains(groups, g) })
	return Doubtful{m,
		fmt.Sprintf("%s is in the security group %s of this environment, but is not its agent: it has neither its tags nor its instance profile", m.ID, m.Groups[at]),
		fmt.Sprintf("move it to another security group (%s), or terminate it (%s)",
			i.ID.cli("modify-instance-attribute", "--instance-id %s --groups sg-…", m.ID), i.terminateCommand(m))}
}
