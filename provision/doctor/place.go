package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/freetier"
	"github.com/flowbed/flowbed/provision/resource"
)

func (d *Doctor) vpc(ctx context.Context) []Finding {
	const check = "network"
	n, err := d.network()
	var unclear []Finding
	if known := err == nil; known || errors.Is(err, errNoVPC) {
		refused, failed := d.refused(ctx, n, known)
		if len(refused) > 0 {
			return refused
		}
		if failed != nil {
			unclear = []Finding{unseen(check, failed)}
		}
	}
	switch {
	case errors.Is(err, errNoVPC):
		return append(unclear, d.zones(ctx)...)
	case err == nil:
		return append(unclear, ok(check, "%s with subnets in %s", n.VPC, strings.Join(zones(n), ", ")))
	case awserr.Code(err) != "" || awserr.Classify(err) != awserr.Unknown:
		return []Finding{unseen(check, err)}
	}
	return []Finding{fail(check, "", "%s", said(err))} // the error tells what to do
}

// refused tells why up would stop: it moves no environment to another VPC. The error is of a call
// without which that is not certain.
func (d *Doctor) refused(ctx context.Context, n resource.NetworkState, known bool) (found []Finding, err error) {
	const check = "network"
	notes := n.Refused()
	if len(d.Env.Network.SecurityGroups) == 0 {
		g := resource.SecurityGroup{API: d.clients.EC2, ID: d.ID, Name: d.ID.Names().TaskGroup(), NewVPC: d.Env.Network.New()}
		if known {
			g.Network = provision.Known(n)
		}
		var have resource.SecurityGroupState
		if have, err = g.Read(ctx); err == nil && have.Owner().By == d.ID.Owner() {
			notes = append(notes, g.Validate(have, true)...)
		}
		if errors.Is(err, provision.ErrAbsent) {
			err = nil
		}
	}
	for _, note := range notes {
		if note.Severity == provision.Error {
			found = append(found, fail(check, "", "%s", note.Text)) // the text tells what to do
		}
	}
	return found, err
}

// errNoVPC is the error if up has yet to create the environment's own VPC.
var errNoVPC = errors.New("the environment's VPC does not exist yet")

// ownNetwork reads the network in the environment's own VPC.
func (d *Doctor) ownNetwork(ctx context.Context) (s resource.NetworkState, err error) {
	vpc, err := resource.VPC{API: d.clients.EC2, ID: d.ID}.Read(ctx)
	if errors.Is(err, provision.ErrAbsent) {
		return s, errNoVPC
	}
	if err != nil {
		return s, err
	}
	for _, note := range (resource.VPC{CIDR: d.Env.Network.Range()}).Validate(vpc, true) {
		return s, errors.New(note.Text)
	}
	of := provision.Known(vpc)
	subnets, err := resource.Subnets{API: d.clients.EC2, ID: d.ID, VPC: of, CIDR: d.Env.Network.Range()}.Read(ctx)
	if errors.Is(err, provision.ErrAbsent) {
		return s, errNoVPC
	}
	if err != nil {
		return s, err
	}
	s, known := resource.OwnNetwork{VPC: of, Subnets: provision.Known(subnets), Private: d.Env.Network.InPrivate()}.Get()
	if !known {
		return s, errNoVPC // up has yet to create its subnets
	}
	return s, nil
}

// zones tells in which zones a new VPC will have subnets.
func (d *Doctor) zones(ctx context.Context) []Finding {
	const check = "network"
	want := resource.Zones{API: d.clients.EC2, ID: d.ID}
	if d.Env.Agent != nil && d.Env.Agent.Service == nil {
		want.Type = d.Env.Agent.InstanceType
	}
	z, err := want.Read(ctx)
	switch n := d.Env.Network.Zones; {
	case err != nil:
		return []Finding{unseen(check, err)}
	case len(z.Names) < n:
		return []Finding{fail(check, "set network.zones to a smaller number, or set agent.instance_type", "network.zones is %d, but %d zones suit: %s",
			n, len(z.Names), strings.Join(z.Names, ", "))}
	default:
		return []Finding{ok(check, "a new VPC, with subnets in %s", strings.Join(z.Names[:n], ", "))}
	}
}

func zones(n resource.NetworkState) (list []string) {
	for _, s := range n.Subnets {
		list = append(list, s.Zone)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: &name, Values: values}
}

func (d *Doctor) instanceType(ctx context.Context) []Finding {
	const check = "instance type"
	name := d.Env.Agent.InstanceType
	sold, err := d.sold(ctx, name)
	if err != nil {
		return []Finding{unseen(check, err)}
	}
	n, err := d.network()
	usable := slices.DeleteFunc(zones(n), func(z string) bool { return !slices.Contains(sold, z) })
	switch {
	case len(sold) == 0:
		return []Finding{fail(check, "set agent.instance_type"+d.instead(ctx, "x86_64"), "%s is not available in %s", name, d.ID.Region)}
	case err == nil && len(usable) == 0:
		return []Finding{fail(check, "set network.subnets or agent.instance_type", "%s is available in %s, but the subnets are in %s",
			name, strings.Join(sold, ", "), strings.Join(zones(n), ", "))}
	}
	out, err := d.clients.EC2.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{types.InstanceType(name)}})
	switch {
	case err != nil || len(out.InstanceTypes) == 0 || out.InstanceTypes[0].FreeTierEligible == nil:
		return []Finding{ok(check, "%s is available; cannot tell whether the free tier covers it", name)}
	case aws.ToBool(out.InstanceTypes[0].FreeTierEligible):
		return []Finding{ok(check, "%s is available and covered by the free tier", name)}
	}
	return []Finding{d.outsideFreeTier(ctx, check, out.InstanceTypes[0])}
}

