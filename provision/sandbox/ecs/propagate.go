package ecs

import (
	"maps"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision/sandbox/core"
)

// runTags are the tags of a task that RunTask starts: those of its definition if the request
// says so, and above them those of the request.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
func (t *taskDefinition) runTags(in *ecs.RunTaskInput) (core.Tags, error) {
	from := core.Tags{}
	switch in.PropagateTags {
	case "", types.PropagateTagsNone:
	case types.PropagateTagsTaskDefinition:
		from = maps.Clone(t.Tags)
	default:
		return nil, invalid("Invalid value for propagateTags: %s", in.PropagateTags)
	}
	return newTags(from, in.Tags)
}
