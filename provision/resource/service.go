package resource

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Service is the ECS service on Fargate that runs the agent. The service is as it should be as
// soon as ECS has accepted the request; [ServiceWorker] waits for what runs in it.
type Service struct {
	API        *ecs.Client
	ID         Identity
	Cluster    string
	In         provision.Ref[ClusterState] // the cluster; unset for a service under an old name
	Name       string
	Definition provision.Ref[TaskDefinitionState]
	Network    provision.Ref[NetworkState]
	Groups     []provision.Ref[SecurityGroupState]
	Desired    int
	Spot       bool

	// What each task has, and whether it gets a public address, as far as that is known; for
	// Costs.
	CPU, Memory int // as in TaskDefinition
	Public      func() bool

	// After are steps that must be done before the agent starts.
	After []provision.Edge

	Names NameEntry // of the cluster and the service; see ServiceInCluster
}

// KindService is the kind in the log of names.
var KindService = renamable("service")

// ServiceInCluster is how the log of names has a service: its name is unique only in a cluster.
func ServiceInCluster(cluster, name string) string { return cluster + "/" + name }

// OfService returns the cluster and the name of what ServiceInCluster returned.
func OfService(recorded string) (cluster, name string) {
	cluster, name, _ = strings.Cut(recorded, "/")
	return cluster, name
}

// ServiceState is the actual state of a service.
type ServiceState struct {
	Name, ARN, Cluster string
	Status             string // "ACTIVE", or another while its tasks end
	Definition         string // ARN
	Desired            int
	Capacity           string // see capacityText
	Subnets, Groups    []string
	PublicIP           bool
	Rollout            string // how it replaces tasks; see wantRollout
	Rebalancing        string // across zones
	TagsFrom           string // where its tasks get tags from
	Shell              bool   // people can run commands in the tasks
	Deployments        []Deployment
	Ending             []string // ids of the tasks of an inactive service that have not stopped, sorted
	Tags               Tags

	owner string
}

// Deployment is the replacement of a service's tasks by others.
type Deployment struct {
	ID, Status    string // "PRIMARY" is the one that the service is moving to
	Definition    string // ARN
	State, Reason string // COMPLETED, IN_PROGRESS or FAILED
	Created       time.Time
}

var (
	_ Kind[ServiceState]                    = Service{}
	_ Discoverer                            = Service{}
	_ provision.Patient                     = Service{}
	_ provision.DeletePatient               = Service{}
	_ provision.DependsUntilDeleted         = Service{}
	_ provision.BlockerFinder[ServiceState] = Service{}
	_ provision.Keeper[ServiceState]        = Service{}
	_ provision.Explainer[ServiceState]     = Service{}
	_ provision.Labelled                    = ServiceState{}
	_ provision.Named                       = Service{}
)

var _ = awserr.Declare(awserr.Errors{
	Codes: awserr.Codes{
		awserr.Absent:   `ServiceNotFoundException`,
		awserr.Conflict: `ServiceNotActiveException`,
	},
	Rules: []awserr.Rule{
		// A service of this name exists, or was deleted a moment ago.
		{Operation: "CreateService", Code: "InvalidParameterException", Message: "not idempotent", Class: awserr.Conflict},
		{Operation: "CreateService", Code: "InvalidParameterException", Message: "still Draining", Class: awserr.Transient},
		{Operation: "CreateService", Code: "InvalidParameterException", Message: "service linked role", Class: awserr.Transient, Hint: noServiceRole},
		{Operation: "DeleteService", Code: "InvalidParameterException", Message: "deployments are active", Class: awserr.Transient},
		// Another run has deregistered the revision.
		{Operation: "CreateService", Code: "ClientException", Message: "TaskDefinition is inactive", Class: awserr.Conflict},
		{Operation: "UpdateService", Code: "ClientException", Message: "TaskDefinition is inactive", Class: awserr.Conflict},
	},
})

// Owner implements provision.State. ECS need not show the tags of an inactive service. Nobody
// writes to it any more: only its tasks are left.
func (s ServiceState) Owner() provision.Owner {
	if o := s.Tags.Owner(); o.By != "" || s.Status != serviceInactive {
		return o
	}
	return provision.Owner{By: s.owner}
}

// Label is the name.
func (s ServiceState) Label() string { return s.Name }

// primary is the deployment that the service is moving to, or has moved to.
func (s ServiceState) primary() Deployment {
	for _, d := range s.Deployments {
		if d.Status == "PRIMARY" {
			return d
		}
	}
	return Deployment{}
}

