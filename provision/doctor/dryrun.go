package doctor

import (
	"context"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/stack"
)

// dryRun makes EC2 evaluate all policies. EC2 always answers with an error;
// DryRunOperation means that the call would be allowed.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html
//
// Emulators may ignore DryRun, so only AWS is asked. If a call is carried out all the same,
// dryRun stops and names what was made. That has no tag of flowbed's, so no later run takes
// it for the environment's.
func (d *Doctor) dryRun(ctx context.Context) []Finding {
	const check = "ec2 dry run"
	if at := d.elsewhere(); at != "" {
		return []Finding{warn(check, "", "not tried: %s is not AWS, and may carry out what is only to be tried", at)}
	}
	n, err := d.network()
	if err != nil {
		return []Finding{warn(check, "", "cannot tell: the network is unknown")}
	}
	var may, tagged, unclear []string
	for _, try := range d.tries(ctx, n.VPC, n.IDs()) {
		made, err := try.call()
		refused, denied := awserr.RefusalOf(err)
		switch {
		case err == nil:
			return []Finding{fail(check, "remove it: "+made.remove, "EC2 has carried out the dry run of %s, and made %s, which belongs to no environment", try.name, made.object)}
		case awserr.Code(err) == "DryRunOperation":
			may = append(may, try.name)
		case denied:
			refusal, verdict := d.judge(ctx, refused)
			switch verdict {
			case Fail:
				return []Finding{fail(check, "", "%s is denied: %s", try.name, refusal)}
			case OK:
				tagged = append(tagged, try.name)
			default:
				unclear = append(unclear, try.name)
			}
		default:
			unclear = append(unclear, try.name)
		}
	}
	return []Finding{allowed(check, may, tagged, unclear)}
}

// allowed is the finding if no call is certainly denied.
func allowed(check string, may, tagged, unclear []string) Finding {
	var said []string
	if len(may) > 0 {
		said = append(said, strings.Join(may, ", ")+" would be allowed")
	}
	if len(tagged) > 0 {
		said = append(said, strings.Join(tagged, ", ")+" would be allowed with the environment's tags")
	}
	if len(unclear) > 0 {
		return warn(check, "", "%s", strings.Join(append([]string{"cannot tell for " + strings.Join(unclear, ", ")}, said...), "; "))
	}
	return ok(check, "%s", strings.Join(said, "; "))
}

// judge tells what a refusal of a dry run says about up. Unlike up, a dry run sets no tags
// of flowbed's, and the policy from `flowbed policy` allows the calls only with them. So if
// no policy denies the call, and one only fails to allow it, the simulation decides, which
// has the tags.
func (d *Doctor) judge(ctx context.Context, r awserr.Refusal) (awserr.Refusal, Status) {
	known := r.Kind != ""
	if r.Encoded != "" {
		decoded, err := decode(ctx, d.sts, r)
		known = known || err == nil
		r = decoded
	}
	if r.Explicit || strings.HasSuffix(r.Kind, "control policy") {
		return r, Fail
	}
	simulated := Worst(d.simulated())
	if simulated == OK && !known {
		return r, Warn
	}
	return r, simulated
}

// ec2Host matches EC2's endpoints: https://docs.aws.amazon.com/general/latest/gr/ec2-service.html,
// and those in a VPC: https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
// Other names below amazonaws.com can be anybody's, such as those of instances and load balancers.
var ec2Host = regexp.MustCompile(`^(ec2|ec2(-fips)?\.[a-z0-9-]+|vpce-[a-z0-9-]+\.ec2\.[a-z0-9-]+\.vpce)\.(amazonaws\.com(\.cn)?|api\.aws)$`)

// elsewhere is EC2's endpoint, if it is not AWS's.
func (d *Doctor) elsewhere() string {
	all := stack.EndpointsOf(d.Config)
	at, own := all.Services["ec2"]
	if !own {
		at = all.General
	}
	if u, err := url.Parse(at); at == "" || err == nil && u.Scheme == "https" && u.Port() == "" && ec2Host.MatchString(strings.ToLower(u.Host)) {
		return ""
	}
	return at
}

