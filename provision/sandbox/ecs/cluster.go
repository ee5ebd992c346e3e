package ecs

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/iam"
)

func init() {
	core.Register(service, createCluster, createClusterAccess)
	core.Register(service, describeClusters, describeClustersAccess)
	core.Register(service, listClusters, core.Anything)
	core.Register(service, updateCluster, clusterAccess)
	core.Register(service, putProviders, clusterAccess)
	core.Register(service, deleteCluster, clusterAccess)
	core.Register(service, registerMachine, clusterAccess)
	core.Register(service, deregisterMachine, clusterAccess)
}

// cluster returns a cluster as ECS shows it, with the optional fields in include.
func (r *request) cluster(c *cluster, include ...types.ClusterField) types.Cluster {
	d := r.db()
	o := types.Cluster{
		ClusterArn: aws.String(r.arnOf("cluster/" + c.Name)), ClusterName: aws.String(c.Name), Status: aws.String(c.Status),
		CapacityProviders: slices.Clone(c.Providers), RegisteredContainerInstancesCount: int32(len(c.Machines)),
	}
	for _, s := range c.Strategy {
		o.DefaultCapacityProviderStrategy = append(o.DefaultCapacityProviderStrategy, types.CapacityProviderStrategyItem{
			CapacityProvider: aws.String(s.Provider), Weight: s.Weight, Base: s.Base,
		})
	}
	for _, t := range d.Tasks {
		if t.Cluster == c.Name && t.Status == "RUNNING" {
			o.RunningTasksCount++
		}
	}
	for _, s := range d.Services {
		if s.Cluster == c.Name && s.Status == "ACTIVE" {
			o.ActiveServicesCount++
		}
	}
	if slices.Contains(include, types.ClusterFieldSettings) {
		for _, k := range slices.Sorted(maps.Keys(c.Settings)) {
			o.Settings = append(o.Settings, types.ClusterSetting{Name: types.ClusterSettingName(k), Value: aws.String(c.Settings[k])})
		}
	}
	if slices.Contains(include, types.ClusterFieldTags) {
		o.Tags = tagList(c.Tags)
	}
	return o
}

// createCluster returns the cluster if it already exists, and then ignores
// everything else in the request.
func createCluster(r *request, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	d, name := r.db(), clusterName(in.ClusterName)
	if !clusterChars.MatchString(name) {
		return nil, invalid("Identifier is invalid: %s. Up to 255 letters, numbers, hyphens and underscores are allowed.", name)
	}
	if c := d.Clusters[name]; c != nil && c.Status == "ACTIVE" {
		o := r.cluster(c, types.ClusterFieldSettings, types.ClusterFieldTags)
		return &ecs.CreateClusterOutput{Cluster: &o}, nil
	}
	strategy, err := checkProviders(in.CapacityProviders, in.DefaultCapacityProviderStrategy)
	if err != nil {
		return nil, err
	}
	settings, err := checkSettings(map[string]string{"containerInsights": "disabled"}, in.Settings)
	if err != nil {
		return nil, err
	}
	t, err := newTags(core.Tags{}, in.Tags)
	if err != nil {
		return nil, err
	}
	iam.Link(r.Request, "ecs.amazonaws.com") // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
	if r.Account.FirstCluster && !d.Linked {
		d.Linked = true
		return nil, invalid("Unable to assume the service linked role. Please verify that the ECS service linked role exists.")
	}
	d.Linked = true
	c := &cluster{Name: name, Status: "ACTIVE", Providers: slices.Clone(in.CapacityProviders), Strategy: strategy, Settings: settings, Tags: t}
	d.Clusters[name] = c
	o := r.cluster(c, types.ClusterFieldSettings, types.ClusterFieldTags)
	return &ecs.CreateClusterOutput{Cluster: &o}, nil
}

// describeClusters lists missing clusters as failures instead of returning an
// error. A deleted cluster still exists, as INACTIVE.
func describeClusters(r *request, in *ecs.DescribeClustersInput) (*ecs.DescribeClustersOutput, error) {
	names := in.Clusters
	if len(names) == 0 {
		names = []string{"default"}
	}
	if len(names) > 100 {
		return nil, invalid("Clusters cannot have more than 100 elements.")
	}
	out := &ecs.DescribeClustersOutput{}
	for _, n := range names {
		name := clusterName(&n)
		if c := r.db().Clusters[name]; c != nil {
			out.Clusters = append(out.Clusters, r.cluster(c, in.Include...))
			continue
		}
		out.Failures = append(out.Failures, types.Failure{
			Arn: aws.String(r.arnOf("cluster/" + name)), Reason: aws.String("MISSING"),
		})
	}
	return out, nil
}