// Patience implements provision.Patient: the name of a deleted service is free only when its
// tasks are ending, and ECS takes some time to notice it.
func (Service) Patience() time.Duration { return 5 * time.Minute }

// Read implements provision.Resource. ECS shows a deleted service as INACTIVE for some time. To
// us, it exists until its tasks have stopped.
func (v Service) Read(ctx context.Context) (s ServiceState, err error) {
	out, err := v.API.DescribeServices(ctx, &ecs.DescribeServicesInput{
		Cluster: &v.Cluster, Services: []string{v.Name}, Include: []types.ServiceField{types.ServiceFieldTags},
	})
	if _, gone := errors.AsType[*types.ClusterNotFoundException](err); gone {
		err = provision.ErrAbsent
	}
	if err != nil {
		return s, fmt.Errorf("read service: %w", err)
	}
	for _, f := range out.Failures {
		if r := deref(f.Reason); r != "MISSING" {
			return s, fmt.Errorf("read service: %s %s", r, deref(f.Detail))
		}
	}
	absent := fmt.Errorf("read service: %w", provision.ErrAbsent)
	if len(out.Services) == 0 {
		return s, absent
	}
	s = serviceOf(out.Services[0])
	if s.Status != serviceInactive {
		return s, nil
	}
	s.owner = v.ID.Owner()
	if s.Ending, err = v.ending(ctx); err != nil {
		return ServiceState{}, err
	}
	if len(s.Ending) == 0 {
		return ServiceState{}, absent
	}
	return s, nil
}

func serviceOf(o types.Service) ServiceState {
	s := ServiceState{
		Name: deref(o.ServiceName), ARN: deref(o.ServiceArn), Cluster: lastPart(deref(o.ClusterArn)), Status: deref(o.Status),
		Definition: deref(o.TaskDefinition), Desired: int(o.DesiredCount), Capacity: capacityText(o.LaunchType, o.CapacityProviderStrategy),
		Rollout: rolloutText(o.DeploymentConfiguration), Rebalancing: strings.ToLower(string(o.AvailabilityZoneRebalancing)),
		TagsFrom: strings.ToLower(string(o.PropagateTags)), Shell: o.EnableExecuteCommand,
		Tags: tagsOf(o.Tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value }),
	}
	if n := o.NetworkConfiguration; n != nil && n.AwsvpcConfiguration != nil {
		a := n.AwsvpcConfiguration
		s.Subnets, s.Groups = slices.Sorted(slices.Values(a.Subnets)), slices.Sorted(slices.Values(a.SecurityGroups))
		s.PublicIP = a.AssignPublicIp == types.AssignPublicIpEnabled
	}
	for _, d := range o.Deployments {
		s.Deployments = append(s.Deployments, Deployment{
			ID: deref(d.Id), Status: deref(d.Status), Definition: deref(d.TaskDefinition), State: string(d.RolloutState),
			Reason: deref(d.RolloutStateReason), Created: deref(d.CreatedAt).UTC().Round(0),
		})
	}
	return s
}

// maxEvents is how many of a service's events a message shows.
const maxEvents = 3

// capacityText is on which capacity the tasks run. With a strategy there is no launch type.
func capacityText(launch types.LaunchType, strategy []types.CapacityProviderStrategyItem) string {
	if len(strategy) == 0 {
		return string(launch)
	}
	var names []string
	for _, s := range strategy {
		names = append(names, deref(s.CapacityProvider))
	}
	return setText(names)
}

func (v Service) capacity() string {
	if v.Spot {
		return "FARGATE_SPOT"
	}
	return "FARGATE"
}

func (v Service) strategy() []types.CapacityProviderStrategyItem {
	if v.Spot {
		return []types.CapacityProviderStrategyItem{{CapacityProvider: new("FARGATE_SPOT"), Weight: 1}}
	}
	return []types.CapacityProviderStrategyItem{} // removes one
}

// wantRollout starts new tasks before it stops old ones, and goes back to the old ones if the
// new do not start.
const wantRollout = "100% to 200%, circuit breaker with rollback"

func rolloutText(c *types.DeploymentConfiguration) string {
	if c == nil {
		return ""
	}
	text := strconv.Itoa(int(deref(c.MinimumHealthyPercent))) + "% to " + strconv.Itoa(int(deref(c.MaximumPercent))) + "%"
	if b := c.DeploymentCircuitBreaker; b != nil && b.Enable {
		text += ", circuit breaker"
		if b.Rollback {
			text += " with rollback"
		}
	}
	return text
}

