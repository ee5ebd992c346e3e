package ec2_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision/awserr"
	"github.com/flowbed/flowbed/provision/sandbox"
)

const (
	ofLogs = "com.amazonaws.us-east-1.logs"
	ofS3   = "com.amazonaws.us-east-1.s3"
)

// closedVPC has two subnets in the same zone, one in another, and both DNS attributes.
type closedVPC struct {
	*testing.T
	api     *ec2.Client
	id      *string
	subnets []string
	table   string // its main one
}

func newClosedVPC(t *testing.T) closedVPC {
	t.Helper()
	v := closedVPC{T: t, api: ec2.NewFromConfig(sandbox.New().Config("us-east-1"))}
	out, err := v.api.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	v.want(err, "")
	v.id = out.Vpc.VpcId
	for cidr, zone := range map[string]string{"10.0.0.0/24": "us-east-1a", "10.0.1.0/24": "us-east-1b"} {
		s, err := v.api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: v.id, CidrBlock: &cidr, AvailabilityZone: &zone})
		v.want(err, "")
		v.subnets = append(v.subnets, *s.Subnet.SubnetId)
	}
	tables, err := v.api.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{*v.id}}}})
	v.want(err, "")
	v.table = *tables.RouteTables[0].RouteTableId
	return v
}

func (v closedVPC) want(err error, code string) {
	v.Helper()
	if have := awserr.Code(err); have != code || code == "" && err != nil {
		v.Errorf("have %v, want the code %q", err, code)
	}
}

func (v closedVPC) named() {
	v.Helper()
	_, err := v.api.ModifyVpcAttribute(v.Context(), &ec2.ModifyVpcAttributeInput{VpcId: v.id, EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
	v.want(err, "")
}

func (v closedVPC) create(code string, edit func(*ec2.CreateVpcEndpointInput)) string {
	v.Helper()
	in := &ec2.CreateVpcEndpointInput{VpcId: v.id, ServiceName: aws.String(ofLogs), VpcEndpointType: types.VpcEndpointTypeInterface,
		SubnetIds: v.subnets, PrivateDnsEnabled: aws.Bool(true)}
	edit(in)
	out, err := v.api.CreateVpcEndpoint(v.Context(), in)
	v.want(err, code)
	if err != nil {
		return ""
	}
	return *out.VpcEndpoint.VpcEndpointId
}

func (v closedVPC) state(id string) string {
	v.Helper()
	out, err := v.api.DescribeVpcEndpoints(v.Context(), &ec2.DescribeVpcEndpointsInput{Filters: []types.Filter{{Name: aws.String("vpc-endpoint-id"), Values: []string{id}}}})
	v.want(err, "")
	if len(out.VpcEndpoints) == 0 {
		return ""
	}
	return string(out.VpcEndpoints[0].State)
}

func plain(*ec2.CreateVpcEndpointInput) {}

func TestEndpointErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newClosedVPC(t)
		v.create("InvalidParameter", plain) // the VPC has no DNS host names
		v.named()
		v.create("InvalidServiceName", func(in *ec2.CreateVpcEndpointInput) { in.ServiceName = aws.String("com.amazonaws.us-east-1.nothing") })
		v.create("InvalidVpcID.NotFound", func(in *ec2.CreateVpcEndpointInput) { in.VpcId = aws.String("vpc-1") })
		v.create("InvalidSubnetID.NotFound", func(in *ec2.CreateVpcEndpointInput) { in.SubnetIds = []string{"subnet-1"} })
		v.create("InvalidGroup.NotFound", func(in *ec2.CreateVpcEndpointInput) { in.SecurityGroupIds = []string{"sg-1"} })
		v.create("InvalidParameter", func(in *ec2.CreateVpcEndpointInput) { in.VpcEndpointType = types.VpcEndpointTypeGateway }) // of logs
		other, err := v.api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: v.id, CidrBlock: aws.String("10.0.2.0/24"), AvailabilityZone: aws.String("us-east-1a")})
		v.want(err, "")
		small, err := v.api.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: v.id, CidrBlock: aws.String("10.0.3.0/28"), AvailabilityZone: aws.String("us-east-1c")})
		v.want(err, "")
		in28 := func(code, service string) {
			v.create(code, func(in *ec2.CreateVpcEndpointInput) {
				in.ServiceName, in.SubnetIds = aws.String("com.amazonaws.us-east-1."+service), []string{*small.Subnet.SubnetId}
			})
		}
		for _, s := range []string{"ec2", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "ec2messages", "secretsmanager", "sqs", "ssm", "sts"} {
			in28("", s)
		}
		in28("InsufficientFreeAddressesInSubnet", "kms")
		v.create("DuplicateSubnetsInSameZone", func(in *ec2.CreateVpcEndpointInput) { in.SubnetIds = append(in.SubnetIds, *other.Subnet.SubnetId) })
	})
}

