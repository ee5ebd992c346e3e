package ssm

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// The authorization of Systems Manager's calls:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html

func (r *request) parameterARN(name string) string {
	if strings.HasPrefix(name, "/aws/") { // public parameters belong to no account
		return "arn:" + r.Partition() + ":ssm:" + r.Region + "::parameter" + name
	}
	return r.ARN("ssm", r.Region, "parameter/"+strings.TrimPrefix(name, "/"))
}

func nameAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.parameterARN(core.Text(in, "Name")))
}

func namesAccess(r *request, a core.Access, in *ssm.GetParametersInput) []core.Access {
	arns := make([]string, len(in.Names))
	for i, name := range in.Names {
		arns[i] = r.parameterARN(name)
	}
	return a.To(arns...)
}

func tagsAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.parameterARN(core.Text(in, "ResourceId")))
}

func putAccess(r *request, a core.Access, in *ssm.PutParameterInput) []core.Access {
	all := nameAccess(r, a, in)
	if len(in.Tags) > 0 {
		all = append(all, all[0].WithAction("ssm:AddTagsToResource"))
	}
	return all
}