func rollout() *types.DeploymentConfiguration {
	return &types.DeploymentConfiguration{
		MinimumHealthyPercent: new(int32(100)), MaximumPercent: new(int32(200)),
		DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
	}
}

// subnets returns the subnets of the tasks, and whether the tasks get public addresses; known is
// false if the network does not exist yet.
// A task needs a public address where the only way out is an internet gateway. The subnet's
// own setting does not count.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html
func (v Service) subnets() (ids []string, public, known bool) {
	n, known := v.Network.Get()
	public = true
	for _, s := range n.Subnets[:min(len(n.Subnets), maxTaskSubnets)] {
		ids = append(ids, s.ID)
		public = public && s.Public
	}
	slices.Sort(ids)
	return ids, public && known, known
}

// groups returns the security groups of the tasks; known is false if one does not exist yet.
func (v Service) groups() (ids []string, known bool) {
	for _, r := range v.Groups {
		g, ok := r.Get()
		if !ok {
			return nil, false
		}
		ids = append(ids, g.ID)
	}
	slices.Sort(ids)
	return ids, true
}

// maxTaskSubnets is how many subnets ECS accepts:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
const maxTaskSubnets = 16

func (v Service) networkInput() (*types.NetworkConfiguration, error) {
	subnets, public, known := v.subnets()
	groups, also := v.groups()
	if !known || !also {
		return nil, errors.New("the subnets or the security group are not known yet")
	}
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
		Subnets: subnets, SecurityGroups: groups, AssignPublicIp: assignPublicIP(public),
	}}, nil
}

// Create implements provision.Resource. The token lets the SDK repeat the call if the reply
// is lost; the SDK does not set one.
func (v Service) Create(ctx context.Context) (*ServiceState, error) {
	d, known := v.Definition.Get()
	network, err := v.networkInput()
	if err == nil && !known {
		err = errors.New("the task definition is not known yet")
	}
	if err != nil {
		return nil, fmt.Errorf("create service: %w", err)
	}
	if err := v.Names.Register(ctx); err != nil {
		return nil, err
	}
	in := &ecs.CreateServiceInput{
		Cluster: &v.Cluster, ServiceName: &v.Name, TaskDefinition: &d.ARN, DesiredCount: new(int32(v.Desired)),
		NetworkConfiguration: network, DeploymentConfiguration: rollout(),
		AvailabilityZoneRebalancing: types.AvailabilityZoneRebalancingDisabled,
		SchedulingStrategy:          types.SchedulingStrategyReplica,
		PropagateTags:               types.PropagateTagsService,
		ClientToken:                 new("flowbed-" + rand.Text()),
		Tags:                        tagList(v.ID.Tags(v.Name), ecsTag),
	}
	if v.Spot {
		in.CapacityProviderStrategy = v.strategy()
	} else {
		in.LaunchType = types.LaunchTypeFargate
	}
	out, err := v.API.CreateService(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("create service: %w", err)
	}
	s := serviceOf(deref(out.Service))
	if s.Owner().By == "" { // the reply says too little
		return nil, nil
	}
	return &s, nil
}

// Changes implements provision.Resource. All but the tags change in one call, so that there is
// one deployment.
func (v Service) Changes(have ServiceState) []provision.Change {
	list := v.settings(have)
	if have.Name == "" {
		return append(list, tagChange(nil, v.ID.Tags(v.Name), false, tagger{})...)
	}
	if have.Status != serviceActive { // somebody has deleted it
		return []provision.Change{{Field: "status", From: provision.Text(have.Status), To: provision.Text(serviceActive), Do: v.again}}
	}
	if len(list) > 0 {
		list = provision.Together(list, v.update(have))
	}
	return append(list, tagChange(have.Tags, v.ID.Tags(v.Name), false, tagger{v.setTags(have.ARN), v.dropTags(have.ARN)})...)
}

// again creates the service again, which ECS refuses until the old one is gone.
func (v Service) again(ctx context.Context) error {
	_, err := v.Create(ctx)
	return err
}

