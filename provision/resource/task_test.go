package resource

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestTaskEnding(t *testing.T) {
	container := func(exit *int32, reason *string) []types.Container {
		return []types.Container{{ExitCode: exit, Reason: reason}}
	}
	for want, task := range map[string]types.Task{
		"":                 {},
		"SpotInterruption": {StopCode: types.TaskStopCodeSpotInterruption},
		"Essential container in task exited; exit code 0": {
			StopCode: types.TaskStopCodeEssentialContainerExited, StoppedReason: new("Essential container in task exited"),
			Containers: container(new(int32(0)), nil),
		},
		"Essential container in task exited; OutOfMemoryError: Container killed due to memory usage; exit code 137": {
			StoppedReason: new("Essential container in task exited"),
			Containers:    container(new(int32(137)), new("OutOfMemoryError: Container killed due to memory usage")),
		},
		"CannotPullContainerError: not found": {
			StopCode: types.TaskStopCodeTaskFailedToStart, StoppedReason: new("CannotPullContainerError: not found"),
			Containers: container(nil, new("CannotPullContainerError: not found")),
		},
	} {
		if have := TaskEnding(task); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
}
