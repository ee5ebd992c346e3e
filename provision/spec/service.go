package spec

import (
	"fmt"
	"slices"
)

// Service runs the agent as an ECS service on Fargate instead of an EC2 instance: ECS replaces
// a worker that has died, and a change starts the new worker before it stops the old one. No
// port is open, and there is nothing to log in to. An empty block is enough. It cannot be
// combined with `instance_type`, `image`, `volume_gib`, `setup` and `ssh` of the agent block,
// which are about the instance; in an environment it replaces those in the defaults, and they
// replace it.
type Service struct {
	// Enabled leaves the block out if it is false, where the defaults have one.
	// Default: true.
	Enabled *bool `hcl:"enabled,optional"`

	// DesiredCount is how many workers run, from 0 to 100. They share the runs of the work
	// pool. Default: 1.
	DesiredCount *int `hcl:"desired_count,optional"`

	// CPU is the CPU of each worker, in units of 1/1024 vCPU: 256, 512, 1024, 2048, 4096, 8192
	// or 16384. Default: 256.
	CPU int `hcl:"cpu,optional"`

	// Memory is the memory of each worker, in MiB. Fargate has a range for each cpu, for example
	// 512 to 2048 for 256. Default: 1024.
	Memory int `hcl:"memory,optional"`

	// Image is the worker's container image. It needs Python, Prefect of the same version
	// and, for a worker, prefect-aws. Default: Prefect's image that pins both versions:
	// `prefecthq/prefect-aws:<version of prefect-aws>-python3.12-prefect<version>`; for
	// Prefect 2, `prefecthq/prefect:<version>-python3.12`, which installs the right prefect-aws
	// each time it starts; for Prefect 1, `prefecthq/prefect:<version>`.
	Image string `hcl:"image,optional"`

	// Spot runs the workers on Fargate Spot: cheaper, but AWS may stop one with two minutes'
	// notice, and starts no other while it has no capacity. Default: false.
	Spot bool `hcl:"spot,optional"`

	// StopTimeout is how many seconds a worker has to end after ECS asked it to, from 2 to
	// 120. A worker ends as soon as it has submitted the runs that it took. Default: 120.
	StopTimeout int `hcl:"stop_timeout,optional"`
}

const (
	serviceCPU    = 256
	serviceMemory = 1024
	stopTimeout   = 120 // the most that Fargate allows
)

func (s *Service) complete() {
	if s.DesiredCount == nil {
		s.DesiredCount = new(1)
	}
	or(&s.CPU, serviceCPU)
	or(&s.Memory, serviceMemory)
	or(&s.StopTimeout, stopTimeout)
}

func (d *decoder) checkService(a *Agent) {
	s := a.Service
	d.refuseInstance(a)
	if n := s.DesiredCount; d.has(&s.DesiredCount) && (*n < 0 || *n > 100) {
		d.errorAt(d.given[&s.DesiredCount].attr.Expr.Range(), "Invalid desired_count", "That is not a number of workers that flowbed runs. → use 0 to 100")
	}
	d.checkSize(taskSize{&s.CPU, &s.Memory, serviceCPU, serviceMemory})
	if n := s.StopTimeout; d.has(&s.StopTimeout) && (n < 2 || n > stopTimeout) {
		d.bad(&s.StopTimeout, "Invalid stop_timeout", "%s is not a number of seconds that Fargate accepts. → use 2 to 120")
	}
	if d.has(&s.Image) && !imageName.matches(s.Image) {
		d.bad(&s.Image, "Invalid image", `%s is not a container image. → use, for example, "prefecthq/prefect-aws:0.7.12-python3.12-prefect3.9.1"`)
	}
}

// refuseInstance refuses what is about an instance beside a service.
func (d *decoder) refuseInstance(a *Agent) {
	for _, f := range []struct {
		field any
		name  string
	}{{&a.InstanceType, "instance_type"}, {&a.Image, "image"}, {&a.VolumeGiB, "volume_gib"}, {&a.Setup, "setup"}} {
		todo := "remove it, or remove the service block"
		switch f.name {
		case "setup":
			todo = "to prepare the worker, build an image and name it in the service block; to use an instance, remove the service block"
		case "image":
			todo = "to set the worker's image, move it into the service block; to use an instance, remove the service block"
		}
		d.refuse(f.field, f.name+" with a service", fmt.Sprintf("The attribute %s is about an EC2 instance, and the service block runs the agent on Fargate, without one. → %s", f.name, todo))
	}
	if r := a.Role; r != nil && r.Ownership == "external" {
		d.refuse(&r.Ownership, "External role with a service", "flowbed makes the role of a service itself. → remove name, instance_profile and ownership here, or remove the service block")
	}
	if b := d.blockOf(a.SSH); a.SSH != nil && b != nil {
		d.errorAt(b.DefRange(), "ssh with a service", "The service block runs the agent on Fargate, where there is no instance to log in to. → remove one of the two blocks; `flowbed agent logs` shows the worker's log")
	}
}

// checkSpot checks the worker's capacity against the cluster's, defaults included.
func (d *decoder) checkSpot(e *Environment) {
	if e.Agent == nil || e.Agent.Service == nil {
		return
	}
	s := e.Agent.Service
	if s.Spot && d.has(&s.Spot) && !slices.Contains(e.Cluster.CapacityProviders, "FARGATE_SPOT") {
		d.errorAt(d.given[&s.Spot].attr.Expr.Range(), "No Fargate Spot",
			`The cluster does not have the capacity provider "FARGATE_SPOT". → add it to capacity_providers in the cluster block, or leave them out`)
	}
}
