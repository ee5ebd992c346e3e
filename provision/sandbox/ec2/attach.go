package ec2

import (
	"time"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// Attachment is the network interface of a task.
type Attachment struct{ ID, Subnet, PrivateIP string }

// Attach creates the network interface of a task in a subnet. ECS owns it: it has no tags, and
// its description names the attachment.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking-awsvpc.html
func Attach(call *core.Request, id, subnet string, groups []string, description string) (Attachment, error) {
	r := &request{call}
	d := r.db()
	s := d.Subnets[subnet]
	if s == nil {
		return Attachment{}, core.Fail("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", subnet)
	}
	n := &nic{ID: id, Task: true, Description: description, Subnet: s.ID, VPC: s.VPC, Zone: s.Zone, Tags: core.Tags{}}
	if len(groups) == 0 {
		groups = []string{d.defaultGroup(s.VPC)}
	}
	if err := r.join(n, groups); err != nil {
		return Attachment{}, err
	}
	s.Used++
	n.PrivateIP = hostAddress(s.CIDR, 9+s.Used)
	d.Interfaces[n.ID] = n
	return Attachment{n.ID, n.Subnet, n.PrivateIP}, nil
}

// Detach lets the network interface of a task disappear at a time.
func Detach(call *core.Request, id string, at time.Time) {
	if n := (&request{call}).db().Interfaces[id]; n != nil && n.Ends.IsZero() {
		n.Ends = at
	}
}

// gone reports whether the network interface of a task has disappeared.
func (n *nic) gone(now time.Time) bool { return !n.Ends.IsZero() && !now.Before(n.Ends) }
