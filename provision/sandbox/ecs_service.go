package sandbox

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func init() {
	on(createService)
	on(updateService)
	on(deleteService)
	on(listServices)
	on(describeServices)
	on(tagECS)
	on(untagECS)
	on(listTagsECS)
}

func (r *request) service(s *service) *types.Service {
	return &types.Service{
		ServiceArn: &s.ARN, ServiceName: &s.Name, ClusterArn: aws.String(r.ecsARN("cluster/" + s.Cluster)),
		Status: aws.String(s.Status), DesiredCount: s.Desired, TaskDefinition: aws.String(s.Definition), Tags: ecsTagList(s.Tags),
	}
}

// createService makes a service whose tasks this sandbox does not start.
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
	arn := r.ecsARN("service/" + c.Name + "/" + name)
	if s := r.ecs().Services[arn]; s != nil && s.Status == "ACTIVE" {
		return nil, invalidECS("Creation of service was not idempotent.")
	}
	t, err := ecsTags(tags{}, in.Tags)
	if err != nil {
		return nil, err
	}
	s := &service{
		ARN: arn, Name: name, Cluster: c.Name, Status: "ACTIVE", Desired: aws.ToInt32(in.DesiredCount),
		Definition: r.ecsARN("task-definition/" + d.key()), Tags: t,
	}
	r.ecs().Services[arn] = s
	return &ecs.CreateServiceOutput{Service: r.service(s)}, nil
}

func (r *request) findService(cluster, name *string) (*service, error) {
	c, err := r.active(cluster)
	if err != nil {
		return nil, err
	}
	short := aws.ToString(name)
	short = short[strings.LastIndex(short, "/")+1:]
	if s := r.ecs().Services[r.ecsARN("service/"+c.Name+"/"+short)]; s != nil && s.Status == "ACTIVE" {
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
		return nil, invalidECS("The service cannot be stopped while it is scaled above 0.")
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
	for _, arn := range slices.Sorted(maps.Keys(r.ecs().Services)) {
		if s := r.ecs().Services[arn]; s.Cluster == c.Name && s.Status == "ACTIVE" {
			all = append(all, arn)
		}
	}
	some, next, err := page(all, in.NextToken, in.MaxResults, 100)
	return &ecs.ListServicesOutput{ServiceArns: some, NextToken: next}, err
}

func describeServices(r *request, in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
	out := &ecs.DescribeServicesOutput{}
	for _, name := range in.Services {
		s, err := r.findService(in.Cluster, &name)
		if codeOf(err) == "ServiceNotFoundException" {
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

// taggedECS is the place where an object's tags are, by its ARN.
func (r *request) taggedECS(arn *string) (*tags, error) {
	a := aws.ToString(arn)
	d := r.ecs()
	object, ok := strings.CutPrefix(a, r.ecsARN(""))
	if !ok {
		return nil, invalidECS("Invalid ARN: %s", a)
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

func tagECS(r *request, in *ecs.TagResourceInput) (*ecs.TagResourceOutput, error) {
	have, err := r.taggedECS(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	next, err := ecsTags(*have, in.Tags)
	if err != nil {
		return nil, err
	}
	*have = next
	return &ecs.TagResourceOutput{}, nil
}

func untagECS(r *request, in *ecs.UntagResourceInput) (*ecs.UntagResourceOutput, error) {
	have, err := r.taggedECS(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	*have = have.without(in.TagKeys)
	return &ecs.UntagResourceOutput{}, nil
}

func listTagsECS(r *request, in *ecs.ListTagsForResourceInput) (*ecs.ListTagsForResourceOutput, error) {
	have, err := r.taggedECS(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &ecs.ListTagsForResourceOutput{Tags: ecsTagList(*have)}, nil
}
