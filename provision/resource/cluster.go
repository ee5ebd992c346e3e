package resource

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Cluster is an ECS cluster for Fargate tasks.
//
// Our own cluster has exactly the capacity providers in the spec. To an account-wide
// cluster, flowbed only adds capacity providers: others may need the existing ones.
type Cluster struct {
	API       *ecs.Client
	ID        Identity
	Name      string
	Providers []string // capacity providers
	Insights  bool     // Container Insights
	Shared    bool     // the name is account-wide

	// Tasks tells the environment's own tasks, which another step stops, from those of others.
	// If it is nil, all tasks are those of others.
	Tasks *TaskReader

	// Service is the name of the environment's own service, which is deleted before the
	// cluster.
	Service string

	Names NameEntry
}

// ClusterState is the actual state of a cluster.
type ClusterState struct {
	Name, ARN string
	Status    string   // "ACTIVE", or "PROVISIONING" for a moment
	Providers []string // sorted
	Insights  bool     // Container Insights, plain or enhanced
	Tags      Tags
	Machines  int // the EC2 instances that are registered in it

	strategy []types.CapacityProviderStrategyItem // the default strategy, which flowbed does not change
}

var (
	_ Kind[ClusterState]                    = Cluster{}
	_ Discoverer                            = Cluster{}
	_ provision.Predictor[ClusterState]     = Cluster{}
	_ provision.DeletePatient               = Cluster{}
	_ provision.UseChecker[ClusterState]    = Cluster{}
	_ provision.Validator[ClusterState]     = Cluster{}
	_ provision.DeleteChecker[ClusterState] = Cluster{}
	_ provision.Explainer[ClusterState]     = Cluster{}
	_ provision.Sharer[ClusterState]        = Cluster{}
	_ provision.Labelled                    = ClusterState{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:    `ClusterNotFoundException`,
		awserr.Conflict:  `UpdateInProgressException`,
		awserr.Transient: `ClusterContainsTasksException ClusterContainsContainerInstancesException ResourceInUseException`,
		awserr.Invalid:   `ClientException`,
	},
	Rules: []awserr.Rule{
		// For the first cluster of an account, ECS may still be creating its service-linked role.
		{Operation: "CreateCluster", Code: "InvalidParameterException", Message: "service linked role", Class: awserr.Transient, Hint: noServiceRole},
		{Operation: "PutClusterCapacityProviders", Code: "InvalidParameterException", Message: "service linked role", Class: awserr.Transient, Hint: noServiceRole},
		// A cluster that is still being created, or that somebody has just deleted.
		{Code: "ClientException", Message: "Cluster was not ACTIVE", Class: awserr.Transient},
		// The service-linked role already exists.
		{Operation: "CreateServiceLinkedRole", Code: "InvalidInput", Message: "has been taken", Class: awserr.Conflict},
		// ECS cannot assume the role yet.
		{Code: "ClientException", Message: "unable to assume the role", Class: awserr.Transient},
	},
})

// noServiceRole is for an error that lasts: ECS says the same if the role is new, and if the
// caller may not create it.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
const noServiceRole = "the account has no service-linked role for ECS, and you may lack iam:CreateServiceLinkedRole: " +
	"have somebody who has that permission run `aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com`"

// Owner implements provision.State.
func (s ClusterState) Owner() provision.Owner { return s.Tags.Owner() }

// Predicted implements provision.Predictor.
func (c Cluster) Predicted() ClusterState { return ClusterState{Name: c.Name, ARN: c.arn()} }

func (c Cluster) arn() string { return c.ID.ARN("ecs", c.ID.Region, "cluster/"+c.Name) }

// Read implements provision.Resource. For a cluster that does not exist, ECS returns no
// error but a failure with the reason MISSING. It shows a deleted cluster as INACTIVE
// for some time.
func (c Cluster) Read(ctx context.Context) (s ClusterState, err error) {
	out, err := c.API.DescribeClusters(ctx, &ecs.DescribeClustersInput{
		Clusters: []string{c.Name}, Include: []types.ClusterField{types.ClusterFieldTags, types.ClusterFieldSettings},
	})
	if err != nil {
		return s, fmt.Errorf("read cluster: %w", err)
	}
	dated(ctx, out.ResultMetadata)
	for _, f := range out.Failures {
		if r := deref(f.Reason); r != "MISSING" {
			return s, fmt.Errorf("read cluster: %s %s", r, deref(f.Detail))
		}
	}
	if len(out.Clusters) == 0 {
		return s, fmt.Errorf("read cluster: %w", provision.ErrAbsent)
	}
	o := out.Clusters[0]
	s = ClusterState{
		Name: deref(o.ClusterName), ARN: deref(o.ClusterArn), Status: deref(o.Status),
		Providers: slices.Sorted(slices.Values(o.CapacityProviders)), strategy: o.DefaultCapacityProviderStrategy,
		Tags: tagsOf(o.Tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value }), Machines: int(o.RegisteredContainerInstancesCount),
	}
	if s.Status == "INACTIVE" {
		return ClusterState{}, fmt.Errorf("read cluster: status INACTIVE: %w", provision.ErrAbsent)
	}
	for _, set := range o.Settings {
		if set.Name == types.ClusterSettingNameContainerInsights {
			s.Insights = deref(set.Value) != "disabled"
		}
	}
	return s, nil
}

