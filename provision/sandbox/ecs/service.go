package ecs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
)

func init() {
	core.Register(service, createService, createServiceAccess)
	core.Register(service, updateService, serviceAccess)
	core.Register(service, deleteService, serviceAccess)
	core.Register(service, listServices, inClusterAccess)
	core.Register(service, describeServices, describeServicesAccess)
	core.Register(service, tagResource, tagsAccess)
	core.Register(service, untagResource, tagsAccess)
	core.Register(service, listTagsForResource, core.Anything)
}

type ecsService struct {
	ARN         string         `json:"arn"`
	Name        string         `json:"name"`
	Cluster     string         `json:"cluster"`
	Definition  string         `json:"definition"` // ARN
	Status      string         `json:"status"`
	Desired     int32          `json:"desired"`
	Created     time.Time      `json:"created,omitzero"`
	Launch      string         `json:"launch,omitempty"` // the launch type; empty with a strategy
	Strategy    []strategyItem `json:"strategy,omitempty"`
	Network     *TaskNetwork   `json:"network,omitempty"`
	Rollout     rollout        `json:"rollout"`
	Rebalancing string         `json:"rebalancing,omitempty"`
	Propagate   string         `json:"propagate,omitempty"`
	Exec        bool           `json:"exec,omitempty"`
	Deployments []*deployment  `json:"deployments,omitempty"` // the newest first
	Events      []event        `json:"events,omitempty"`      // the newest first
	Token       string         `json:"token,omitempty"`       // of its creation
	Asked       string         `json:"asked,omitempty"`       // the digest of that request
	Tags        core.Tags      `json:"tags"`
}

// rollout is the deployment configuration.
type rollout struct {
	Least    int32 `json:"least"` // percent
	Most     int32 `json:"most"`
	Breaker  bool  `json:"breaker,omitempty"`
	Rollback bool  `json:"rollback,omitempty"`
}

type event struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

func (s *ecsService) says(at time.Time, format string, args ...any) {
	e := event{at, "(service " + s.Name + ") " + fmt.Sprintf(format, args...)}
	s.Events = append([]event{e}, s.Events[:min(len(s.Events), 99)]...)
}

func (r *request) service(s *ecsService) *types.Service {
	o := &types.Service{
		ServiceArn: &s.ARN, ServiceName: &s.Name, ClusterArn: aws.String(r.arnOf("cluster/" + s.Cluster)),
		Status: aws.String(s.Status), DesiredCount: s.Desired, TaskDefinition: aws.String(s.Definition), Tags: tagList(s.Tags),
		CreatedAt: &s.Created, LaunchType: types.LaunchType(s.Launch), PropagateTags: types.PropagateTags(s.Propagate),
		AvailabilityZoneRebalancing: types.AvailabilityZoneRebalancing(s.Rebalancing), EnableExecuteCommand: s.Exec,
		SchedulingStrategy: types.SchedulingStrategyReplica, PlatformVersion: aws.String("LATEST"),
		DeploymentConfiguration: &types.DeploymentConfiguration{
			MinimumHealthyPercent: &s.Rollout.Least, MaximumPercent: &s.Rollout.Most,
			DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: s.Rollout.Breaker, Rollback: s.Rollout.Rollback},
		},
	}
	for _, i := range s.Strategy {
		o.CapacityProviderStrategy = append(o.CapacityProviderStrategy, types.CapacityProviderStrategyItem{CapacityProvider: aws.String(i.Provider), Weight: i.Weight, Base: i.Base})
	}
	if n := s.Network; n != nil {
		public := types.AssignPublicIpDisabled
		if n.Public {
			public = types.AssignPublicIpEnabled
		}
		o.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: n.Subnets, SecurityGroups: n.Groups, AssignPublicIp: public}}
	}
	for i, d := range s.Deployments {
		status := "ACTIVE"
		if i == 0 {
			status = "PRIMARY"
		}
		o.Deployments = append(o.Deployments, types.Deployment{
			Id: &d.ID, Status: aws.String(status), TaskDefinition: aws.String(d.Definition), RolloutState: types.DeploymentRolloutState(d.State),
			RolloutStateReason: aws.String(d.Reason), CreatedAt: &d.Created, DesiredCount: s.Desired, FailedTasks: d.Failed,
		})
	}
	for _, t := range r.tasksOf(s) {
		switch t.Status {
		case "RUNNING":
			o.RunningCount++
		case "PROVISIONING", "PENDING":
			o.PendingCount++
		}
	}
	for _, e := range s.Events {
		o.Events = append(o.Events, types.ServiceEvent{CreatedAt: &e.At, Message: aws.String(e.Text)})
	}
	return o
}

