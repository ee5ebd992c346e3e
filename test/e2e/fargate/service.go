//go:build linux

package fargate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/flowbed/flowbed/test/e2e/moto"
)

// service is an ECS service. moto drops most settings of a service and starts no tasks, so the
// player keeps services itself. Its mutex guards them.
type service struct {
	name, arn   string
	cluster     string
	settings    moto.Object // what CreateService and UpdateService have set
	asked       string      // the request that created it
	status      string
	desired     int
	definition  string // ARN
	deployments []*deployment
	events      []moto.Object
	tags        []any
	created     time.Time
}

// deployment is the replacement of a service's tasks by others.
type deployment struct {
	id, definition, state, reason string
	good                          string // the definition of the last completed one before
	created                       time.Time
	failed                        int
}

// settings are the members of a service that stay as they were set.
var settings = []string{
	"launchType", "capacityProviderStrategy", "networkConfiguration", "deploymentConfiguration", "availabilityZoneRebalancing",
	"propagateTags", "enableExecuteCommand", "schedulingStrategy", "platformVersion", "enableECSManagedTags",
}

func refuse(code, message string) (int, moto.Object, error) {
	return http.StatusBadRequest, moto.Object{"__type": code, "message": message}, nil
}

const invalid = "InvalidParameterException"

// deployable returns an active definition; or what refuses it.
func (p *Player) deployable(ctx context.Context, name any) (definition moto.Object, status int, out moto.Object, err error) {
	status, out, err = p.ask(ctx, "DescribeTaskDefinition", moto.Object{"taskDefinition": name})
	if err != nil || status != http.StatusOK {
		return nil, status, out, err
	}
	d, _ := out["taskDefinition"].(moto.Object)
	if text(d["status"]) != "ACTIVE" {
		status, out, err = refuse("ClientException", "TaskDefinition is inactive")
		return nil, status, out, err
	}
	return d, http.StatusOK, nil, nil
}