// A name of DNS has one endpoint, also while that is about to go; a table has one route to S3.
func TestSecondEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newClosedVPC(t)
		v.named()
		token := func(in *ec2.CreateVpcEndpointInput) { in.ClientToken = aws.String("token") }
		first := v.create("", token)
		if again := v.create("", token); again != first {
			t.Errorf("the same token has made %s, want %s", again, first)
		}
		v.create("IdempotentParameterMismatch", func(in *ec2.CreateVpcEndpointInput) {
			token(in)
			in.ServiceName = aws.String("com.amazonaws.us-east-1.sqs")
		})
		v.create("InvalidParameter", plain)
		v.create("", func(in *ec2.CreateVpcEndpointInput) { in.PrivateDnsEnabled = aws.Bool(false) })
		_, err := v.api.DeleteVpcEndpoints(t.Context(), &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{first}})
		v.want(err, "")
		v.create("InvalidParameter", plain)
		time.Sleep(2 * time.Minute)
		v.create("", plain)
		gateway := func(in *ec2.CreateVpcEndpointInput) {
			in.ServiceName, in.VpcEndpointType, in.SubnetIds, in.PrivateDnsEnabled = aws.String(ofS3), types.VpcEndpointTypeGateway, nil, nil
			in.RouteTableIds = []string{v.table}
		}
		if id := v.create("", gateway); v.state(id) != "available" {
			t.Errorf("the gateway is %s, want available", v.state(id))
		}
		v.create("RouteAlreadyExists", gateway)
	})
}

// An endpoint starts and ends slowly, and its interfaces hold their subnets, their group and the VPC
// until its end. The call that deletes it succeeds whatever there is.
func TestEndpointLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newClosedVPC(t)
		v.named()
		group, err := v.api.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("x"), Description: aws.String("x"), VpcId: v.id})
		v.want(err, "")
		id := v.create("", func(in *ec2.CreateVpcEndpointInput) { in.SecurityGroupIds = []string{*group.GroupId} })
		modify := func(code string) {
			_, err := v.api.ModifyVpcEndpoint(t.Context(), &ec2.ModifyVpcEndpointInput{VpcEndpointId: &id, PrivateDnsEnabled: aws.Bool(false)})
			v.want(err, code)
		}
		if s := v.state(id); s != "pending" {
			t.Errorf("a new endpoint is %q", s)
		}
		modify("InvalidVpcEndpoint.State")
		time.Sleep(2 * time.Minute)
		if s := v.state(id); s != "available" {
			t.Errorf("after two minutes it is %q", s)
		}
		modify("")
		held := func(code string) {
			_, err := v.api.DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: &v.subnets[0]})
			v.want(err, code)
			_, err = v.api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: group.GroupId})
			v.want(err, code)
		}
		held("DependencyViolation")
		out, err := v.api.DeleteVpcEndpoints(t.Context(), &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id, "vpce-1"}})
		if v.want(err, ""); len(out.Unsuccessful) != 1 || *out.Unsuccessful[0].Error.Code != "InvalidVpcEndpointId.NotFound" {
			t.Errorf("have %+v, want that one of the two does not exist", out.Unsuccessful)
		}
		held("DependencyViolation")
		if s := v.state(id); s != "deleting" {
			t.Errorf("a deleted endpoint is %q", s)
		}
		_, err = v.api.DeleteVpc(t.Context(), &ec2.DeleteVpcInput{VpcId: v.id})
		v.want(err, "DependencyViolation")
		time.Sleep(2 * time.Minute)
		held("")
	})
}
