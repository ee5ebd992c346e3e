package audit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Account holds everything in an account that a control checks. It omits what AWS
// itself created.
type Account struct {
	Number, Region string
	Secret         string // the value of the parameter, which must appear nowhere else

	Roles      []Role
	Instances  []Instance
	Volumes    []ec2types.Volume
	Groups     []ec2types.SecurityGroup
	DefaultVPC string
	Buckets    []Bucket
	LogGroups  []logstypes.LogGroup
	Parameters []ssmtypes.ParameterMetadata
	Clusters   []ecstypes.Cluster
	Services   []Service
	Queues     []Queue
}

// Role is an IAM role with its policies.
type Role struct {
	Name    string
	Trust   Policy
	Managed []string // ARNs
	Inline  map[string]Policy
}

// Instance is an instance that is not terminated, with its decoded user data.
type Instance struct {
	ec2types.Instance
	UserData string
}

// Look reads an account. The secret is the value of its parameter.
func Look(ctx context.Context, cfg aws.Config, number, secret string) (*Account, error) {
	a := &Account{Number: number, Region: cfg.Region, Secret: secret}
	for _, look := range []func(context.Context, aws.Config) error{a.roles, a.machines, a.network, a.buckets, a.queues, a.rest, a.services} {
		if err := look(ctx, cfg); err != nil {
			return nil, fmt.Errorf("read the account: %w", err)
		}
	}
	return a, nil
}

func (a *Account) roles(ctx context.Context, cfg aws.Config) error {
	api := iam.NewFromConfig(cfg)
	list, err := api.ListRoles(ctx, &iam.ListRolesInput{})
	if err != nil {
		return err
	}
	for _, o := range list.Roles {
		if strings.HasPrefix(aws.ToString(o.Path), "/aws-service-role/") {
			continue
		}
		r := Role{Name: *o.RoleName, Inline: map[string]Policy{}}
		if r.Trust, err = parse(o.AssumeRolePolicyDocument); err != nil {
			return err
		}
		managed, err := api.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: o.RoleName})
		if err != nil {
			return err
		}
		for _, p := range managed.AttachedPolicies {
			r.Managed = append(r.Managed, *p.PolicyArn)
		}
		names, err := api.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: o.RoleName})
		if err != nil {
			return err
		}
		for _, name := range names.PolicyNames {
			p, err := api.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: o.RoleName, PolicyName: &name})
			if err != nil {
				return err
			}
			if r.Inline[name], err = parse(p.PolicyDocument); err != nil {
				return err
			}
		}
		a.Roles = append(a.Roles, r)
	}
	return nil
}

// parse parses a policy as IAM returns it: URL-encoded.
func parse(text *string) (Policy, error) {
	plain, err := url.QueryUnescape(aws.ToString(text))
	if err != nil {
		return Policy{}, err
	}
	return ParsePolicy(plain)
}

func (a *Account) machines(ctx context.Context, cfg aws.Config) error {
	api := ec2.NewFromConfig(cfg)
	list, err := api.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{{
		Name: aws.String("instance-state-name"), Values: []string{"pending", "running", "stopping", "stopped"}}}})
	if err != nil {
		return err
	}
	for _, r := range list.Reservations {
		for _, i := range r.Instances {
			out, err := api.DescribeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{
				InstanceId: i.InstanceId, Attribute: ec2types.InstanceAttributeNameUserData})
			if err != nil {
				return err
			}
			found := Instance{Instance: i}
			if out.UserData != nil {
				raw, err := base64.StdEncoding.DecodeString(aws.ToString(out.UserData.Value))
				if err != nil {
					return err
				}
				found.UserData = string(raw)
			}
			a.Instances = append(a.Instances, found)
		}
	}
	volumes, err := api.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{})
	if err != nil {
		return err
	}
	a.Volumes = volumes.Volumes
	return nil
}

func (a *Account) network(ctx context.Context, cfg aws.Config) error {
	api := ec2.NewFromConfig(cfg)
	groups, err := api.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		return err
	}
	for _, g := range groups.SecurityGroups {
		if aws.ToString(g.GroupName) != "default" {
			a.Groups = append(a.Groups, g)
		}
	}
	vpcs, err := api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if err != nil {
		return err
	}
	for _, v := range vpcs.Vpcs {
		if aws.ToBool(v.IsDefault) {
			a.DefaultVPC = *v.VpcId
		}
	}
	return nil
}

func (a *Account) rest(ctx context.Context, cfg aws.Config) error {
	groups, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	if err != nil {
		return err
	}
	a.LogGroups = groups.LogGroups
	parameters, err := ssm.NewFromConfig(cfg).DescribeParameters(ctx, &ssm.DescribeParametersInput{
		ParameterFilters: []ssmtypes.ParameterStringFilter{{
			Key: aws.String("Name"), Option: aws.String("BeginsWith"), Values: []string{"/flowbed/"}}}})
	if err != nil {
		return err
	}
	a.Parameters = parameters.Parameters
	api := ecs.NewFromConfig(cfg)
	arns, err := api.ListClusters(ctx, &ecs.ListClustersInput{})
	if err != nil || len(arns.ClusterArns) == 0 {
		return err
	}
	clusters, err := api.DescribeClusters(ctx, &ecs.DescribeClustersInput{
		Clusters: arns.ClusterArns, Include: []ecstypes.ClusterField{ecstypes.ClusterFieldSettings}})
	if err != nil {
		return err
	}
	a.Clusters = clusters.Clusters
	return nil
}

// coded is an AWS error.
type coded interface {
	error
	ErrorCode() string
}

// unless drops the error with which S3 says that a setting was never made.
func unless(code string, err error) error {
	if e, ok := errors.AsType[coded](err); ok && e.ErrorCode() == code {
		return nil
	}
	return err
}
