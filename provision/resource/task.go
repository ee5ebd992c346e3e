package resource

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TaskEnding is what ECS says about the end of a task, on one line. It is empty if ECS says
// nothing.
func TaskEnding(t types.Task) string {
	var said []string
	add := func(s string) {
		if s != "" && !strings.Contains(strings.Join(said, "; "), s) {
			said = append(said, s)
		}
	}
	add(cmp.Or(deref(t.StoppedReason), string(t.StopCode)))
	for _, c := range t.Containers {
		add(deref(c.Reason))
		if c.ExitCode != nil {
			add(fmt.Sprintf("exit code %d", *c.ExitCode))
		}
	}
	return strings.Join(said, "; ")
}