type try struct {
	name string
	call func() (made, error)
}

// made is what a call has made, although it was a dry run.
type made struct {
	object string
	remove string // the command that removes it
}

// made is an object in the environment's region.
func (d *Doctor) made(kind, id, command string) made {
	return made{kind + " " + id, "aws ec2 " + command + " " + id + " --region " + d.ID.Region}
}

// tries are dry runs of calls that up makes. RunInstances can only be tried if the
// agent's security group exists: otherwise EC2 would check the VPC's default group.
func (d *Doctor) tries(ctx context.Context, vpc string, subnets []string) []try {
	list := []try{{"CreateSecurityGroup", func() (made, error) {
		out, err := d.clients.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			DryRun: aws.Bool(true), GroupName: aws.String(d.ID.Names().TaskGroup()), Description: aws.String("flowbed doctor: dry run"), VpcId: &vpc,
			TagSpecifications: d.tags(types.ResourceTypeSecurityGroup),
		})
		if err != nil {
			return made{}, err
		}
		return d.made("the security group", aws.ToString(out.GroupId), "delete-security-group --group-id"), nil
	}}}
	a := d.Env.Agent
	if a == nil || a.Service != nil {
		return list
	}
	name := d.ID.Names().Agent()
	if a.SSH != nil && a.SSH.PublicKey != "" {
		list = append(list, try{"ImportKeyPair", func() (made, error) {
			out, err := d.clients.EC2.ImportKeyPair(ctx, &ec2.ImportKeyPairInput{
				DryRun: aws.Bool(true), KeyName: &name, PublicKeyMaterial: []byte(a.SSH.PublicKey), TagSpecifications: d.tags(types.ResourceTypeKeyPair),
			})
			if err != nil {
				return made{}, err
			}
			return d.made("the key pair", aws.ToString(out.KeyPairId), "delete-key-pair --key-pair-id"), nil
		}})
	}
	group, image := d.agentGroup(ctx, name), ""
	if i, err := d.image(); err == nil {
		image = i.ID
	}
	if group == "" || image == "" || len(subnets) == 0 {
		return list
	}
	return append(list, try{"RunInstances", func() (made, error) {
		out, err := d.clients.EC2.RunInstances(ctx, &ec2.RunInstancesInput{
			DryRun: aws.Bool(true), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: &image, InstanceType: types.InstanceType(a.InstanceType),
			NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), SubnetId: &subnets[0], Groups: []string{group}}},
			TagSpecifications: d.tags(types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface),
		})
		if err != nil {
			return made{}, err
		}
		var ids []string
		for _, i := range out.Instances {
			ids = append(ids, aws.ToString(i.InstanceId))
		}
		return d.made("the instance", strings.Join(ids, " "), "terminate-instances --instance-ids"), nil
	}})
}

// tags are those that the file sets, which policies of the organization may require.
func (d *Doctor) tags(kinds ...types.ResourceType) (list []types.TagSpecification) {
	if len(d.Env.Tags) == 0 {
		return nil
	}
	for _, k := range kinds {
		s := types.TagSpecification{ResourceType: k}
		for _, key := range slices.Sorted(maps.Keys(d.Env.Tags)) {
			s.Tags = append(s.Tags, types.Tag{Key: aws.String(key), Value: aws.String(d.Env.Tags[key])})
		}
		list = append(list, s)
	}
	return list
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
	r, _ = decode(ctx, api, r)
	return r
}

func decode(ctx context.Context, api *sts.Client, r awserr.Refusal) (awserr.Refusal, error) {
	out, err := api.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &r.Encoded})
	if err != nil {
		return r, err
	}
	decoded, err := r.Decoded(aws.ToString(out.DecodedMessage))
	if err != nil {
		return r, err
	}
	return decoded, nil
}