// createService creates a service. Its tasks start later.
func (p *Player) createService(ctx context.Context, in moto.Object) (int, moto.Object, error) {
	status, out, err := p.ask(ctx, "ListTasks", moto.Object{"cluster": in["cluster"]}) // checks the cluster
	if err != nil || status != http.StatusOK {
		return status, out, err
	}
	definition, status, out, err := p.deployable(ctx, in["taskDefinition"])
	if err != nil || status != http.StatusOK {
		return status, out, err
	}
	asked, err := json.Marshal(in)
	if err != nil {
		return 0, nil, err
	}
	if reason := incomplete(in, definition); reason != "" {
		return refuse(invalid, reason)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &service{
		name: text(in["serviceName"]), cluster: first(lastPart(text(in["cluster"])), "default"), asked: string(asked), status: "ACTIVE",
		desired: int(in["desiredCount"].(float64)), definition: text(definition["taskDefinitionArn"]), created: time.Now(), settings: moto.Object{
			"schedulingStrategy": "REPLICA", "platformVersion": "LATEST", "propagateTags": "NONE", "availabilityZoneRebalancing": "ENABLED", "enableExecuteCommand": false,
			"deploymentConfiguration": moto.Object{"minimumHealthyPercent": 100, "maximumPercent": 200},
		},
	}
	s.arn = "arn:aws:ecs:" + p.Region + ":" + p.Front.Account + ":service/" + s.cluster + "/" + s.name
	switch old := p.service(s.cluster, s.name); {
	case old == nil:
	case old.status == "DRAINING":
		return refuse(invalid, "Unable to Start a service that is still Draining.")
	case old.status == "ACTIVE" && old.asked == s.asked:
		return http.StatusOK, moto.Object{"service": p.showService(old)}, nil
	case old.status == "ACTIVE":
		return refuse(invalid, "Creation of service was not idempotent.")
	default:
		p.services = slices.DeleteFunc(p.services, func(o *service) bool { return o == old })
	}
	s.set(in)
	s.tags, _ = in["tags"].([]any)
	s.deploy("")
	p.services = append(p.services, s)
	return http.StatusOK, moto.Object{"service": p.showService(s)}, nil
}

// incomplete tells what is wrong with a request to create a service.
func incomplete(in, definition moto.Object) string {
	_, counted := in["desiredCount"].(float64)
	switch _, launch := in["launchType"]; {
	case !counted:
		return "Services using the REPLICA scheduling strategy must specify a desired count."
	case launch && in["capacityProviderStrategy"] != nil:
		return "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
	case in["networkConfiguration"] == nil && text(definition["networkMode"]) == "awsvpc":
		return "Network Configuration must be provided when networkMode 'awsvpc' is specified."
	}
	return ""
}

// set takes the settings that a call names. A strategy replaces the launch type.
func (s *service) set(in moto.Object) {
	for _, name := range settings {
		if v, ok := in[name]; ok && v != nil {
			s.settings[name] = v
		}
	}
	if strategy, ok := in["capacityProviderStrategy"].([]any); ok {
		if len(strategy) > 0 {
			delete(s.settings, "launchType")
			return
		}
		delete(s.settings, "capacityProviderStrategy")
		s.settings["launchType"] = "FARGATE"
	}
}

// deploy begins a deployment. A reason begins one that goes back.
func (s *service) deploy(reason string) {
	d := &deployment{
		id: fmt.Sprintf("ecs-svc/%019d", time.Now().UnixNano()), definition: s.definition, state: "IN_PROGRESS", created: time.Now(),
	}
	d.reason = first(reason, "ECS deployment "+d.id+" in progress.")
	if len(s.deployments) > 0 {
		last := s.deployments[0]
		d.good = last.good
		if last.state == "COMPLETED" {
			d.good = last.definition
		}
	}
	s.deployments = append([]*deployment{d}, s.deployments...)
}

// updateService changes a service. Another definition or network begins a deployment.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
func (p *Player) updateService(ctx context.Context, in moto.Object) (int, moto.Object, error) {
	definition := ""
	if in["taskDefinition"] != nil {
		d, status, out, err := p.deployable(ctx, in["taskDefinition"])
		if err != nil || status != http.StatusOK {
			return status, out, err
		}
		definition = text(d["taskDefinitionArn"])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.service(text(in["cluster"]), text(in["service"]))
	if s == nil {
		return refuse("ServiceNotFoundException", "Service not found.")
	}
	if s.status != "ACTIVE" {
		return refuse("ServiceNotActiveException", "Service was not ACTIVE.")
	}
	network := fmt.Sprint(s.settings["networkConfiguration"])
	s.set(in)
	if count, ok := in["desiredCount"].(float64); ok {
		s.desired = int(count)
	}
	moves := definition != "" && definition != s.definition || network != fmt.Sprint(s.settings["networkConfiguration"])
	s.definition = first(definition, s.definition)
	if force, _ := in["forceNewDeployment"].(bool); force || moves {
		s.deploy("")
	}
	return http.StatusOK, moto.Object{"service": p.showService(s)}, nil
}

// deleteService lets the tasks end. Until they do, the service is draining.
func (p *Player) deleteService(in moto.Object) (int, moto.Object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.service(text(in["cluster"]), text(in["service"]))
	if s == nil {
		return refuse("ServiceNotFoundException", "Service not found.")
	}
	if s.status == "INACTIVE" {
		return refuse("ServiceNotActiveException", "Service was not ACTIVE.")
	}
	if force, _ := in["force"].(bool); s.desired > 0 && !force {
		return refuse(invalid, "The service cannot be stopped while it is scaled above 0.")
	}
	s.status, s.desired = "DRAINING", 0
	return http.StatusOK, moto.Object{"service": p.showService(s)}, nil
}

func (p *Player) describeServices(in moto.Object) (int, moto.Object, error) {
	names, _ := in["services"].([]any)
	if len(names) == 0 || len(names) > 10 {
		return refuse(invalid, "Services cannot be empty, and cannot have more than 10 elements.")
	}
	include, _ := in["include"].([]any)
	found, failures := []any{}, []any{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range names {
		s := p.service(text(in["cluster"]), text(name))
		if s == nil {
			failures = append(failures, moto.Object{"reason": "MISSING", "arn": "arn:aws:ecs:" + p.Region + ":" + p.Front.Account + ":service/" +
				first(lastPart(text(in["cluster"])), "default") + "/" + lastPart(text(name))})
			continue
		}
		o := p.showService(s)
		if slices.Contains(include, any("TAGS")) {
			o["tags"] = s.tags
		}
		found = append(found, o)
	}
	return http.StatusOK, moto.Object{"services": found, "failures": failures}, nil
}

func (p *Player) listServices(in moto.Object) (int, moto.Object, error) {
	arns := []any{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.services {
		if s.status == "ACTIVE" && s.cluster == first(lastPart(text(in["cluster"])), "default") {
			arns = append(arns, s.arn)
		}
	}
	return http.StatusOK, moto.Object{"serviceArns": arns}, nil
}

// service finds a service by the names or ARNs. The caller holds the mutex.
func (p *Player) service(cluster, name string) *service {
	for _, s := range p.services {
		if s.cluster == first(lastPart(cluster), "default") && s.name == lastPart(name) {
			return s
		}
	}
	return nil
}

// showService returns a service without its tags. The caller holds the mutex.
func (p *Player) showService(s *service) moto.Object {
	seconds := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	o := maps.Clone(s.settings)
	deployments := []any{}
	for i, d := range s.deployments {
		status := "ACTIVE"
		if i == 0 {
			status = "PRIMARY"
		}
		running, pending := count(p.tasksOf(s, d))
		deployments = append(deployments, moto.Object{
			"id": d.id, "status": status, "taskDefinition": d.definition, "rolloutState": d.state, "rolloutStateReason": d.reason,
			"createdAt": seconds(d.created), "updatedAt": seconds(d.created), "desiredCount": s.desired, "failedTasks": d.failed,
			"runningCount": running, "pendingCount": pending,
		})
	}
	running, pending := count(p.tasksOf(s, nil))
	maps.Copy(o, moto.Object{
		"serviceArn": s.arn, "serviceName": s.name, "clusterArn": "arn:aws:ecs:" + p.Region + ":" + p.Front.Account + ":cluster/" + s.cluster,
		"status": s.status, "desiredCount": s.desired, "taskDefinition": s.definition, "createdAt": seconds(s.created), "deployments": deployments,
		"events": s.events, "runningCount": running, "pendingCount": pending,
	})
	return o
}

// count counts the tasks that run and those that start.
func count(tasks []*task) (running, pending int) {
	for _, t := range tasks {
		switch t.status {
		case "RUNNING":
			running++
		case "PROVISIONING", "PENDING":
			pending++
		}
	}
	return running, pending
}

// tasksOf returns the tasks of a service, or of one of its deployments. The caller holds the
// mutex.
func (p *Player) tasksOf(s *service, d *deployment) (list []*task) {
	for _, t := range p.tasks {
		of := t.service() == s.name && lastPart(text(t.view["clusterArn"])) == s.cluster
		if of && (d == nil || text(t.view["startedBy"]) == d.id) {
			list = append(list, t)
		}
	}
	return list
}