// settings lists what differs, but the tags.
func (v Service) settings(have ServiceState) (list []provision.Change) {
	add := func(field, from string, to provision.Value) {
		if from != to.String() || !to.Known() {
			list = append(list, provision.Change{Field: field, From: provision.Text(from), To: to})
		}
	}
	of := func(text string) string { // of a service that there is
		if have.Name == "" {
			return ""
		}
		return text
	}
	d, known := v.Definition.Get()
	known = known && !revised(v.Definition)
	add("task definition", lastPart(have.Definition), textOr(known, lastPart(d.ARN)))
	add("desired count", of(strconv.Itoa(have.Desired)), provision.Text(strconv.Itoa(v.Desired)))
	add("capacity", have.Capacity, provision.Text(v.capacity()))
	subnets, public, found := v.subnets()
	groups, made := v.groups()
	add("subnets", setText(have.Subnets), textOr(found, setText(subnets)))
	add("security groups", setText(have.Groups), textOr(made, setText(groups)))
	add("public address", of(onOff(have.PublicIP)), textOr(found, onOff(public)))
	add("deployments", have.Rollout, provision.Text(wantRollout))
	add("rebalancing", have.Rebalancing, provision.Text("disabled"))
	add("tags of tasks from", have.TagsFrom, provision.Text("service"))
	add("execute command", of(onOff(have.Shell)), provision.Text("off"))
	return list
}

// update removes differences but those of tags. The service keeps what the request leaves out,
// but the configuration of the network is one value. ECS starts a deployment of its own accord
// only if it has to replace tasks; a change of capacity is none.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
func (v Service) update(have ServiceState) func(context.Context, provision.Fields) error {
	return func(ctx context.Context, fields provision.Fields) (err error) {
		in := &ecs.UpdateServiceInput{Cluster: &v.Cluster, Service: &v.Name}
		if in.NetworkConfiguration, err = v.networkOf(have, fields); err != nil {
			return fmt.Errorf("update service: %w", err)
		}
		if fields.Has("task definition") {
			d, _ := v.Definition.Get()
			in.TaskDefinition = &d.ARN
		}
		if fields.Has("desired count") {
			in.DesiredCount = new(int32(v.Desired))
		}
		if fields.Has("capacity") {
			in.CapacityProviderStrategy, in.ForceNewDeployment = v.strategy(), true
		}
		if fields.Has("deployments") {
			in.DeploymentConfiguration = rollout()
		}
		if fields.Has("rebalancing") {
			in.AvailabilityZoneRebalancing = types.AvailabilityZoneRebalancingDisabled
		}
		if fields.Has("tags of tasks from") {
			in.PropagateTags = types.PropagateTagsService
		}
		if fields.Has("execute command") {
			in.EnableExecuteCommand = new(false)
		}
		if _, err := v.API.UpdateService(ctx, in); err != nil {
			return fmt.Errorf("update service: %w", err)
		}
		return nil
	}
}

// networkOf is the network of a service of which some fields change; nil if none does.
func (v Service) networkOf(have ServiceState, fields provision.Fields) (*types.NetworkConfiguration, error) {
	all := provision.Fields{"subnets", "security groups", "public address"}
	if !slices.ContainsFunc(all, fields.Has) {
		return nil, nil
	}
	n, err := v.networkInput()
	if err != nil {
		return nil, err
	}
	a := n.AwsvpcConfiguration
	if !fields.Has("subnets") {
		a.Subnets = have.Subnets
	}
	if !fields.Has("security groups") {
		a.SecurityGroups = have.Groups
	}
	if !fields.Has("public address") {
		a.AssignPublicIp = assignPublicIP(have.PublicIP)
	}
	return n, nil
}

func assignPublicIP(public bool) types.AssignPublicIp {
	if public {
		return types.AssignPublicIpEnabled
	}
	return types.AssignPublicIpDisabled
}

func (v Service) setTags(arn string) func(context.Context, Tags) error {
	return func(ctx context.Context, t Tags) error {
		_, err := v.API.TagResource(ctx, &ecs.TagResourceInput{ResourceArn: &arn, Tags: tagList(t, ecsTag)})
		return err
	}
}

func (v Service) dropTags(arn string) func(context.Context, []string) error {
	return func(ctx context.Context, keys []string) error {
		_, err := v.API.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: &arn, TagKeys: keys})
		return err
	}
}

// Restart replaces the tasks of the service by new ones, which read the secret again.
func (v Service) Restart(ctx context.Context) error {
	_, err := v.API.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &v.Cluster, Service: &v.Name, ForceNewDeployment: true})
	if err != nil {
		return fmt.Errorf("restart service %s: %w", v.Name, err)
	}
	return nil
}

const (
	restartTime  = 15 * time.Minute // more than the circuit breaker takes
	restartPause = 5 * time.Second
)

