package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/flowbed/flowbed/provision/awserr"
)

// refusal is a call that AWS has to refuse, and what flowbed takes the error for.
type refusal struct {
	what  string
	want  awserr.Class
	first func() error // that makes what the call collides with; may be nil
	call  func() error
}

func askRefusals(ctx context.Context, r *run) (answer, error) {
	group, err := r.group(ctx, "refusals")
	if err != nil {
		return answer{}, err
	}
	list := append(r.iamRefusals(ctx), append(r.ec2Refusals(ctx, group), r.otherRefusals(ctx)...)...)
	var wrong, skipped []string
	asked := 0
	for _, c := range list {
		if c.first != nil {
			if err := c.first(); err != nil {
				skipped = append(skipped, fmt.Sprintf("- %s: could not prepare: %s", c.what, codeOf(err)))
				continue
			}
		}
		err := c.call()
		switch {
		case err != nil && awserr.Code(err) == "", awserr.Code(err) == "NotImplemented", strings.HasPrefix(awserr.Code(err), "5"):
			skipped = append(skipped, fmt.Sprintf("- %s: %s", c.what, codeOf(err)))
		case err == nil, awserr.Classify(err) != c.want:
			wrong = append(wrong, fmt.Sprintf("- %s: want %s, have %s", c.what, className(c.want), codeOf(err)))
			asked++
		default:
			asked++
		}
	}
	if asked == 0 {
		return couldNot("none of %d could be provoked:\n%s", len(list), strings.Join(skipped, "\n"))
	}
	text := fmt.Sprintf("%d of %d refusals came as known", asked-len(wrong), len(list))
	if more := append(wrong, skipped...); len(more) > 0 {
		text += ":\n" + strings.Join(more, "\n")
	}
	return judged(len(wrong) == 0, "%s", text)
}

const nobodysTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func (r *run) iamRefusals(ctx context.Context) []refusal {
	name, unknown := aws.String(r.object("refusals")), aws.String(r.object("nobody"))
	add := func() error {
		_, err := r.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: name})
		return err
	}
	create := func() error { return r.role(ctx, "refusals", nobodysTrust, "") }
	put := func(size int) func() error {
		return func() error {
			_, err := r.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("canary"), PolicyDocument: aws.String(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + strings.Repeat("x", size) + `/*"}]}`)})
			return err
		}
	}
	link := func() error {
		_, err := r.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("ecs.amazonaws.com")})
		return err
	}
	return []refusal{
		{"a role that exists", awserr.Conflict, create, create},
		{"a role with a policy, deleted", awserr.Transient, put(10), func() error {
			_, err := r.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
			return err
		}},
		{"a role's policies above 10,240 characters", awserr.Invalid, nil, put(10_300)},
		{"a second role in an instance profile", awserr.Conflict, func() error {
			if err := r.profile(ctx, "refusals"); err != nil {
				return err
			}
			return add()
		}, add},
		{"a role that is not there", awserr.Absent, nil, func() error {
			_, err := r.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: unknown})
			return err
		}},
		{"a service-linked role that exists", awserr.Conflict, func() error {
			if err := link(); err != nil && awserr.Classify(err) != awserr.Conflict {
				return err
			}
			return nil
		}, link},
	}
}

func (r *run) ec2Refusals(ctx context.Context, group string) []refusal {
	open := func() error {
		_, err := r.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []ec2types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("192.0.2.1/32")}}}}})
		return err
	}
	return []refusal{
		{"a security group that exists", awserr.Conflict, nil, func() error {
			_, err := r.group(ctx, "refusals")
			return err
		}},
		{"a rule that exists", awserr.Conflict, open, open},
		{"a security group that is not there", awserr.Absent, nil, func() error {
			_, err := r.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: aws.String("sg-0123456789abcdef0")})
			return err
		}},
		{"an instance that is not there", awserr.Absent, nil, func() error {
			_, err := r.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0"}})
			return err
		}},
	}
}

func (r *run) otherRefusals(ctx context.Context) []refusal {
	logs := aws.String(r.path("refusals"))
	group := func() error { return r.logGroup(ctx, "refusals") }
	parameter := func() error { return r.putParameter(ctx, "refusals") }
	return []refusal{
		{"a log group that exists", awserr.Conflict, group, group},
		{"a log group that is not there", awserr.Absent, nil, func() error {
			_, err := r.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String(*logs + "-none")})
			return err
		}},
		{"a parameter that exists", awserr.Conflict, parameter, parameter},
		{"a parameter that is not there", awserr.Absent, nil, func() error {
			_, err := r.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(r.path("none"))})
			return err
		}},
		{"tags of a parameter that is not there", awserr.Absent, nil, func() error {
			_, err := r.ssm.AddTagsToResource(ctx, &ssm.AddTagsToResourceInput{ResourceType: ssmtypes.ResourceTypeForTaggingParameter,
				ResourceId: aws.String(r.path("none")), Tags: []ssmtypes.Tag{{Key: aws.String(tag), Value: &r.Name}}})
			return err
		}},
		{"a bucket that is not there", awserr.Absent, nil, func() error {
			_, err := r.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: aws.String(r.object("none") + "-" + r.Account + "-" + r.Region + "-an")})
			return err
		}},
		{"a cluster that is not there", awserr.Absent, nil, func() error {
			_, err := r.ecs.DeleteCluster(ctx, &ecs.DeleteClusterInput{Cluster: aws.String(r.object("none"))})
			return err
		}},
		{"a task size that Fargate does not have", awserr.Invalid, nil, func() error {
			_, err := r.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
				Family: aws.String(r.family("size")), Cpu: aws.String("256"), Memory: aws.String("30720"),
				NetworkMode: ecstypes.NetworkModeAwsvpc, RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
				ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("probe"), Image: aws.String(probeImage)}},
			})
			return err
		}},
	}
}
