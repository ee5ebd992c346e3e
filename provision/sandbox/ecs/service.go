package ecs

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

func init() {
	core.Register(service, createService, core.Anything)
	core.Register(service, updateService, core.Anything)
	core.Register(service, deleteService, core.Anything)
	core.Register(service, listServices, inClusterAccess)
	core.Register(service, describeServices, core.Anything)
	core.Register(service, tagResource, tagsAccess)
	core.Register(service, untagResource, tagsAccess)
	core.Register(service, listTagsForResource, core.Anything)
}

func (r *request) service(s *ecsService) *types.Service {
	return &types.Service{
		ServiceArn: &s.ARN, ServiceName: &s.Name, ClusterArn: aws.String(r.arnOf("cluster/" + s.Cluster)),
		Status: aws.String(s.Status), DesiredCount: s.Desired, TaskDefinition: aws.String(s.Definition), Tags: tagList(s.Tags),
	}
}

// createService creates a service. The sandbox does not start its tasks.
func createService(r *request, in *ecs.CreateServiceInput) (*ecs.CreateServiceOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	d, err := r.findDefinition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.ServiceName)
	arn := r.arnOf("service/" + c.Name + "/" + name)
	if s := r.db().Services[arn]; s != nil && s.Status == "ACTIVE" {
		return nil, invalid("Creation of service was not idempotent.")
	}
	t, err := newTags(core.Tags{}, in.Tags)
	if err != nil {
		return nil, err
	}
	s := &ecsService{
		ARN: arn, Name: name, Cluster: c.Name, Status: "ACTIVE", Desired: aws.ToInt32(in.DesiredCount),
		Definition: r.arnOf("task-definition/" + d.key()), Tags: t,
	}
	r.db().Services[arn] = s
	return &ecs.CreateServiceOutput{Service: r.service(s)}, nil
}

func (r *request) findService(cluster, name *string) (*ecsService, error) {
	c, err := r.active(cluster)
	if err != nil {
		return nil, err
	}
	short := aws.ToString(name)
	short = short[strings.LastIndex(short, "/")+1:]
	if s := r.db().Services[r.arnOf("service/"+c.Name+"/"+short)]; s != nil && s.Status == "ACTIVE" {
		return s, nil
	}
	return nil, &types.ServiceNotFoundException{Message: aws.String("Service not found.")}
}

func updateService(r *request, in *ecs.UpdateServiceInput) (*ecs.UpdateServiceOutput, error) {
	s, err := r.findService(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if in.DesiredCount != nil {
		s.Desired = *in.DesiredCount
	}
	return &ecs.UpdateServiceOutput{Service: r.service(s)}, nil
}

func deleteService(r *request, in *ecs.DeleteServiceInput) (*ecs.DeleteServiceOutput, error) {
	s, err := r.findService(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if s.Desired > 0 && !aws.ToBool(in.Force) {
		return nil, invalid("The service cannot be stopped while it is scaled above 0.")
	}
	s.Status = "INACTIVE"
	return &ecs.DeleteServiceOutput{Service: r.service(s)}, nil
}

func listServices(r *request, in *ecs.ListServicesInput) (*ecs.ListServicesOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, arn := range slices.Sorted(maps.Keys(r.db().Services)) {
		if s := r.db().Services[arn]; s.Cluster == c.Name && s.Status == "ACTIVE" {
			all = append(all, arn)
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 100)
	return &ecs.ListServicesOutput{ServiceArns: some, NextToken: next}, err
}

func describeServices(r *request, in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
	out := &ecs.DescribeServicesOutput{}
	for _, name := range in.Services {
		s, err := r.findService(in.Cluster, &name)
		if core.CodeOf(err) == "ServiceNotFoundException" {
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(name), Reason: aws.String("MISSING")})
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Services = append(out.Services, *r.service(s))
	}
	return out, nil
}

// tagsOf returns a pointer to the tags of the object with an ARN.
func (r *request) tagsOf(arn *string) (*core.Tags, error) {
	a := aws.ToString(arn)
	d := r.db()
	object, ok := strings.CutPrefix(a, r.arnOf(""))
	if !ok {
		return nil, invalid("Invalid ARN: %s", a)
	}
	kind, name, _ := strings.Cut(object, "/")
	switch kind {
	case "cluster":
		c, err := r.active(&name)
		if err != nil {
			return nil, err
		}
		return &c.Tags, nil
	case "service":
		if s := d.Services[a]; s != nil {
			return &s.Tags, nil
		}
	case "task":
		if t := d.Tasks[a]; t != nil {
			return &t.Tags, nil
		}
	case "task-definition":
		if t := d.Definitions[name]; t != nil {
			return &t.Tags, nil
		}
	}
	return nil, &types.ResourceNotFoundException{Message: aws.String("The specified resource was not found: " + a)}
}

func tagResource(r *request, in *ecs.TagResourceInput) (*ecs.TagResourceOutput, error) {
	have, err := r.tagsOf(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	next, err := newTags(*have, in.Tags)
	if err != nil {
		return nil, err
	}
	*have = next
	return &ecs.TagResourceOutput{}, nil
}

func untagResource(r *request, in *ecs.UntagResourceInput) (*ecs.UntagResourceOutput, error) {
	have, err := r.tagsOf(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	*have = have.Without(in.TagKeys)
	return &ecs.UntagResourceOutput{}, nil
}

func listTagsForResource(r *request, in *ecs.ListTagsForResourceInput) (*ecs.ListTagsForResourceOutput, error) {
	have, err := r.tagsOf(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &ecs.ListTagsForResourceOutput{Tags: tagList(*have)}, nil
}
