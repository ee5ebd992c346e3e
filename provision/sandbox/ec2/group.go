package ec2

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, createSecurityGroup, createGroupAccess)
	core.Register(service, describeSecurityGroups, core.Anything)
	core.Register(service, deleteSecurityGroup, groupAccess)
}

func noGroup(id string) error {
	return core.Fail("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
}

// groupChars matches a group's name and description, and a rule's description:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
var groupChars = regexp.MustCompile(`^[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]+$`)

func createSecurityGroup(r *request, in *ec2.CreateSecurityGroupInput) (*ec2.CreateSecurityGroupOutput, error) {
	d, name, about := r.db(), aws.ToString(in.GroupName), aws.ToString(in.Description)
	v, err := d.vpcOrDefault(in.VpcId)
	if err != nil {
		return nil, err
	}
	for field, text := range map[string]string{"groupName": name, "groupDescription": about} {
		if len(text) > 255 || !groupChars.MatchString(text) {
			return nil, core.Fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Character sets beyond ASCII are not supported.", text, field)
		}
	}
	if strings.HasPrefix(strings.ToLower(name), "sg-") {
		return nil, core.Fail("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name)
	}
	for _, g := range d.Groups {
		if g.VPC == v.ID && strings.EqualFold(g.Name, name) {
			return nil, core.Fail("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, v.ID)
		}
	}
	t, err := specified(in.TagSpecifications, types.ResourceTypeSecurityGroup)
	if err != nil {
		return nil, err
	}
	g := &securityGroup{
		ID: r.ID("sg"), Name: name, Description: about, VPC: v.ID, Egress: []rule{allowAll}, Tags: t,
	}
	d.Groups[g.ID] = g
	return &ec2.CreateSecurityGroupOutput{GroupId: &g.ID, Tags: tagList(t)}, nil
}

func (d *database) vpcOrDefault(id *string) (*vpc, error) {
	if id != nil {
		if v := d.VPCs[*id]; v != nil {
			return v, nil
		}
		return nil, noVPC(*id)
	}
	for _, v := range d.VPCs {
		if v.Default {
			return v, nil
		}
	}
	return nil, core.Fail("VPCIdNotSpecified", "No default VPC for this user")
}

func describeSecurityGroups(r *request, in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
	list, err := chosen(r.db().Groups, in.GroupIds, noGroup)
	if err != nil {
		return nil, err
	}
	var out []types.SecurityGroup
	for _, g := range list {
		ok, err := matches(in.Filters, g.Tags, map[string][]string{
			"group-id":                      {g.ID},
			"group-name":                    {g.Name},
			"vpc-id":                        {g.VPC},
			"ip-permission.group-id":        referenced(g.Ingress),
			"egress.ip-permission.group-id": referenced(g.Egress),
		})
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, types.SecurityGroup{
				GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VPC, OwnerId: &r.AccountID,
				IpPermissions: permissions(r.AccountID, g.Ingress), IpPermissionsEgress: permissions(r.AccountID, g.Egress),
				Tags: tagList(g.Tags),
			})
		}
	}
	list2, next, err := core.Page(out, in.NextToken, in.MaxResults, 1000)
	return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: list2, NextToken: next}, err
}

func referenced(rules []rule) []string {
	ids := []string{}
	for _, u := range rules {
		if u.Group != "" {
			ids = append(ids, u.Group)
		}
	}
	return ids
}

// deleteSecurityGroup fails while an interface is in the group, or a rule of
// another group refers to it.
func deleteSecurityGroup(r *request, in *ec2.DeleteSecurityGroupInput) (*ec2.DeleteSecurityGroupOutput, error) {
	d, id := r.db(), aws.ToString(in.GroupId)
	g := d.Groups[id]
	if g == nil {
		return nil, noGroup(id)
	}
	if g.Name == "default" {
		return nil, core.Fail("CannotDelete", "the specified group: %q name: \"default\" cannot be deleted by a user", id)
	}
	inUse := core.Fail("DependencyViolation", "resource %s has a dependent object", id)
	if r.endpointIn(func(e *endpoint) bool { return slices.Contains(e.Groups, id) }) {
		return nil, inUse
	}
	for _, n := range d.Interfaces {
		for _, member := range n.Groups {
			if member == id && r.exists(n) {
				return nil, inUse
			}
		}
	}
	for _, o := range d.Groups {
		if o == g {
			continue
		}
		for _, ref := range append(referenced(o.Ingress), referenced(o.Egress)...) {
			if ref == id {
				return nil, inUse
			}
		}
	}
	delete(d.Groups, id)
	return &ec2.DeleteSecurityGroupOutput{GroupId: &id, Return: aws.Bool(true)}, nil
}
