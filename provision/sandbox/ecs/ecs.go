// Package ecs is the sandbox's ECS: clusters, services, task definitions and tasks.
//
// Tasks run until a call stops them, or until fargate ends them, which is what runs in them.
// It asks iam whether the roles of a task definition exist, and ec2 for the network interfaces
// of tasks, and tells events what happens to tasks.
package ecs

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
	"github.com/flowbed/flowbed/provision/sandbox/ec2"
)

var service = core.NewService("ecs", func(r *core.Request) *request { return &request{r} }, core.Rules{})

var part = core.Regional("ecs", fresh, inventory)

// request is one call to ECS.
type request struct{ *core.Request }

func (r *request) db() *database { return part.In(r.Request) }

// database is ECS's part of a region.
type database struct {
	Clusters    map[string]*cluster        `json:"clusters"`    // by name; inactive ones stay
	Tasks       map[string]*task           `json:"tasks"`       // by ARN
	Services    map[string]*ecsService     `json:"services"`    // by ARN
	Definitions map[string]*taskDefinition `json:"definitions"` // by family:revision
	Linked      bool                       `json:"linked"`      // the service-linked role exists
}

type cluster struct {
	Name      string            `json:"name"`
	Status    string            `json:"status"`
	Providers []string          `json:"providers"`
	Strategy  []strategyItem    `json:"strategy"`
	Settings  map[string]string `json:"settings"`
	Tags      core.Tags         `json:"tags"`
	Machines  []string          `json:"machines,omitempty"` // ARNs of its container instances
}

type strategyItem struct {
	Provider string `json:"provider"`
	Weight   int32  `json:"weight"`
	Base     int32  `json:"base"`
}

type task struct {
	ARN        string    `json:"arn"`
	Cluster    string    `json:"cluster"`
	Definition string    `json:"definition"` // ARN
	Status     string    `json:"status"`
	Provider   string    `json:"provider"`
	Group      string    `json:"group"`
	StartedBy  string    `json:"started_by"`
	Role       string    `json:"role,omitempty"` // overrides the definition's role
	Created    time.Time `json:"created"`
	Tags       core.Tags `json:"tags"`

	Environment map[string]string `json:"environment,omitempty"` // of the first container, from the overrides
	Network     *TaskNetwork      `json:"network,omitempty"`
	Memory      int               `json:"memory,omitempty"` // in MiB, from the overrides
	Interface   *ec2.Attachment   `json:"interface,omitempty"`
	End         *TaskEnd          `json:"end,omitempty"`
	Stopping    *TaskEnd          `json:"stopping,omitempty"` // how a task ends that StopTask has told to end
}

type taskDefinition struct {
	Family        string    `json:"family"`
	Revision      int32     `json:"revision"`
	Status        string    `json:"status"`
	Image         string    `json:"image"`
	TaskRole      string    `json:"task_role"`
	ExecutionRole string    `json:"execution_role"`
	Tags          core.Tags `json:"tags"`

	// The first container's, if it has any.
	Container string            `json:"container,omitempty"`
	Secrets   map[string]string `json:"secrets,omitempty"` // ARNs by variable
	Log       map[string]string `json:"log,omitempty"`     // the options of awslogs
	Memory    int               `json:"memory,omitempty"`  // of the task, in MiB
	CPU       int               `json:"cpu,omitempty"`

	NetworkMode types.NetworkMode `json:"network_mode,omitempty"`
	PidMode     types.PidMode     `json:"pid_mode,omitempty"`
	Privileged  bool              `json:"privileged,omitempty"`

	Command     []string           `json:"command,omitempty"`
	Environment map[string]string  `json:"environment,omitempty"`
	Health      *types.HealthCheck `json:"health,omitempty"`
	StopTimeout *int32             `json:"stop_timeout,omitempty"`
	Registered  time.Time          `json:"registered,omitzero"`
}

func fresh(string) *database {
	return &database{
		Clusters: map[string]*cluster{}, Tasks: map[string]*task{},
		Services: map[string]*ecsService{}, Definitions: map[string]*taskDefinition{},
	}
}

func inventory(_ *core.Request, d *database) any {
	c := *d
	c.Linked = false
	c.Clusters = core.Without(d.Clusters, func(o *cluster) bool { return o.Status == "INACTIVE" })
	c.Services = core.Without(d.Services, func(o *ecsService) bool { return o.Status == "INACTIVE" })
	c.Tasks = core.Without(d.Tasks, func(o *task) bool { return o.Status == "STOPPED" })
	c.Definitions = core.Without(d.Definitions, func(o *taskDefinition) bool { return o.Status != "ACTIVE" })
	return c
}

func (r *request) arnOf(object string) string { return r.ARN("ecs", r.Region, object) }

func invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func clientError(format string, args ...any) error {
	return &types.ClientException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// clusterName returns the name in a short name or an ARN; nil means "default".
func clusterName(s *string) string {
	if aws.ToString(s) == "" {
		return "default"
	}
	return (*s)[strings.LastIndex(*s, "/")+1:]
}

// active finds a cluster that is not INACTIVE.
func (r *request) active(name *string) (*cluster, error) {
	if c := r.db().Clusters[clusterName(name)]; c != nil && c.Status == "ACTIVE" {
		return c, nil
	}
	return nil, &types.ClusterNotFoundException{Message: aws.String("Cluster not found.")}
}

var clusterChars = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

// checkProviders rejects unknown capacity providers, and a strategy with providers
// that the cluster does not have.
func checkProviders(providers []string, strategy []types.CapacityProviderStrategyItem) ([]strategyItem, error) {
	for _, p := range providers {
		if p != "FARGATE" && p != "FARGATE_SPOT" {
			return nil, invalid("The specified capacity provider '%s' was not found. Specify a valid name or ARN and try again.", p)
		}
	}
	var items []strategyItem
	based := 0
	for _, s := range strategy {
		if !slices.Contains(providers, aws.ToString(s.CapacityProvider)) {
			return nil, invalid("The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.")
		}
		if s.Base > 0 {
			based++
		}
		items = append(items, strategyItem{aws.ToString(s.CapacityProvider), s.Weight, s.Base})
	}
	if based > 1 {
		return nil, invalid("Only one capacity provider in a capacity provider strategy can have a base defined.")
	}
	return items, nil
}

func checkSettings(have map[string]string, list []types.ClusterSetting) (map[string]string, error) {
	next := maps.Clone(have)
	for _, s := range list {
		v := aws.ToString(s.Value)
		if s.Name != types.ClusterSettingNameContainerInsights || !slices.Contains([]string{"enabled", "disabled", "enhanced"}, v) {
			return nil, invalid("Invalid cluster setting %s=%s", s.Name, v)
		}
		next[string(s.Name)] = v
	}
	return next, nil
}

func newTags(have core.Tags, list []types.Tag) (core.Tags, error) {
	add := make([]core.Tag, 0, len(list))
	for _, t := range list {
		add = append(add, core.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return have.With(add, core.TagRules{Code: "InvalidParameterException", TooMany: "InvalidParameterException"})
}

func tagList(t core.Tags) (list []types.Tag) {
	for _, k := range t.Keys() {
		list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(t[k])})
	}
	return list
}
