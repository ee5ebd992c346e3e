package logs

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// The authorization of CloudWatch Logs' calls. The ARN of a group ends with ":*",
// except in calls that tag:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html

func (r *request) groupARN(name string) string { return r.ARN("logs", r.Region, "log-group:"+name) }

func groupAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.groupARN(core.Text(in, "LogGroupName")) + ":*")
}

func protectionAccess(r *request, a core.Access, in *cloudwatchlogs.PutLogGroupDeletionProtectionInput) []core.Access {
	name := strings.TrimPrefix(aws.ToString(in.LogGroupIdentifier), r.groupARN(""))
	return a.To(r.groupARN(name) + ":*")
}

func createAccess(r *request, a core.Access, in *cloudwatchlogs.CreateLogGroupInput) []core.Access {
	group := r.groupARN(aws.ToString(in.LogGroupName))
	a = a.WithResource(group+":*").WithTags(core.RequestTag, in.Tags)
	if len(in.Tags) > 0 {
		return []core.Access{a, a.WithResource(group).WithAction("logs:TagResource")}
	}
	return []core.Access{a}
}

// listAccess names the resource that AWS's own error messages name.
func listAccess(r *request, a core.Access, _ *cloudwatchlogs.DescribeLogGroupsInput) []core.Access {
	return a.To(r.groupARN(":log-stream:"))
}

func tagsAccess[I any](r *request, a core.Access, in *I) []core.Access {
	arn := core.Text(in, "ResourceArn")
	if g := r.db().Groups[strings.TrimPrefix(arn, r.groupARN(""))]; g != nil {
		a = a.WithTags(core.ResourceTag, g.Tags)
	}
	return a.To(arn)
}