// createService creates a service. The scheduler starts its tasks. A call with the same name is
// the same call only if it asks for the same.
func createService(r *request, in *ecs.CreateServiceInput) (*ecs.CreateServiceOutput, error) {
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	d, err := r.findDefinition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	if d.Status != "ACTIVE" {
		return nil, clientError("TaskDefinition is inactive")
	}
	name, asked := aws.ToString(in.ServiceName), digestOf(in)
	if len(aws.ToString(in.ClientToken)) > 36 {
		return nil, invalid("ClientToken cannot be longer than 36.")
	}
	if !clusterChars.MatchString(name) {
		return nil, invalid("Invalid service name: %s", name)
	}
	arn := r.arnOf("service/" + c.Name + "/" + name)
	switch s := r.db().Services[arn]; {
	case s == nil || s.Status == "INACTIVE":
	case s.Status == "DRAINING":
		return nil, invalid("Unable to Start a service that is still Draining.")
	case s.Asked == asked:
		return &ecs.CreateServiceOutput{Service: r.service(s)}, nil
	default:
		return nil, invalid("Creation of service was not idempotent.")
	}
	t, err := newTags(core.Tags{}, in.Tags)
	if err != nil {
		return nil, err
	}
	s := &ecsService{
		ARN: arn, Name: name, Cluster: c.Name, Status: "ACTIVE", Desired: aws.ToInt32(in.DesiredCount), Created: r.Now,
		Definition: r.arnOf("task-definition/" + d.key()), Tags: t, Asked: asked, Rollout: rollout{Least: 100, Most: 200},
		Rebalancing: "ENABLED", Propagate: "NONE", Exec: in.EnableExecuteCommand,
	}
	if in.DesiredCount == nil {
		return nil, invalid("Services using the REPLICA scheduling strategy must specify a desired count.")
	}
	if err := r.configure(s, c, settingsOf(in)); err != nil {
		return nil, err
	}
	if s.Network == nil && d.CPU > 0 {
		return nil, invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	r.db().Services[arn] = s
	r.deploy(s, "")
	return &ecs.CreateServiceOutput{Service: r.service(s)}, nil
}

func digestOf(in *ecs.CreateServiceInput) string {
	b, err := json.Marshal(in)
	if err != nil {
		panic(err) // the SDK's inputs are plain data
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

// settings are what CreateService and UpdateService have in common. nil leaves a setting.
type settings struct {
	launch    types.LaunchType
	strategy  []types.CapacityProviderStrategyItem // empty but not nil: none
	network   *types.NetworkConfiguration
	rollout   *types.DeploymentConfiguration
	balance   types.AvailabilityZoneRebalancing
	propagate types.PropagateTags
}

func settingsOf(in *ecs.CreateServiceInput) settings {
	return settings{in.LaunchType, in.CapacityProviderStrategy, in.NetworkConfiguration, in.DeploymentConfiguration, in.AvailabilityZoneRebalancing, in.PropagateTags}
}

func (r *request) configure(s *ecsService, c *cluster, in settings) error {
	if err := s.capacity(c, in); err != nil {
		return err
	}
	if n := in.network; n != nil && n.AwsvpcConfiguration != nil {
		v := n.AwsvpcConfiguration
		if len(v.Subnets) == 0 || len(v.Subnets) > 16 || len(v.SecurityGroups) > 5 {
			return invalid("subnets can have at least 1 and at most 16 items, security groups at most 5.")
		}
		for _, subnet := range v.Subnets {
			if err := unattached(ec2.CanAttach(r.Request, subnet, v.SecurityGroups), subnet, v.SecurityGroups); err != nil {
				return err
			}
		}
		s.Network = &TaskNetwork{slices.Clone(v.Subnets), slices.Clone(v.SecurityGroups), v.AssignPublicIp == types.AssignPublicIpEnabled}
	}
	s.Rollout.set(in.rollout)
	if in.balance != "" {
		s.Rebalancing = string(in.balance)
	}
	if s.Rebalancing == "ENABLED" && s.Rollout.Most <= 100 {
		return invalid("availabilityZoneRebalancing cannot be ENABLED when maximumPercent is 100 or less.")
	}
	if in.propagate != "" {
		s.Propagate = string(in.propagate)
	}
	return nil
}

func (r *rollout) set(c *types.DeploymentConfiguration) {
	if c == nil {
		return
	}
	if c.MinimumHealthyPercent != nil {
		r.Least = *c.MinimumHealthyPercent
	}
	if c.MaximumPercent != nil {
		r.Most = *c.MaximumPercent
	}
	if b := c.DeploymentCircuitBreaker; b != nil {
		r.Breaker, r.Rollback = b.Enable, b.Rollback
	}
}

// capacity sets the launch type or the strategy. A service has exactly one of them.
func (s *ecsService) capacity(c *cluster, in settings) error {
	switch {
	case in.launch != "" && len(in.strategy) > 0:
		return invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	case in.launch != "" && in.launch != types.LaunchTypeFargate:
		return invalid("No Container Instances were found in your cluster.")
	case len(in.strategy) > 0:
		items, err := checkProviders(c.Providers, in.strategy)
		if err != nil {
			return err
		}
		s.Strategy, s.Launch = items, ""
	case in.launch != "", in.strategy != nil && s.Launch == "":
		s.Strategy, s.Launch = nil, "FARGATE"
	case s.Launch == "" && s.Strategy == nil: // a new service takes the cluster's default
		if s.Strategy = c.Strategy; len(c.Strategy) == 0 {
			s.Launch = "EC2"
		}
	}
	return nil
}

// findService finds a service that is not gone. ECS shows a deleted one for some time.
func (r *request) findService(cluster, name *string) (*ecsService, error) {
	if _, err := r.active(cluster); err != nil {
		return nil, err
	}
	if s := r.db().Services[r.serviceARN(cluster, name)]; s != nil {
		return s, nil
	}
	return nil, &types.ServiceNotFoundException{Message: aws.String("Service not found.")}
}

func notActive() error {
	return &types.ServiceNotActiveException{Message: aws.String("Service was not ACTIVE.")}
}

// updateService changes a service. Only some changes start a deployment.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
func updateService(r *request, in *ecs.UpdateServiceInput) (*ecs.UpdateServiceOutput, error) {
	s, err := r.findService(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if s.Status != "ACTIVE" {
		return nil, notActive()
	}
	next, network := *s, s.Network
	if in.TaskDefinition != nil {
		d, err := r.findDefinition(in.TaskDefinition)
		if err != nil {
			return nil, err
		}
		arn := r.arnOf("task-definition/" + d.key())
		if d.Status != "ACTIVE" && arn != s.Definition {
			return nil, clientError("TaskDefinition is inactive")
		}
		next.Definition = arn
	}
	c, err := r.active(in.Cluster)
	if err != nil {
		return nil, err
	}
	if err := r.configure(&next, c, settings{"", in.CapacityProviderStrategy, in.NetworkConfiguration, in.DeploymentConfiguration, in.AvailabilityZoneRebalancing, in.PropagateTags}); err != nil {
		return nil, err
	}
	if in.DesiredCount != nil {
		next.Desired = *in.DesiredCount
	}
	if in.EnableExecuteCommand != nil {
		next.Exec = *in.EnableExecuteCommand
	}
	deploys := in.ForceNewDeployment || next.Definition != s.Definition || !network.same(next.Network)
	*s = next
	if deploys {
		r.deploy(s, "")
	}
	return &ecs.UpdateServiceOutput{Service: r.service(s)}, nil
}

func (n *TaskNetwork) same(o *TaskNetwork) bool {
	if n == nil || o == nil {
		return n == o
	}
	return n.Public == o.Public && slices.Equal(slices.Sorted(slices.Values(n.Subnets)), slices.Sorted(slices.Values(o.Subnets))) &&
		slices.Equal(slices.Sorted(slices.Values(n.Groups)), slices.Sorted(slices.Values(o.Groups)))
}

// deleteService lets the tasks end. Until they have, the service is DRAINING.
func deleteService(r *request, in *ecs.DeleteServiceInput) (*ecs.DeleteServiceOutput, error) {
	s, err := r.findService(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if s.Status == "INACTIVE" {
		return nil, notActive()
	}
	if s.Desired > 0 && !aws.ToBool(in.Force) {
		return nil, invalid("The service cannot be stopped while it is scaled above 0.")
	}
	s.Status, s.Desired = "DRAINING", 0
	r.schedule(s)
	return &ecs.DeleteServiceOutput{Service: r.service(s)}, nil
}

// listServices lists ten by default, and none that is draining.
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
	if in.MaxResults == nil {
		in.MaxResults = aws.Int32(10)
	}
	some, next, err := core.Page(all, in.NextToken, in.MaxResults, 100)
	return &ecs.ListServicesOutput{ServiceArns: some, NextToken: next}, err
}

func describeServices(r *request, in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
	if len(in.Services) == 0 || len(in.Services) > 10 {
		return nil, invalid("Services cannot be empty, and cannot have more than 10 elements.")
	}
	out := &ecs.DescribeServicesOutput{}
	for _, name := range in.Services {
		s, err := r.findService(in.Cluster, &name)
		if core.CodeOf(err) == "ServiceNotFoundException" {
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(r.serviceARN(in.Cluster, &name)), Reason: aws.String("MISSING")})
			continue
		}
		if err != nil {
			return nil, err
		}
		o := *r.service(s)
		if !slices.Contains(in.Include, types.ServiceFieldTags) {
			o.Tags = nil
		}
		out.Services = append(out.Services, o)
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
