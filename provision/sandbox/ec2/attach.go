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
	n, err := r.ofTask(id, subnet, groups, description)
	if err != nil {
		return Attachment{}, err
	}
	s := r.db().Subnets[subnet]
	s.Used++
	n.PrivateIP = hostAddress(s.CIDR, 9+s.Used)
	r.db().Interfaces[n.ID] = n
	return Attachment{n.ID, n.Subnet, n.PrivateIP}, nil
}

// CanAttach returns the error of Attach.
func CanAttach(call *core.Request, subnet string, groups []string) error {
	_, err := (&request{call}).ofTask("", subnet, groups, "")
	return err
}

// ofTask is the network interface of a task, without an address.
func (r *request) ofTask(id, subnet string, groups []string, description string) (*nic, error) {
	s := r.db().Subnets[subnet]
	if s == nil {
		return nil, core.Fail("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", subnet)
	}
	n := &nic{ID: id, Task: true, Description: description, Subnet: s.ID, VPC: s.VPC, Zone: s.Zone, Tags: core.Tags{}}
	if len(groups) == 0 {
		groups = []string{r.db().defaultGroup(s.VPC)}
	}
	return n, r.join(n, groups)
}

// Detach lets the network interface of a task disappear at a time.
func Detach(call *core.Request, id string, at time.Time) {
	if n := (&request{call}).db().Interfaces[id]; n != nil && n.Ends.IsZero() {
		n.Ends = at
	}
}

// gone reports whether the network interface of a task has disappeared.
func (n *nic) gone(now time.Time) bool { return !n.Ends.IsZero() && !now.Before(n.Ends) }
