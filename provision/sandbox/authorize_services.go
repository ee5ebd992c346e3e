package sandbox

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

func (r *request) roleARN(name string) string {
	if role := r.IAM.role(name); role != nil {
		return role.ARN
	}
	return r.arn("iam", "", "role/"+name)
}

func iamRequest(list []iamtypes.Tag) tags {
	t := tags{}
	for _, p := range list {
		t[aws.ToString(p.Key)] = aws.ToString(p.Value)
	}
	return t
}

func (r *request) iamAccess(a access, in any) []access {
	role, profile := text(in, "RoleName"), text(in, "InstanceProfileName")
	switch {
	case profile != "":
		a.resource = r.arn("iam", "", "instance-profile/"+profile)
	case role != "":
		a.resource = r.roleARN(role)
	case text(in, "PolicySourceArn") != "":
		a.resource = text(in, "PolicySourceArn")
	}
	a = a.with("iam:PolicyARN", text(in, "PolicyArn"))
	switch in := in.(type) {
	case *iam.CreateRoleInput:
		a = a.tagged(requestTag, iamRequest(in.Tags))
		return []access{a, a.also("iam:TagRole")}
	case *iam.CreateInstanceProfileInput:
		a = a.tagged(requestTag, iamRequest(in.Tags))
		return []access{a, a.also("iam:TagInstanceProfile")}
	case *iam.AddRoleToInstanceProfileInput:
		return []access{a, r.pass(role)}
	case *iam.CreateServiceLinkedRoleInput:
		service := aws.ToString(in.AWSServiceName)
		return []access{a.on(r.arn("iam", "", "role/aws-service-role/"+service+"/"+linkedRoles[service])).with("iam:AWSServiceName", service)}
	}
	return []access{a}
}

// pass is what it takes to give a role to EC2.
func (r *request) pass(role string) access {
	service := "ec2.amazonaws.com"
	if r.partition() == "aws-cn" {
		service = "ec2.amazonaws.com.cn"
	}
	return access{action: "iam:PassRole", resource: r.roleARN(role)}.with("iam:PassedToService", service)
}

func (r *request) s3Access(a access, in any) []access {
	bucket := text(in, "Bucket")
	if bucket == "" {
		return []access{a}
	}
	a.resource = r.bucketARN(bucket)
	if key := text(in, "Key"); key != "" {
		a.resource += "/" + key
	}
	all := []access{a}
	switch in := in.(type) {
	case *s3.CreateBucketInput:
		if c := in.CreateBucketConfiguration; c != nil && len(c.Tags) > 0 {
			all = append(all, a.also("s3:TagResource"))
		}
		if in.ObjectOwnership != "" {
			all = append(all, a.also("s3:PutBucketOwnershipControls"))
		}
	case *s3.DeleteObjectsInput:
		all = nil
		for _, o := range in.Delete.Objects {
			one := a.on(a.resource + "/" + aws.ToString(o.Key))
			if all = append(all, one); o.VersionId != nil {
				all = append(all, one.also("s3:DeleteObjectVersion"))
			}
		}
	}
	return all
}

// logsAccess names a group with ":*" but where it is a resource of tags.
func (r *request) logsAccess(a access, in any) []access {
	group := func(name string) string { return r.arn("logs", r.region, "log-group:"+name) }
	switch in := in.(type) {
	case *cloudwatchlogs.DescribeLogGroupsInput:
		return []access{a.on(group(":log-stream:"))} // as AWS's own messages have it
	case *cloudwatchlogs.CreateLogGroupInput:
		name := aws.ToString(in.LogGroupName)
		if a = a.on(group(name)+":*").tagged(requestTag, in.Tags); len(in.Tags) > 0 {
			return []access{a, a.on(group(name)).also("logs:TagResource")}
		}
		return []access{a}
	}
	if arn := text(in, "ResourceArn"); arn != "" {
		return []access{a.on(arn)}
	}
	if name := text(in, "LogGroupName"); name != "" {
		return []access{a.on(group(name) + ":*")}
	}
	return []access{a}
}

func (r *request) ssmAccess(a access, in any) []access {
	if in, ok := in.(*ssm.GetParametersInput); ok {
		all := make([]access, len(in.Names))
		for i, name := range in.Names {
			all[i] = a.on(r.parameterARN(name))
		}
		return all
	}
	name := text(in, "Name") + text(in, "ResourceId")
	if name == "" {
		return []access{a}
	}
	a.resource = r.parameterARN(name)
	if in, ok := in.(*ssm.PutParameterInput); ok && len(in.Tags) > 0 {
		return []access{a, a.also("ssm:AddTagsToResource")}
	}
	return []access{a}
}

func (r *request) parameterARN(name string) string {
	if strings.HasPrefix(name, "/aws/") { // AWS's own belong to no account
		return "arn:" + r.partition() + ":ssm:" + r.region + "::parameter" + name
	}
	return r.arn("ssm", r.region, "parameter/"+strings.TrimPrefix(name, "/"))
}

func (r *request) ecsAccess(a access, in any) []access {
	name := text(in, "Cluster") + text(in, "ClusterName")
	if in, ok := in.(*ecs.DescribeClustersInput); ok && len(in.Clusters) > 0 {
		name = in.Clusters[0]
	}
	arn := r.arn("ecs", r.region, "cluster/"+name[strings.LastIndex(name, "/")+1:])
	switch in := in.(type) {
	case *ecs.ListTasksInput, *ecs.ListServicesInput:
		return []access{a.with("ecs:cluster", arn)}
	case *ecs.CreateClusterInput:
		a.resource = arn
		if len(in.Tags) > 0 {
			return []access{a, a.also("ecs:TagResource")}
		}
	case *ecs.DescribeClustersInput, *ecs.DeleteClusterInput, *ecs.UpdateClusterInput, *ecs.PutClusterCapacityProvidersInput:
		a.resource = arn
	case *ecs.DescribeTasksInput:
		var all []access
		for _, task := range in.Tasks {
			all = append(all, a.on(task))
		}
		return all
	case *ecs.StopTaskInput:
		a.resource = text(in, "Task")
	case *ecs.TagResourceInput, *ecs.UntagResourceInput:
		a.resource = text(in, "ResourceArn")
	}
	return []access{a}
}
