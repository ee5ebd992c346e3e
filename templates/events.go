package templates

import "encoding/json"

// EventsPolicy is the policy of a queue to which only one EventBridge rule may send. The
// rule is named in full, so the condition needs no account beside it. SQS asks for no more
// than EventBridge's page has, and an event that the policy refuses is lost without a trace.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions
func EventsPolicy(queueARN, ruleARN string) string {
	s := allow("Rule", list{"sqs:SendMessage"}, queueARN).when("ArnEquals", "aws:SourceArn", ruleARN)
	s.Principal = map[string]string{"Service": "events.amazonaws.com"}
	return document(s)
}

// TaskEvents is the EventBridge pattern for the state changes of the tasks that the workers
// of a pool start in a cluster: the names of their task definition families begin with
// families, as in AgentRights, and ECS calls the group of a task after its family. A pool
// whose name begins with this one's and an underscore matches, too. The worker then looks up a run that its API
// does not have, and goes on.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
func TaskEvents(clusterARN, families string) string {
	type prefix struct {
		Prefix string `json:"prefix"`
	}
	var p struct {
		Source []string `json:"source"`
		Type   []string `json:"detail-type"`
		Detail struct {
			Cluster []string `json:"clusterArn"`
			Group   []prefix `json:"group"`
		} `json:"detail"`
	}
	p.Source, p.Type = []string{"aws.ecs"}, []string{"ECS Task State Change"}
	p.Detail.Cluster, p.Detail.Group = []string{clusterARN}, []prefix{{"family:" + families}}
	b, err := json.Marshal(p)
	if err != nil {
		panic("templates: pattern: " + err.Error()) // strings always encode
	}
	return string(b)
}
