package ecs

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

// The authorization of ECS's calls:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html

// clusterARN returns a cluster's ARN, given a short name or an ARN.
func (r *request) clusterARN(name string) string { return r.arnOf("cluster/" + clusterName(&name)) }

func clusterAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return a.To(r.clusterARN(core.Text(in, "Cluster")))
}

// inClusterAccess is for calls that are checked against "*". A condition may name
// the cluster.
func inClusterAccess[I any](r *request, a core.Access, in *I) []core.Access {
	return []core.Access{a.WithContext("ecs:cluster", r.clusterARN(core.Text(in, "Cluster")))}
}

func createClusterAccess(r *request, a core.Access, in *ecs.CreateClusterInput) []core.Access {
	a = a.WithResource(r.clusterARN(aws.ToString(in.ClusterName)))
	if len(in.Tags) > 0 {
		return []core.Access{a, a.WithAction("ecs:TagResource")}
	}
	return []core.Access{a}
}

func describeClustersAccess(r *request, a core.Access, in *ecs.DescribeClustersInput) []core.Access {
	if len(in.Clusters) == 0 {
		return a.To(r.clusterARN("default"))
	}
	var all []core.Access
	for _, name := range in.Clusters {
		all = append(all, a.WithResource(r.clusterARN(name)))
	}
	return all
}

func taskAccess[I any](_ *request, a core.Access, in *I) []core.Access {
	return a.To(core.Text(in, "Task"))
}

func describeTasksAccess(_ *request, a core.Access, in *ecs.DescribeTasksInput) []core.Access {
	return a.To(in.Tasks...)
}

func tagsAccess[I any](_ *request, a core.Access, in *I) []core.Access {
	return a.To(core.Text(in, "ResourceArn"))
}

// registerAccess covers the roles in the definition, which ECS will get.
func registerAccess(r *request, a core.Access, in *ecs.RegisterTaskDefinitionInput) []core.Access {
	all := a.To(r.arnOf("task-definition/" + aws.ToString(in.Family) + ":*"))
	for _, role := range []*string{in.TaskRoleArn, in.ExecutionRoleArn} {
		if role != nil {
			all = append(all, iam.PassToTasks(r.Request, *role))
		}
	}
	if len(in.Tags) > 0 {
		all = append(all, core.Access{Action: "ecs:TagResource", Resource: r.arnOf("task-definition/" + aws.ToString(in.Family) + ":*")}.
			WithContext("ecs:CreateAction", "RegisterTaskDefinition"))
	}
	return all
}

func deleteDefinitionsAccess(_ *request, a core.Access, in *ecs.DeleteTaskDefinitionsInput) []core.Access {
	return a.To(in.TaskDefinitions...)
}

// serviceARN returns a service's ARN, given a short name or an ARN.
func (r *request) serviceARN(cluster, name *string) string {
	short := aws.ToString(name)
	return r.arnOf("service/" + clusterName(cluster) + "/" + short[strings.LastIndex(short, "/")+1:])
}

func createServiceAccess(r *request, a core.Access, in *ecs.CreateServiceInput) []core.Access {
	a = a.WithResource(r.serviceARN(in.Cluster, in.ServiceName)).WithContext("ecs:cluster", r.clusterARN(aws.ToString(in.Cluster)))
	if len(in.Tags) > 0 {
		return []core.Access{a, a.WithAction("ecs:TagResource").WithContext("ecs:CreateAction", "CreateService")}
	}
	return []core.Access{a}
}

func serviceAccess[I any](r *request, a core.Access, in *I) []core.Access {
	cluster, name := core.Text(in, "Cluster"), core.Text(in, "Service")
	return a.To(r.serviceARN(&cluster, &name))
}

func describeServicesAccess(r *request, a core.Access, in *ecs.DescribeServicesInput) []core.Access {
	var all []core.Access
	for _, name := range in.Services {
		all = append(all, a.WithResource(r.serviceARN(in.Cluster, &name)))
	}
	return all
}

// runTaskAccess is about the definition. Its own roles were passed when it was registered, but
// ECS checks them again, and those of the overrides.
func runTaskAccess(r *request, a core.Access, in *ecs.RunTaskInput) []core.Access {
	name := aws.ToString(in.TaskDefinition)
	a = a.WithContext("ecs:cluster", r.clusterARN(aws.ToString(in.Cluster)))
	d, err := r.findDefinition(in.TaskDefinition)
	if err != nil {
		return a.To(r.arnOf("task-definition/" + name[strings.LastIndex(name, "/")+1:]))
	}
	all := a.To(r.arnOf("task-definition/" + d.key()))
	roles := []string{d.TaskRole, d.ExecutionRole}
	if o := in.Overrides; o != nil {
		if o.TaskRoleArn != nil {
			roles[0] = *o.TaskRoleArn
		}
		if o.ExecutionRoleArn != nil {
			roles[1] = *o.ExecutionRoleArn
		}
	}
	for _, role := range roles {
		if role != "" {
			all = append(all, iam.PassToTasks(r.Request, role))
		}
	}
	if len(in.Tags) > 0 {
		all = append(all, core.Access{Action: "ecs:TagResource", Resource: r.arnOf("task/" + clusterName(in.Cluster) + "/*")}.
			WithContext("ecs:CreateAction", "RunTask"))
	}
	return all
}
