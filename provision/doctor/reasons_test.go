package doctor

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestReasons(t *testing.T) {
	container := func(exit *int32, reason *string) []types.Container {
		return []types.Container{{ExitCode: exit, Reason: reason}}
	}
	for want, task := range map[string]types.Task{
		"ECS gives no reason": {},
		"SpotInterruption":    {StopCode: types.TaskStopCodeSpotInterruption},
		"Essential container in task exited; exit code 0": {
			StopCode: types.TaskStopCodeEssentialContainerExited, StoppedReason: aws.String("Essential container in task exited"),
			Containers: container(aws.Int32(0), nil),
		},
		"Essential container in task exited; exit code 137; OutOfMemoryError: Container killed due to memory usage": {
			StoppedReason: aws.String("Essential container in task exited"),
			Containers:    container(aws.Int32(137), aws.String("OutOfMemoryError: Container killed due to memory usage")),
		},
		"CannotPullContainerError: not found": {
			StopCode: types.TaskStopCodeTaskFailedToStart, StoppedReason: aws.String("CannotPullContainerError: not found"),
			Containers: container(nil, aws.String("CannotPullContainerError: not found")),
		},
	} {
		if have := reasons(task); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
}
