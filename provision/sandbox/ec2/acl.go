package ec2

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, describeNetworkAcls, core.Anything)
	core.Register(service, createNetworkACL, createACLAccess)
	core.Register(service, deleteNetworkACL, deleteACLAccess)
	core.Register(service, replaceNetworkACLAssociation, replaceACLAccess)
}

// networkACL is a network ACL that somebody has created. The sandbox knows no rules of it. The default
// one of each VPC is not stored: it has all subnets that no other one has.
type networkACL struct {
	ID      string            `json:"id"`
	VPC     string            `json:"vpc"`
	Subnets map[string]string `json:"subnets"` // by the id of their association
	Tags    core.Tags         `json:"tags"`
}

func noACL(id string) error {
	return core.Fail("InvalidNetworkAclID.NotFound", "The networkAcl ID '%s' does not exist", id)
}

// defaultACL is that of a VPC.
func (d *database) defaultACL(v *vpc) *networkACL {
	a := &networkACL{ID: fixedID("acl", v.ID), VPC: v.ID, Subnets: map[string]string{}}
	for _, s := range d.Subnets {
		if of, _ := d.aclOf(s.ID); of == nil && s.VPC == v.ID {
			a.Subnets["aclassoc-"+strings.TrimPrefix(s.ID, "subnet-")] = s.ID
		}
	}
	return a
}

// aclOf returns the network ACL with which a subnet is associated, unless that is the default one.
func (d *database) aclOf(subnet string) (a *networkACL, association string) {
	for _, a := range d.ACLs {
		for id, s := range a.Subnets {
			if s == subnet {
				return a, id
			}
		}
	}
	return nil, ""
}

// allACLs are all network ACLs, with the default ones.
func (d *database) allACLs() map[string]*networkACL {
	all := map[string]*networkACL{}
	for _, v := range d.VPCs {
		a := d.defaultACL(v)
		all[a.ID] = a
	}
	maps.Copy(all, d.ACLs)
	return all
}

func describeNetworkAcls(r *request, in *ec2.DescribeNetworkAclsInput) (*ec2.DescribeNetworkAclsOutput, error) {
	d := r.db()
	list, err := chosen(d.allACLs(), in.NetworkAclIds, noACL)
	if err != nil {
		return nil, err
	}
	var all []types.NetworkAcl
	for _, a := range list {
		ok, err := matches(in.Filters, a.Tags, map[string][]string{
			"network-acl-id": {a.ID}, "vpc-id": {a.VPC}, "default": {truth(d.ACLs[a.ID] == nil)}})
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, r.shownACL(a))
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 1000)
	return &ec2.DescribeNetworkAclsOutput{NetworkAcls: some, NextToken: next}, err
}

func (r *request) shownACL(a *networkACL) types.NetworkAcl {
	o := types.NetworkAcl{NetworkAclId: &a.ID, VpcId: &a.VPC, OwnerId: &r.AccountID, IsDefault: aws.Bool(r.db().ACLs[a.ID] == nil), Tags: tagList(a.Tags)}
	for _, id := range slices.Sorted(maps.Keys(a.Subnets)) {
		o.Associations = append(o.Associations, types.NetworkAclAssociation{
			NetworkAclAssociationId: &id, NetworkAclId: &a.ID, SubnetId: aws.String(a.Subnets[id])})
	}
	return o
}

func createNetworkACL(r *request, in *ec2.CreateNetworkAclInput) (*ec2.CreateNetworkAclOutput, error) {
	d, id := r.db(), aws.ToString(in.VpcId)
	if d.VPCs[id] == nil {
		return nil, noVPC(id)
	}
	t, err := specified(in.TagSpecifications, types.ResourceTypeNetworkAcl)
	if err != nil {
		return nil, err
	}
	if d.ACLs == nil {
		d.ACLs = map[string]*networkACL{}
	}
	a := &networkACL{ID: r.ID("acl"), VPC: id, Subnets: map[string]string{}, Tags: t}
	d.ACLs[a.ID] = a
	return &ec2.CreateNetworkAclOutput{NetworkAcl: new(r.shownACL(a))}, nil
}

// deleteNetworkACL fails for a default one, and while subnets are associated.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkAcl.html
func deleteNetworkACL(r *request, in *ec2.DeleteNetworkAclInput) (*ec2.DeleteNetworkAclOutput, error) {
	d, id := r.db(), aws.ToString(in.NetworkAclId)
	switch a := d.ACLs[id]; {
	case a == nil && d.allACLs()[id] != nil:
		return nil, core.Fail("InvalidParameterValue", "cannot delete default network ACL %s", id)
	case a == nil:
		return nil, noACL(id)
	case len(a.Subnets) > 0:
		return nil, core.Fail("DependencyViolation", "The networkAcl '%s' has dependencies and cannot be deleted.", id)
	}
	delete(d.ACLs, id)
	return &ec2.DeleteNetworkAclOutput{}, nil
}

// replaceNetworkACLAssociation gives a subnet another network ACL: it always has one.
func replaceNetworkACLAssociation(r *request, in *ec2.ReplaceNetworkAclAssociationInput) (*ec2.ReplaceNetworkAclAssociationOutput, error) {
	d, association, to := r.db(), aws.ToString(in.AssociationId), aws.ToString(in.NetworkAclId)
	all := d.allACLs()
	from := associatedACL(all, association)
	switch {
	case from == nil:
		return nil, noAssociation(association)
	case all[to] == nil:
		return nil, noACL(to)
	case all[to].VPC != from.VPC:
		return nil, core.Fail("InvalidParameterValue", "Network ACLs %s and %s belong to different networks", from.ID, to)
	}
	subnet := from.Subnets[association]
	delete(from.Subnets, association)
	id := "aclassoc-" + strings.TrimPrefix(subnet, "subnet-")
	if d.ACLs[to] != nil {
		id = r.ID("aclassoc")
		d.ACLs[to].Subnets[id] = subnet
	}
	return &ec2.ReplaceNetworkAclAssociationOutput{NewAssociationId: &id}, nil
}

func associatedACL(all map[string]*networkACL, association string) *networkACL {
	for _, a := range all {
		if a.Subnets[association] != "" {
			return a
		}
	}
	return nil
}

func createACLAccess(r *request, a core.Access, in *ec2.CreateNetworkAclInput) []core.Access {
	return append(r.creation(a, types.ResourceTypeNetworkAcl, "*", in.TagSpecifications), r.object(a, aws.ToString(in.VpcId)))
}

func deleteACLAccess(r *request, a core.Access, in *ec2.DeleteNetworkAclInput) []core.Access {
	return r.objects(a, aws.ToString(in.NetworkAclId))
}

func replaceACLAccess(r *request, a core.Access, in *ec2.ReplaceNetworkAclAssociationInput) []core.Access {
	all := r.objects(a, aws.ToString(in.NetworkAclId))
	if of := associatedACL(r.db().allACLs(), aws.ToString(in.AssociationId)); of != nil {
		all = append(all, r.object(a, of.Subnets[*in.AssociationId]))
	}
	return all
}
