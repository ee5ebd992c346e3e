package resource

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
)

var (
	_ provision.DeletePatient                     = SecurityGroup{}
	_ provision.DeletedAfterDependents            = SecurityGroup{}
	_ provision.BlockerFinder[SecurityGroupState] = SecurityGroup{}
)

// DeletePatience implements provision.DeletePatient. EC2 does not delete a group that a network
// interface uses, and deletes the interface of an instance or a task minutes after it has ended.
func (SecurityGroup) DeletePatience() time.Duration { return leaves }

// DeletedAfterDependents implements provision.DeletedAfterDependents: before its instances have
// terminated, EC2 would reject the deletion.
func (SecurityGroup) DeletedAfterDependents() {}

// ruleStays is how long down waits for a rule of another group: it does not go by itself.
const ruleStays = 2 * time.Minute

const again = ", then run the same command again"

// Blockers implements provision.BlockerFinder: the network interfaces that use the group, and
// other groups whose rules name it.
func (g SecurityGroup) Blockers(ctx context.Context, have SecurityGroupState) (list []provision.Blocker) {
	u, err := g.use(ctx, have.ID)
	if err != nil {
		return nil // EC2's own error must do
	}
	for _, n := range u.interfaces {
		list = append(list, g.ofInterface(n))
	}
	rule := func(direction string, o types.SecurityGroup) provision.Blocker {
		b := provision.Blocker{
			What:   fmt.Sprintf("an %s rule of %s (%s)", direction, deref(o.GroupId), deref(o.GroupName)),
			Remedy: "remove the rule" + again, Patience: ruleStays,
		}
		if ec2Tags(o.Tags).Owner().By == g.ID.Owner() { // the group goes with its rules, perhaps after its interfaces
			b.Patience = 0
		}
		return b
	}
	for _, o := range u.in {
		list = append(list, rule("ingress", o))
	}
	for _, o := range u.out {
		list = append(list, rule("egress", o))
	}
	return list
}

// ofInterface is a network interface that uses the group. ECS writes the ARN of the attachment
// into the description of a task's interface, and nobody else can delete it.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking-awsvpc.html
func (g SecurityGroup) ofInterface(n types.NetworkInterface) provision.Blocker {
	id, about := deref(n.NetworkInterfaceId), deref(n.Description)
	what, remedy := "network interface "+id, "remove what uses it"+again
	task := g.Tasks.taskOf(id)
	switch {
	case task != "" || ofTask(n):
		if what += " of a task of ECS"; task != "" {
			what = "network interface " + id + " of task " + task
		}
		remedy = "AWS itself deletes the network interface of a stopped task: run the same command again later; " +
			"if " + id + " still exists after an hour, ask AWS Support"
	case instanceOf(n) != "":
		instance := instanceOf(n)
		what += " of instance " + instance
		remedy = "wait until " + instance + " has terminated, or give it another security group" + again
	case n.Status == types.NetworkInterfaceStatusAvailable:
		remedy = fmt.Sprintf("delete it (aws ec2 delete-network-interface --network-interface-id %s)%s", id, again)
	}
	if about != "" && task == "" {
		what += fmt.Sprintf(" (%s, %s)", about, n.Status)
	} else {
		what += fmt.Sprintf(" (%s)", n.Status)
	}
	return provision.Blocker{What: what, Remedy: remedy}
}
