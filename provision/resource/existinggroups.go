package resource

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/reach"
)

// ExistingGroups are the security groups that the spec names for the tasks and the agent.
// EC2 and ECS say only when something starts that a group does not exist, or that it is in
// another VPC.
type ExistingGroups struct {
	API     *ec2.Client
	IDs     []string
	Network provision.Ref[NetworkState]
	Needs   []reach.Need  // what the members connect to
	Reach   reach.Network // what the file says of the way there
}

var _ provision.Noter[ExistingGroupsState] = ExistingGroups{}

// ExistingGroupsState tells nothing: the groups exist, in the right VPC.
type ExistingGroupsState struct{}

// Read implements provision.DataSource.
func (g ExistingGroups) Read(ctx context.Context) (s ExistingGroupsState, err error) {
	in := map[string]string{} // VPCs by group
	pages := ec2.NewDescribeSecurityGroupsPaginator(g.API, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{filter("group-id", g.IDs...)}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return s, fmt.Errorf("read security groups: %w", err)
		}
		for _, o := range page.SecurityGroups {
			in[deref(o.GroupId)] = deref(o.VpcId)
		}
	}
	var missing []string
	for _, id := range g.IDs {
		if in[id] == "" {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return s, fmt.Errorf("security group %s %w → correct network.security_groups", strings.Join(missing, ", "), provision.ErrAbsent)
	}
	n, err := g.Network.Await(ctx)
	if err != nil {
		return s, err
	}
	for _, id := range g.IDs {
		if in[id] != n.VPC {
			return s, fmt.Errorf("security group %s is in %s, and the subnets are in %s → correct network.security_groups or network.subnets", id, in[id], n.VPC)
		}
	}
	return s, nil
}

// Notes implements provision.Noter.
func (g ExistingGroups) Notes(ExistingGroupsState) []provision.Note {
	n, _ := g.Network.Get()
	return n.notes(g.Reach, g.Needs)
}

// Permissions are what Read needs.
func (g ExistingGroups) Permissions() Permissions {
	return Permissions{Read: []Permission{on("*", "ec2:DescribeSecurityGroups")}}
}
