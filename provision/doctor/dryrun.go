package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
)

// dryRun makes EC2 evaluate all policies. EC2 always answers with an error;
// DryRunOperation means that the call would be allowed.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html
func (d *Doctor) dryRun(ctx context.Context) []Finding {
	const check = "ec2 dry run"
	n, err := d.network()
	if err != nil {
		return []Finding{warn(check, "", "cannot tell: the network is unknown")}
	}
	var may, unclear []string
	for _, try := range d.tries(ctx, n.VPC, n.IDs()) {
		err := try.call()
		refused, denied := awserr.RefusalOf(err)
		switch {
		case awserr.Code(err) == "DryRunOperation":
			may = append(may, try.name)
		case denied:
			if refused.Encoded != "" {
				refused = Decode(ctx, d.sts, refused)
			}
			return []Finding{fail(check, "", "%s is denied: %s", try.name, refused)}
		default:
			unclear = append(unclear, try.name)
		}
	}
	if len(unclear) > 0 {
		return []Finding{warn(check, "", "cannot tell for %s", strings.Join(unclear, ", "))}
	}
	return []Finding{ok(check, "%s would be allowed", strings.Join(may, ", "))}
}

type try struct {
	name string
	call func() error
}

// tries are dry runs of calls that up makes. RunInstances can only be tried if the
// agent's security group exists: otherwise EC2 would check the VPC's default group.
func (d *Doctor) tries(ctx context.Context, vpc string, subnets []string) []try {
	api, name := d.clients.EC2, d.ID.Names().Agent()
	tags := func(kinds ...types.ResourceType) (list []types.TagSpecification) {
		for _, k := range kinds {
			s := types.TagSpecification{ResourceType: k}
			all := d.ID.Tags(name)
			for key := range all {
				s.Tags = append(s.Tags, types.Tag{Key: aws.String(key), Value: aws.String(all[key])})
			}
			list = append(list, s)
		}
		return list
	}
	list := []try{{"CreateSecurityGroup", func() error {
		_, err := api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			DryRun: aws.Bool(true), GroupName: aws.String(d.ID.Names().TaskGroup()), Description: &name, VpcId: &vpc,
			TagSpecifications: tags(types.ResourceTypeSecurityGroup),
		})
		return err
	}}}
	a := d.Env.Agent
	if a == nil {
		return list
	}
	if a.SSH != nil && a.SSH.PublicKey != "" {
		list = append(list, try{"ImportKeyPair", func() error {
			_, err := api.ImportKeyPair(ctx, &ec2.ImportKeyPairInput{
				DryRun: aws.Bool(true), KeyName: &name, PublicKeyMaterial: []byte(a.SSH.PublicKey), TagSpecifications: tags(types.ResourceTypeKeyPair),
			})
			return err
		}})
	}
	group, image := d.agentGroup(ctx, name), ""
	if i, err := d.image(); err == nil {
		image = i.ID
	}
	if group == "" || image == "" || len(subnets) == 0 {
		return list
	}
	return append(list, try{"RunInstances", func() error {
		_, err := api.RunInstances(ctx, &ec2.RunInstancesInput{
			DryRun: aws.Bool(true), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: &image, InstanceType: types.InstanceType(a.InstanceType),
			NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), SubnetId: &subnets[0], Groups: []string{group}}},
			TagSpecifications: tags(types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface),
		})
		return err
	}})
}

// agentGroup is the id of the agent's security group; empty if this environment has
// none.
func (d *Doctor) agentGroup(ctx context.Context, name string) string {
	out, err := d.clients.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{filter("group-name", name)}})
	if err != nil {
		return ""
	}
	owned := func(t types.Tag) bool {
		return aws.ToString(t.Key) == resource.KeyEnvironment && aws.ToString(t.Value) == d.ID.Env
	}
	for _, g := range out.SecurityGroups {
		if slices.ContainsFunc(g.Tags, owned) {
			return aws.ToString(g.GroupId)
		}
	}
	return ""
}

// Decode adds the details that EC2 encoded in a refusal, if the caller may decode them.
func Decode(ctx context.Context, api *sts.Client, r awserr.Refusal) awserr.Refusal {
	out, err := api.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &r.Encoded})
	if err != nil {
		return r
	}
	if decoded, err := r.Decoded(aws.ToString(out.DecodedMessage)); err == nil {
		return decoded
	}
	return r
}