// AwaitDeployment waits until the service has replaced its tasks. It returns an error if ECS
// gives up, or goes back to the tasks before.
func (v Service) AwaitDeployment(ctx context.Context, progress func(string)) error {
	begun, seen, first := time.Now(), "", ""
	for {
		s, err := v.Read(ctx)
		if err != nil {
			return err
		}
		d := s.primary()
		if first == "" {
			first = d.ID
		}
		switch {
		case d.State == "FAILED" || d.ID != first:
			return fmt.Errorf("restart service %s: its new tasks do not become healthy: %s\n%s", v.Name, d.Reason, v.Explain(ctx, s))
		case d.State == "COMPLETED":
			return nil
		case time.Since(begun) > restartTime:
			return fmt.Errorf("restart service %s: the deployment is not completed after %s\n%s", v.Name, restartTime, v.Explain(ctx, s))
		case d.Reason != seen:
			seen = d.Reason
			progress(seen)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(restartPause):
		}
	}
}

// Explain implements provision.Explainer.
func (v Service) Explain(ctx context.Context, _ ServiceState) string {
	if list := v.Events(ctx); len(list) > 0 {
		return "the service's newest events:\n" + strings.Join(list, "\n")
	}
	return ""
}

// Events returns what ECS has said about the service last, the newest first. They are not part
// of its state: they grow while nothing else changes.
func (v Service) Events(ctx context.Context) (list []string) {
	out, err := v.API.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &v.Cluster, Services: []string{v.Name}})
	if err != nil || len(out.Services) == 0 {
		return nil
	}
	events := out.Services[0].Events
	for _, e := range events[:min(len(events), maxEvents)] {
		list = append(list, deref(e.Message))
	}
	return list
}

func (v Service) arn() string {
	return v.ID.ARN("ecs", v.ID.Region, "service/"+v.Cluster+"/"+v.Name)
}

// Permissions are what the calls need.
func (v Service) Permissions() Permissions {
	return Permissions{
		Read: []Permission{
			on(v.arn(), "ecs:DescribeServices"),
			on("*", "ecs:ListTasks").when("ArnEquals", "ecs:cluster", v.ID.ARN("ecs", v.ID.Region, "cluster/"+v.Cluster)),
			on(v.ID.ARN("ecs", v.ID.Region, "task/"+v.Cluster+"/*"), "ecs:DescribeTasks"),
		},
		Build:  []Permission{on(v.arn(), "ecs:CreateService", "ecs:UpdateService", "ecs:TagResource", "ecs:UntagResource")},
		Delete: []Permission{on(v.arn(), "ecs:DeleteService")},
	}
}

// Discover implements Discoverer. It looks into all clusters, because a service is in one.
func (v Service) Discover(ctx context.Context, _ Recorded) (list []Found, err error) {
	var clusters []string
	pages := ecs.NewListClustersPaginator(v.API, &ecs.ListClustersInput{MaxResults: new(int32(100))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list clusters in %s: %w", v.ID.Region, err)
		}
		clusters = append(clusters, page.ClusterArns...)
	}
	found := make([][]Found, len(clusters))
	err = forEach(ctx, len(clusters), func(ctx context.Context, i int) (err error) {
		found[i], err = v.discoverIn(ctx, clusters[i])
		return awserr.Gone(err) // the cluster may be gone
	})
	if err != nil {
		return nil, fmt.Errorf("list services in %s: %w", v.ID.Region, err)
	}
	return slices.Concat(found...), nil
}

// maxServices is how many services one call describes. A page of the list has as many.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
const maxServices = 10

func (v Service) discoverIn(ctx context.Context, cluster string) (list []Found, err error) {
	pages := ecs.NewListServicesPaginator(v.API, &ecs.ListServicesInput{Cluster: &cluster, MaxResults: new(int32(maxServices))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		if len(page.ServiceArns) == 0 {
			continue
		}
		out, err := v.API.DescribeServices(ctx, &ecs.DescribeServicesInput{
			Cluster: &cluster, Services: page.ServiceArns, Include: []types.ServiceField{types.ServiceFieldTags},
		})
		if err != nil {
			return nil, err
		}
		for _, o := range out.Services {
			if deref(o.Status) == serviceInactive {
				continue
			}
			f := Found{
				Kind: "service", Name: deref(o.ServiceName), Created: deref(o.CreatedAt),
				Tags: tagsOf(o.Tags, func(t types.Tag) (*string, *string) { return t.Key, t.Value }),
			}
			if f.Tags.Owner().By != "" {
				f.Costs = v.costs(ctx, o)
			}
			list = append(list, f)
		}
	}
	return list, nil
}