// Discover implements Discoverer. It describes each page of the list, because the list
// has only ARNs. A page has 100 clusters, the limit for both calls.
func (c Cluster) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	failed := func(err error) ([]Found, error) {
		return nil, fmt.Errorf("list clusters in %s: %w", c.ID.Region, err)
	}
	pages := ecs.NewListClustersPaginator(c.API, &ecs.ListClustersInput{MaxResults: new(int32(100))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed(err)
		}
		if len(page.ClusterArns) == 0 {
			continue
		}
		out, err := c.API.DescribeClusters(ctx, &ecs.DescribeClustersInput{
			Clusters: page.ClusterArns, Include: []types.ClusterField{types.ClusterFieldTags},
		})
		if err != nil {
			return failed(err)
		}
		for _, o := range out.Clusters {
			if deref(o.Status) == "INACTIVE" {
				continue
			}
			list = append(list, Found{
				Kind: "cluster", Name: deref(o.ClusterName),
				Tags: tagsOf(o.Tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value }),
			})
		}
	}
	return list, nil
}

func (c Cluster) tags() Tags {
	if c.Shared {
		return c.ID.SharedTags(c.Name)
	}
	return c.ID.Tags(c.Name)
}

func (c Cluster) settings() []types.ClusterSetting {
	v := "disabled"
	if c.Insights {
		v = "enabled"
	}
	return []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: &v}}
}

// Create implements provision.Resource. If the cluster already exists, ECS returns it
// and ignores the rest of the request. So only a reading shows the actual state.
func (c Cluster) Create(ctx context.Context) (*ClusterState, error) {
	if err := c.Names.Register(ctx); err != nil {
		return nil, err
	}
	_, err := c.API.CreateCluster(ctx, &ecs.CreateClusterInput{
		ClusterName: &c.Name, CapacityProviders: c.Providers, Settings: c.settings(),
		Tags: tagList(c.tags(), func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }),
	})
	if err != nil {
		return nil, fmt.Errorf("create cluster: %w", err)
	}
	return nil, nil
}

// Changes implements provision.Resource.
func (c Cluster) Changes(have ClusterState) []provision.Change {
	list := tagChange(have.Tags, c.tags(), c.Shared, tagger{c.setTags, c.dropTags})
	if have.Status != "" && have.Status != "ACTIVE" {
		list = append(list, provision.Change{Field: "status", From: provision.Text(have.Status), To: provision.Text("ACTIVE")})
	}
	want := c.providers(have)
	list = append(list, diffText("capacity providers", setText(have.Providers), setText(want), c.setProviders(want, have.strategy))...)
	if c.Shared && have.Owner().By != "" && have.Owner().By != c.ID.Owner() {
		return list // the owner decides the other settings
	}
	if have.Name == "" || have.Insights != c.Insights {
		change := provision.Change{Field: "container insights", To: provision.Text(onOff(c.Insights)), Do: c.setInsights}
		if have.Name != "" {
			change.From = provision.Text(onOff(have.Insights))
		}
		list = append(list, change)
	}
	return list
}

// providers are the capacity providers that the cluster should have.
func (c Cluster) providers(have ClusterState) []string {
	want := slices.Clone(c.Providers)
	if c.Shared {
		want = append(want, have.Providers...)
	}
	slices.Sort(want)
	return slices.Compact(want)
}

func (c Cluster) setTags(ctx context.Context, t Tags) error {
	_, err := c.API.TagResource(ctx, &ecs.TagResourceInput{
		ResourceArn: new(c.arn()), Tags: tagList(t, func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }),
	})
	return err
}

func (c Cluster) dropTags(ctx context.Context, keys []string) error {
	_, err := c.API.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: new(c.arn()), TagKeys: keys})
	return err
}

// setProviders sets the whole list. The call also requires the default strategy, so it
// repeats that.
func (c Cluster) setProviders(want []string, strategy []types.CapacityProviderStrategyItem) doFunc {
	keep := []types.CapacityProviderStrategyItem{} // required even if empty
	for _, s := range strategy {
		if slices.Contains(want, deref(s.CapacityProvider)) {
			keep = append(keep, s)
		}
	}
	return func(ctx context.Context) error {
		_, err := c.API.PutClusterCapacityProviders(ctx, &ecs.PutClusterCapacityProvidersInput{
			Cluster: &c.Name, CapacityProviders: want, DefaultCapacityProviderStrategy: keep,
		})
		return err
	}
}

func (c Cluster) setInsights(ctx context.Context) error {
	_, err := c.API.UpdateCluster(ctx, &ecs.UpdateClusterInput{Cluster: &c.Name, Settings: c.settings()})
	return err
}

// DeletePatience implements provision.DeletePatient: a task that somebody stops can take that long
// to leave the cluster.
func (Cluster) DeletePatience() time.Duration { return leaves }

// Delete implements provision.Resource.
func (c Cluster) Delete(ctx context.Context, _ ClusterState) error {
	_, err := c.API.DeleteCluster(ctx, &ecs.DeleteClusterInput{Cluster: &c.Name}, c.deleteOnce)
	return awserr.Gone(err)
}

// deleteOnce keeps the SDK from repeating the deletion of a shared cluster: after one that
// worked and whose reply was lost, another environment may have created the cluster again.
func (c Cluster) deleteOnce(o *ecs.Options) {
	if c.Shared {
		o.Retryer = aws.NopRetryer{}
	}
}

// MarkLeaving implements provision.Sharer.
func (c Cluster) MarkLeaving(ctx context.Context, _ ClusterState, until time.Time) error {
	return c.setTags(ctx, c.ID.leavingTags(until))
}

// Release implements provision.Sharer.
func (c Cluster) Release(ctx context.Context, _ ClusterState) error {
	_, err := c.API.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: new(c.arn()), TagKeys: []string{c.ID.claim()}})
	return awserr.Gone(err)
}

// Opens implements provision.Sharer. IAM cannot limit these calls to the tasks of one
// environment.
func (c Cluster) Opens(ClusterState) []provision.Note {
	return []provision.Note{{Severity: provision.Info, Text: "the workers of all of them can see and stop all tasks in cluster " + c.Name}}
}
