package stack_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/sandbox"
	"github.com/flowbed/flowbed/test/try"
)

const elsewhere = `environment "%s" {
	prefect {
		api_url   = "https://prefect.example.com/api"
		work_pool = "%s"
	}
}`

// flow runs a task of a work pool in the cluster that all environments share, and stops it.
func flow(t *testing.T, account *sandbox.Account, pool string) {
	t.Helper()
	api, family := ecs.NewFromConfig(account.Config(region)), "prefect_"+pool+"_flow"
	try.Must(api.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: &family, ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("prefect"), Image: aws.String("flow")}}}))
	task := try.Must(api.RunTask(t.Context(), &ecs.RunTaskInput{TaskDefinition: &family})).Tasks[0]
	try.Must(api.StopTask(t.Context(), &ecs.StopTaskInput{Task: task.TaskArn}))
}

// events empties the queue of an environment, and returns the pools and states of its events.
func events(t *testing.T, account *sandbox.Account, env string) (list []string) {
	t.Helper()
	api := sqs.NewFromConfig(account.Config(region))
	url := queueURL(t, account, resource.Names{Env: env}.Events())
	for _, m := range try.Must(api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})).Messages {
		_, family, _ := strings.Cut(*m.Body, `"group":"family:prefect_`)
		pool, _, _ := strings.Cut(family, `_flow"`)
		_, state, _ := strings.Cut(*m.Body, `"lastStatus":"`)
		state, _, _ = strings.Cut(state, `"`)
		list = append(list, pool+" "+state)
		try.Must(api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}))
	}
	return list
}

func queueURL(t *testing.T, account *sandbox.Account, name string) *string {
	t.Helper()
	return try.Must(sqs.NewFromConfig(account.Config(region)).GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})).QueueUrl
}

// TestEventsOfOthers: in a cluster that environments share, each queue gets the events of its
// own tasks. The exception is a pool whose name begins with another pool's and an underscore.
func TestEventsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := sandbox.New()
		for env, pool := range map[string]string{"dev": "data", "prod": "data-prod", "eu": "data_eu"} {
			up(t, account, fmt.Sprintf(elsewhere, env, pool))
		}
		for _, pool := range []string{"data", "data-prod", "data_eu", "another"} {
			flow(t, account, pool)
		}
		for env, want := range map[string][]string{
			"dev":  {"data RUNNING", "data STOPPED", "data_eu RUNNING", "data_eu STOPPED"},
			"prod": {"data-prod RUNNING", "data-prod STOPPED"},
			"eu":   {"data_eu RUNNING", "data_eu STOPPED"},
		} {
			if have := events(t, account, env); !slices.Equal(have, want) {
				t.Errorf("%s has the events %q, want %q", env, have, want)
			}
		}

		api, url := sqs.NewFromConfig(account.Config(region)), queueURL(t, account, "flowbed-dev-events")
		try.Must(api.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"Policy": ""}}))
		flow(t, account, "data")
		if have := events(t, account, "dev"); len(have) > 0 {
			t.Errorf("without the queue's policy, these events arrive: %q", have)
		}
	})
}

const withAgent = `environment "dev" {
	prefect {
		api_url = "https://prefect.example.com/api"
		events  = %t
	}
	agent {}
}`

// agentID is the id of the instance that is the agent.
func agentID(t *testing.T, account *sandbox.Account, text string) string {
	t.Helper()
	s := build(t, account, text, noPrefect)
	if _, err := s.Graph.Plan(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, o := range s.Outputs() {
		if o.Name == "instance_id" {
			return o.Value
		}
	}
	t.Fatal("there is no agent")
	return ""
}

// TestAgentOlderThanQueue: an agent that started before its queue was there is replaced,
// because it never looks for the queue again.
func TestAgentOlderThanQueue(t *testing.T) {
	text := fmt.Sprintf(withAgent, true)
	for name, before := range map[string]func(*testing.T, *sandbox.Account){
		"events were off": func(t *testing.T, account *sandbox.Account) { up(t, account, fmt.Sprintf(withAgent, false)) },
		"the queue was deleted": func(t *testing.T, account *sandbox.Account) {
			up(t, account, text)
			try.Must(sqs.NewFromConfig(account.Config(region)).DeleteQueue(t.Context(), &sqs.DeleteQueueInput{
				QueueUrl: queueURL(t, account, "flowbed-dev-events")}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				account.QueueRest = time.Minute
				before(t, account)
				old := agentID(t, account, text)
				p, err := build(t, account, text, noPrefect).Graph.Plan(t.Context())
				if err != nil || p.Err() != nil {
					t.Fatal(err, p.Err())
				}
				at := slices.IndexFunc(p.Actions, func(a provision.Action) bool { return a.Step == "agent instance" })
				c := p.Actions[at].Changes
				if p.Actions[at].Op != provision.Replace || !slices.ContainsFunc(c, func(c provision.Change) bool {
					return c.Field == "event queue" && !c.To.Known() && strings.Contains(c.Why, "only when it starts")
				}) {
					t.Errorf("the plan has %s of the agent with %+v, want a replacement because of its queue", p.Actions[at].Op, c)
				}
				writes := len(account.Writes())
				up(t, account, text) // also sees that a second plan is empty
				if now := agentID(t, account, text); now == old {
					t.Error("the agent is still the old one")
				}
				made := operations(account.Writes()[writes:])
				if run := slices.Index(made, "RunInstances"); run < slices.Index(made, "CreateQueue") {
					t.Errorf("the new agent starts before its queue is there: %q", made)
				}
			})
		})
	}
}

func operations(calls []sandbox.Call) (list []string) {
	for _, c := range calls {
		list = append(list, c.Operation)
	}
	return list
}

// TestEventsGo: up removes the queues and the rule of an earlier spec, the queues after the
// agent and the rule, which use them.
func TestEventsGo(t *testing.T) {
	for name, text := range map[string]string{
		"off": fmt.Sprintf(withAgent, false), "no Prefect": `environment "dev" {}`,
		"Prefect 2": strings.Replace(fmt.Sprintf(withAgent, false), "events ", "version = \"2.20.25\"\n events ", 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := sandbox.New()
				up(t, account, fmt.Sprintf(withAgent, true))
				p, err := build(t, account, text, noPrefect).Graph.Plan(t.Context())
				if err != nil || p.Err() != nil {
					t.Fatal(err, p.Err())
				}
				have := actions(p, provision.Delete)
				for _, want := range []string{"delete event rule flowbed-dev-events", "delete event queue flowbed-dev-events", "delete dead-letter queue flowbed-dev-events-dlq"} {
					if !slices.Contains(have, want) {
						t.Errorf("the plan has %q, want %s", have, want)
					}
				}
				writes := len(account.Writes())
				up(t, account, text)
				made := operations(account.Writes()[writes:])
				first, dead := slices.Index(made, "DeleteQueue"), len(made)-1
				for made[dead] != "DeleteQueue" {
					dead--
				}
				if first == dead || first < slices.Index(made, "TerminateInstances") || first < slices.Index(made, "DeleteRule") {
					t.Errorf("up made %q, want both queues deleted, after the agent and the rule", made)
				}
				if left, err := bare(t, account); err != nil || !left.Empty() {
					t.Errorf("down: %v, left %+v", err, left.Actions)
				}
			})
		})
	}
}