func listClusters(r *request, in *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(r.db().Clusters)) {
		if r.db().Clusters[name].Status == "ACTIVE" {
			all = append(all, r.arnOf("cluster/"+name))
		}
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 100)
	return &ecs.ListClustersOutput{ClusterArns: some, NextToken: next}, err
}

func updateCluster(r *request, in *ecs.UpdateClusterInput) (*ecs.UpdateClusterOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	if c.Settings, err = checkSettings(c.Settings, in.Settings); err != nil {
		return nil, err
	}
	o := r.cluster(c, types.ClusterFieldSettings, types.ClusterFieldTags)
	return &ecs.UpdateClusterOutput{Cluster: &o}, nil
}

// putProviders replaces the whole list. It fails if tasks use a provider that is
// not in the new list.
func putProviders(r *request, in *ecs.PutClusterCapacityProvidersInput) (*ecs.PutClusterCapacityProvidersOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	strategy, err := checkProviders(in.CapacityProviders, in.DefaultCapacityProviderStrategy)
	if err != nil {
		return nil, err
	}
	for _, t := range r.db().Tasks {
		if t.Cluster == c.Name && t.Status != "STOPPED" && slices.Contains(c.Providers, t.Provider) && !slices.Contains(in.CapacityProviders, t.Provider) {
			return nil, &types.ResourceInUseException{Message: aws.String("The specified capacity provider is in use and cannot be removed.")}
		}
	}
	c.Providers, c.Strategy = slices.Clone(in.CapacityProviders), strategy
	o := r.cluster(c, types.ClusterFieldSettings, types.ClusterFieldTags)
	return &ecs.PutClusterCapacityProvidersOutput{Cluster: &o}, nil
}

// deleteCluster marks the cluster INACTIVE. Deleting it again succeeds.
func deleteCluster(r *request, in *ecs.DeleteClusterInput) (*ecs.DeleteClusterOutput, error) {
	d := r.db()
	c := d.Clusters[clusterName(in.Cluster)]
	if c == nil {
		return nil, &types.ClusterNotFoundException{Message: aws.String("Cluster not found.")}
	}
	for _, s := range d.Services {
		if s.Cluster == c.Name && s.Status == "ACTIVE" {
			return nil, &types.ClusterContainsServicesException{Message: aws.String("The Cluster cannot be deleted while Services are active.")}
		}
	}
	for _, t := range d.Tasks {
		if t.Cluster == c.Name && t.Status != "STOPPED" {
			return nil, &types.ClusterContainsTasksException{Message: aws.String("The Cluster cannot be deleted while Tasks are active.")}
		}
	}
	if len(c.Machines) > 0 {
		return nil, &types.ClusterContainsContainerInstancesException{Message: aws.String("The Cluster cannot be deleted while Container Instances are active or draining.")}
	}
	c.Status, c.Tags, c.Providers, c.Strategy = "INACTIVE", core.Tags{}, nil, nil
	o := r.cluster(c)
	return &ecs.DeleteClusterOutput{Cluster: &o}, nil
}

// registerMachine is what the ECS agent on an EC2 instance calls.
func registerMachine(r *request, in *ecs.RegisterContainerInstanceInput) (*ecs.RegisterContainerInstanceOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	arn := r.arnOf("container-instance/" + c.Name + "/" + r.ID("m"))
	c.Machines = append(c.Machines, arn)
	return &ecs.RegisterContainerInstanceOutput{ContainerInstance: &types.ContainerInstance{ContainerInstanceArn: &arn}}, nil
}

func deregisterMachine(r *request, in *ecs.DeregisterContainerInstanceInput) (*ecs.DeregisterContainerInstanceOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	i := slices.Index(c.Machines, aws.ToString(in.ContainerInstance))
	if i < 0 {
		return nil, invalid("Container instance not found: %s", aws.ToString(in.ContainerInstance))
	}
	c.Machines = slices.Delete(c.Machines, i, i+1)
	return &ecs.DeregisterContainerInstanceOutput{}, nil
}
