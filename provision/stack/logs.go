package stack

import (
	"context"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/permissions"
	"github.com/flowbed/flowbed/provision/resource"
	"github.com/flowbed/flowbed/provision/spec"
)

// logGroup is the name of the environment's log group: the one in the spec, which has the default
// name if the file names none. All that write to it, read it or allow that take the name from here.
func (s *Stack) logGroup() string { return s.env.Logs.Name }

// movedLogs is the place in the order of up at which everything writes to the log group: after the
// group and all that names it, and before the old group goes.
type movedLogs struct{ After []provision.Edge }

// Read implements provision.DataSource. There is nothing to read.
func (movedLogs) Read(context.Context) (struct{}, error) { return struct{}{}, nil }

func (s *Stack) addMovedLogs() {
	if !s.o.Destroy {
		provision.Data(s.Graph, "moved logs", movedLogs{After: []provision.Edge{s.logs, s.task, s.execution, s.pool, s.oldLogs}})
	}
}

// FlowLogs reads what flows have written to the environment's log group. It makes no calls.
func (s *Stack) FlowLogs() resource.LogReader {
	return resource.LogReader{API: s.c.Logs, ID: s.id, Group: s.logGroup(), Except: workerStreams}
}

// workerStreams is the prefix of the streams of the agent's service; the other streams in the log
// group are those of flows. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
const workerStreams = containerName + "/" + containerName + "/"

// Logs reads what all tasks of the service have written. It makes no calls.
func (a *AgentService) Logs() resource.LogReader {
	l := a.s.FlowLogs()
	l.Prefix, l.Except = workerStreams, ""
	return l
}

// LogsPolicy is the policy for those who only read the logs of flows.
func LogsPolicy(env *spec.Environment, id resource.Identity) (string, error) {
	s, err := Build(env, id, Clients{}, Options{Destroy: true, NoPrefect: true})
	if err != nil {
		return "", err
	}
	return permissions.NewPolicy([]permissions.Needs{{Step: "logs", Permissions: s.FlowLogs().Permissions().Read}}).String(), nil
}