// outsideFreeTier is the finding for a type that only a paid plan includes.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-free-tier-usage.html
func (d *Doctor) outsideFreeTier(ctx context.Context, check string, t types.InstanceTypeInfo) Finding {
	plan, err := d.plan(ctx)
	if err == nil && plan != freetier.Free {
		return ok(check, "%s is available; the free tier does not cover it, which matters only to an account on the free plan", t.InstanceType)
	}
	architecture := "x86_64"
	if p := t.ProcessorInfo; p != nil && len(p.SupportedArchitectures) > 0 {
		architecture = string(p.SupportedArchitectures[len(p.SupportedArchitectures)-1])
	}
	if err != nil {
		return warn(check, "on the free plan, set agent.instance_type"+d.instead(ctx, architecture),
			"%s is not covered by the free tier: an account on the free plan cannot launch it; cannot tell whether this one is", t.InstanceType)
	}
	return fail(check, "set agent.instance_type"+d.instead(ctx, architecture),
		"%s is not covered by the free tier, and this account is on the free plan: EC2 refuses to launch it", t.InstanceType)
}

// plan is the account's plan; empty for an account that is older than the plans.
func (d *Doctor) plan(ctx context.Context) (string, error) {
	if d.clients.FreeTier == nil {
		return "", nil
	}
	out, err := d.clients.FreeTier.GetAccountPlanState(ctx, &freetier.GetAccountPlanStateInput{})
	switch {
	case awserr.Code(err) == "ResourceNotFoundException":
		return "", nil
	case err != nil:
		return "", err
	case out.AccountPlanType == "":
		return "", errors.New("AWS does not say which plan the account has")
	}
	return out.AccountPlanType, nil
}

// sold lists the zones that offer a type.
func (d *Doctor) sold(ctx context.Context, name string) (list []string, err error) {
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(d.clients.EC2, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeAvailabilityZone, Filters: []types.Filter{filter("instance-type", name)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.InstanceTypeOfferings {
			list = append(list, aws.ToString(o.Location))
		}
	}
	slices.Sort(list)
	return list, nil
}

// instead lists the types that are free for a new account; empty if unknown.
func (d *Doctor) instead(ctx context.Context, architecture string) string {
	var names []string
	pages := ec2.NewDescribeInstanceTypesPaginator(d.clients.EC2, &ec2.DescribeInstanceTypesInput{Filters: []types.Filter{
		filter("free-tier-eligible", "true"), filter("processor-info.supported-architecture", architecture),
	}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return ""
		}
		for _, t := range page.InstanceTypes {
			names = append(names, string(t.InstanceType))
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return ", for example to a type that is free for new accounts in this region: " + strings.Join(names, ", ")
}

func (d *Doctor) machineImage(ctx context.Context) []Finding {
	const check = "image"
	image, err := d.image()
	if err == nil {
		var out *ec2.DescribeImagesOutput
		out, err = d.clients.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{image.ID}})
		if err == nil && len(out.Images) > 0 {
			return []Finding{ok(check, "%s is %s", d.Env.Agent.Image, image.ID)}
		}
	}
	switch c := awserr.Classify(err); {
	case err == nil || c == awserr.Absent || c == awserr.Invalid || strings.HasPrefix(awserr.Code(err), "InvalidAMIID"):
		return []Finding{fail(check, "set another agent.image", "%s does not exist in %s", d.Env.Agent.Image, d.ID.Region)}
	}
	return []Finding{unseen(check, err)}
}

func (d *Doctor) bucket(ctx context.Context) []Finding {
	const check = "bucket"
	b := d.Env.Bucket
	regional := b.Namespace == "account-regional"
	have, err := resource.Bucket{API: d.clients.S3, ID: d.ID, Name: b.Name, Regional: regional}.Read(ctx)
	owner := have.Owner().By
	switch {
	case errors.Is(err, provision.ErrAbsent) && b.Ownership == "external":
		return []Finding{fail(check, "create it, or set another bucket.ownership", "%s is external, but it does not exist", b.Name)}
	case errors.Is(err, provision.ErrAbsent):
		return []Finding{ok(check, "the name %s is available", b.Name)}
	case err != nil && awserr.Classify(err) == awserr.Denied && !regional:
		// S3 gives the same answer for another account's bucket and for a missing permission.
		return []Finding{warn(check, "if the bucket is not yours, set another bucket.name, or namespace = \"account-regional\"",
			"cannot tell: another account owns %s, or you need another permission", b.Name)}
	case err != nil && awserr.Classify(err) != awserr.Unknown:
		return []Finding{unseen(check, err)}
	case err != nil:
		return []Finding{fail(check, "", "%s", said(err))}
	case owner == d.ID.Owner():
		return []Finding{ok(check, "%s exists and belongs to this environment", b.Name)}
	case owner != "":
		return []Finding{fail(check, "set another bucket.name", "%s belongs to environment %s", b.Name, owner)}
	case b.Ownership == "adopt" || b.Ownership == "external":
		return []Finding{ok(check, "%s exists; its ownership is %q", b.Name, b.Ownership)}
	}
	return []Finding{fail(check, "set another bucket.name, or bucket.ownership to \"adopt\" or \"external\"",
		"%s exists and was created outside flowbed", b.Name)}
}
