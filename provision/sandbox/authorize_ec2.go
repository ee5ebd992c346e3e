package sandbox

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// ec2Kinds are the types of EC2's resources, by the beginnings of their ids.
var ec2Kinds = map[string]string{
	"i": "instance", "sg": "security-group", "eni": "network-interface", "vol": "volume",
	"vpc": "vpc", "subnet": "subnet", "key": "key-pair", "rtb": "route-table",
}

// object is an access to one of EC2's objects, with its tags.
func (r *request) object(a access, id string) access {
	prefix, _, _ := strings.Cut(id, "-")
	a = a.on(r.arn("ec2", r.region, ec2Kinds[prefix]+"/"+id))
	if t, err := r.ec2().tagged(id); err == nil {
		a = a.tagged(resourceTag, *t)
	}
	return a
}

func (r *request) keyPair(a access, name string) access {
	a = a.on(r.arn("ec2", r.region, "key-pair/"+name))
	if k := r.ec2().Keys[name]; k != nil {
		a = a.tagged(resourceTag, k.Tags)
	}
	return a
}

// ec2Access is about everything for what only describes, and otherwise about the
// objects that the request names.
func (r *request) ec2Access(a access, in any) []access {
	switch in := in.(type) {
	case *ec2.RunInstancesInput:
		return r.runAccess(a, in)
	case *ec2.CreateSecurityGroupInput:
		all := r.creation(a, types.ResourceTypeSecurityGroup, "*", in.TagSpecifications)
		return append(all, r.object(a, aws.ToString(in.VpcId)))
	case *ec2.ImportKeyPairInput:
		return r.creation(a, types.ResourceTypeKeyPair, aws.ToString(in.KeyName), in.TagSpecifications)
	case *ec2.DeleteKeyPairInput:
		return []access{r.keyPair(a, aws.ToString(in.KeyName))}
	case *ec2.CreateTagsInput:
		return r.objects(a.tagged(requestTag, given(in.Tags)), in.Resources)
	case *ec2.DeleteTagsInput:
		return r.objects(a, in.Resources)
	case *ec2.TerminateInstancesInput:
		return r.objects(a, in.InstanceIds)
	case *ec2.StartInstancesInput:
		return r.objects(a, in.InstanceIds)
	case *ec2.ModifyNetworkInterfaceAttributeInput:
		return r.interfaceAccess(a, in)
	case *ec2.AssociateIamInstanceProfileInput:
		return []access{r.object(a, aws.ToString(in.InstanceId)), r.passProfile(in.IamInstanceProfile)}
	case *ec2.ReplaceIamInstanceProfileAssociationInput:
		if i, err := r.associated(in.AssociationId); err == nil {
			return []access{r.object(a, i.ID), r.passProfile(in.IamInstanceProfile)}
		}
	}
	for _, member := range []string{"InstanceId", "GroupId"} {
		if id := text(in, member); id != "" {
			return []access{r.object(a, id)}
		}
	}
	return []access{a}
}

func (r *request) objects(a access, ids []string) []access {
	all := make([]access, len(ids))
	for i, id := range ids {
		all[i] = r.object(a, id)
	}
	return all
}

// creation is the making of an object, and its tagging in the same call.
func (r *request) creation(a access, kind types.ResourceType, name string, specs []types.TagSpecification) []access {
	a = a.on(r.arn("ec2", r.region, string(kind)+"/"+name))
	i := slices.IndexFunc(specs, func(s types.TagSpecification) bool { return s.ResourceType == kind })
	if i < 0 {
		return []access{a}
	}
	_, operation, _ := strings.Cut(a.action, ":")
	a = a.tagged(requestTag, given(specs[i].Tags))
	return []access{a, a.also("ec2:CreateTags").with("ec2:CreateAction", operation)}
}

// given are the tags of a request, which nobody has checked yet.
func given(list []types.Tag) tags {
	t := tags{}
	for _, one := range list {
		t[aws.ToString(one.Key)] = aws.ToString(one.Value)
	}
	return t
}

// interfaceAccess is about the interface, its new groups, and the instance that
// it belongs to.
func (r *request) interfaceAccess(a access, in *ec2.ModifyNetworkInterfaceAttributeInput) []access {
	id := aws.ToString(in.NetworkInterfaceId)
	ids := append([]string{id}, in.Groups...)
	if n := r.ec2().Interfaces[id]; n != nil && n.Instance != "" {
		ids = append(ids, n.Instance)
	}
	return r.objects(a, ids)
}

func (r *request) runAccess(a access, in *ec2.RunInstancesInput) (all []access) {
	for _, kind := range []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface} {
		all = append(all, r.creation(a, kind, "*", in.TagSpecifications)...)
	}
	all = append(all, a.on("arn:"+r.partition()+":ec2:"+r.region+"::image/"+aws.ToString(in.ImageId)))
	for _, n := range in.NetworkInterfaces {
		all = append(all, r.object(a, aws.ToString(n.SubnetId)))
		all = append(all, r.objects(a, n.Groups)...)
	}
	if in.KeyName != nil {
		all = append(all, r.keyPair(a, *in.KeyName))
	}
	if in.IamInstanceProfile != nil {
		all = append(all, r.passProfile(in.IamInstanceProfile))
	}
	return all
}

// passProfile is what it takes to give an instance the role of a profile.
func (r *request) passProfile(spec *types.IamInstanceProfileSpecification) access {
	if spec != nil {
		if p := r.IAM.profile(aws.ToString(spec.Name)); p != nil {
			return r.pass(p.Role)
		}
	}
	return r.pass("*")
}
