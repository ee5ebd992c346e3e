package stack

import (
	"time"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/names"
	"github.com/flowbed/flowbed/provision/prefect"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
	"github.com/flowbed/flowbed/templates"
)

const (
	// eventsKept is how long an event waits for a worker. ECS describes a stopped task for
	// about an hour; after that, the worker cannot tell any more which run it was.
	// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
	eventsKept = 24 * time.Hour

	// deadEventsKept is the longest that SQS offers, so that people can look at them.
	deadEventsKept = 14 * 24 * time.Hour
)

// eventsQueue is the name of the queue with the events of the environment's tasks; empty if
// the spec wants none, or its worker could not read it.
func eventsQueue(env *spec.Environment, v prefect.Version) string {
	if p := env.Prefect; p == nil || p.Events == nil || !*p.Events || v.Kind() != prefect.Worker3 {
		return ""
	}
	return names.Names{Env: env.Name}.Events()
}

// addEvents adds the queues and the rule. It also adds the steps if the spec has none, so
// that up prunes earlier ones: first the rule, then the queue, then its dead letters.
//
// The agent comes after the queue, because a worker that does not find it ends its observer
// for good. It does not come after the rule, which matters only once there are tasks.
func (s *Stack) addEvents() {
	n := s.id.Names()
	has := eventsQueue(s.env, s.version) != ""
	rule := s.id.EventRuleARN(n.Events())
	arn := func(queue string) string { return s.id.ARN("sqs", s.id.Region, queue) }
	dead := addOptional(s, "dead-letter queue", has, resource.Queue{
		API: s.c.SQS, ID: s.id, Name: n.DeadEvents(), Retention: deadEventsKept, Source: arn(n.Events()), Key: s.key,
	})
	s.queue = addOptional(s, "event queue", has, resource.Queue{
		API: s.c.SQS, ID: s.id, Name: n.Events(), Retention: eventsKept,
		Policy: templates.EventsPolicy(arn(n.Events()), rule), DeadLetters: dead, Key: s.key,
	})
	s.rule = addOptional(s, "event rule", has, resource.EventRule{
		API: s.c.Events, ID: s.id, Name: n.Events(), Queue: s.queue, Pattern: s.taskEvents,
		Description: "What happens to the tasks of the flowbed environment " + s.id.Env,
	})
}

// taskEvents is the pattern of the rule. The cluster's ARN follows from its name, so the rule
// need not wait for the cluster.
func (s *Stack) taskEvents() string {
	cluster, _ := s.cluster.Expect()
	return templates.TaskEvents(cluster.ARN, prefect.FamilyPrefix(s.env.Prefect.WorkPool))
}

// eventsForAgent is the queue for which the agent looks; unset if it looks for none.
func (s *Stack) eventsForAgent() provision.Ref[resource.QueueState] {
	if s.o.Destroy || !s.onInstance() || eventsQueue(s.env, s.version) == "" {
		return provision.Ref[resource.QueueState]{}
	}
	return s.queue
}
