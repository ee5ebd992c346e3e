package ec2

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

// The authorization of EC2's calls. Describe calls are checked against "*", other
// calls against the objects that the request names.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html

// kinds maps the prefix of an id to the type of the resource.
var kinds = map[string]string{
	"i": "instance", "sg": "security-group", "eni": "network-interface", "vol": "volume",
	"vpc": "vpc", "subnet": "subnet", "key": "key-pair", "rtb": "route-table", "igw": "internet-gateway",
	"eipalloc": "elastic-ip", "nat": "natgateway", "vpce": "vpc-endpoint",
	"acl": "network-acl", "eigw": "egress-only-internet-gateway", "vgw": "vpn-gateway",
}

// ToInstance returns the access of another service's call to an instance, with its tags.
func ToInstance(call *core.Request, a core.Access, id string) core.Access {
	return (&request{call}).object(a, id)
}

// object returns the access to one EC2 object, with its tags.
func (r *request) object(a core.Access, id string) core.Access {
	prefix, _, _ := strings.Cut(id, "-")
	a = a.WithResource(r.ARN("ec2", r.Region, kinds[prefix]+"/"+id))
	if t, err := r.db().tagsOf(id); err == nil {
		a = a.WithTags(core.ResourceTag, *t)
	}
	return a
}

func (r *request) objects(a core.Access, ids ...string) []core.Access {
	all := make([]core.Access, len(ids))
	for i, id := range ids {
		all[i] = r.object(a, id)
	}
	return all
}

func instanceAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return r.objects(a, core.Text(in, "InstanceId"))
}

func groupAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return r.objects(a, core.Text(in, "GroupId"))
}

func terminateAccess(r *request, a core.Access, in *ec2.TerminateInstancesInput) []core.Access {
	return r.objects(a, in.InstanceIds...)
}

func startAccess(r *request, a core.Access, in *ec2.StartInstancesInput) []core.Access {
	return r.objects(a, in.InstanceIds...)
}

func stopAccess(r *request, a core.Access, in *ec2.StopInstancesInput) []core.Access {
	return r.objects(a, in.InstanceIds...)
}

func createTagsAccess(r *request, a core.Access, in *ec2.CreateTagsInput) []core.Access {
	return r.objects(a.WithTags(core.RequestTag, given(in.Tags)), in.Resources...)
}

func deleteTagsAccess(r *request, a core.Access, in *ec2.DeleteTagsInput) []core.Access {
	return r.objects(a, in.Resources...)
}

func createGroupAccess(r *request, a core.Access, in *ec2.CreateSecurityGroupInput) []core.Access {
	all := r.creation(a, types.ResourceTypeSecurityGroup, "*", in.TagSpecifications)
	return append(all, r.object(a, aws.ToString(in.VpcId)))
}

func importKeyAccess(r *request, a core.Access, in *ec2.ImportKeyPairInput) []core.Access {
	return r.creation(a, types.ResourceTypeKeyPair, aws.ToString(in.KeyName), in.TagSpecifications)
}

func deleteKeyAccess(r *request, a core.Access, in *ec2.DeleteKeyPairInput) []core.Access {
	return []core.Access{r.keyPair(a, aws.ToString(in.KeyName))}
}

func (r *request) keyPair(a core.Access, name string) core.Access {
	a = a.WithResource(r.ARN("ec2", r.Region, "key-pair/"+name))
	if k := r.db().Keys[name]; k != nil {
		a = a.WithTags(core.ResourceTag, k.Tags)
	}
	return a
}

// creation returns the access to create an object, and to tag it in the same call.
func (r *request) creation(a core.Access, kind types.ResourceType, name string, specs []types.TagSpecification) []core.Access {
	a = a.WithResource(r.ARN("ec2", r.Region, string(kind)+"/"+name))
	i := slices.IndexFunc(specs, func(s types.TagSpecification) bool { return s.ResourceType == kind })
	if i < 0 {
		return []core.Access{a}
	}
	_, operation, _ := strings.Cut(a.Action, ":")
	a = a.WithTags(core.RequestTag, given(specs[i].Tags))
	return []core.Access{a, a.WithAction("ec2:CreateTags").WithContext("ec2:CreateAction", operation)}
}

// given returns the tags of a request, unchecked.
func given(list []types.Tag) core.Tags {
	t := core.Tags{}
	for _, one := range list {
		t[aws.ToString(one.Key)] = aws.ToString(one.Value)
	}
	return t
}

// interfaceAccess covers the interface, its new groups, and its instance.
func interfaceAccess(r *request, a core.Access, in *ec2.ModifyNetworkInterfaceAttributeInput) []core.Access {
	id := aws.ToString(in.NetworkInterfaceId)
	ids := append([]string{id}, in.Groups...)
	if n := r.db().Interfaces[id]; n != nil && n.Instance != "" {
		ids = append(ids, n.Instance)
	}
	return r.objects(a, ids...)
}

func createInterfaceAccess(r *request, a core.Access, in *ec2.CreateNetworkInterfaceInput) []core.Access {
	all := append(r.creation(a, types.ResourceTypeNetworkInterface, "*", in.TagSpecifications), r.object(a, aws.ToString(in.SubnetId)))
	return append(all, r.objects(a, in.Groups...)...)
}

func deleteInterfaceAccess(r *request, a core.Access, in *ec2.DeleteNetworkInterfaceInput) []core.Access {
	return r.objects(a, aws.ToString(in.NetworkInterfaceId))
}

func runAccess(r *request, a core.Access, in *ec2.RunInstancesInput) (all []core.Access) {
	for _, kind := range []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface} {
		all = append(all, r.creation(a, kind, "*", in.TagSpecifications)...)
	}
	all = append(all, a.WithResource("arn:"+r.Partition()+":ec2:"+r.Region+"::image/"+aws.ToString(in.ImageId)))
	for _, n := range in.NetworkInterfaces {
		all = append(all, r.object(a, aws.ToString(n.SubnetId)))
		all = append(all, r.objects(a, n.Groups...)...)
	}
	if in.KeyName != nil {
		all = append(all, r.keyPair(a, *in.KeyName))
	}
	if in.IamInstanceProfile != nil {
		all = append(all, r.passProfile(in.IamInstanceProfile))
	}
	return all
}

func associateAccess(r *request, a core.Access, in *ec2.AssociateIamInstanceProfileInput) []core.Access {
	return []core.Access{r.object(a, aws.ToString(in.InstanceId)), r.passProfile(in.IamInstanceProfile)}
}

// replaceAccess covers the instance. AWS cannot name an instance that has no
// association.
func replaceAccess(r *request, a core.Access, in *ec2.ReplaceIamInstanceProfileAssociationInput) []core.Access {
	if i, err := r.associated(in.AssociationId); err == nil {
		return []core.Access{r.object(a, i.ID), r.passProfile(in.IamInstanceProfile)}
	}
	return []core.Access{a}
}

func disassociateAccess(r *request, a core.Access, in *ec2.DisassociateIamInstanceProfileInput) []core.Access {
	if i, err := r.associated(in.AssociationId); err == nil {
		return r.objects(a, i.ID)
	}
	return []core.Access{a}
}

// passProfile returns the access to pass a profile's role to an instance.
func (r *request) passProfile(spec *types.IamInstanceProfileSpecification) core.Access {
	if spec != nil {
		if p := iam.ProfileNamed(r.Request, aws.ToString(spec.Name)); p != nil {
			return iam.Pass(r.Request, p.Role)
		}
	}
	return iam.Pass(r.Request, "*")
}
