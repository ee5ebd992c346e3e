package resource

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/flowbed/flowbed/provision"
)

// containerText is what a container runs, as a person can read it and as a shell would run it:
// comments with what ECS needs to know, then the environment, then the command. It begins with
// the image. It has all that can differ between two revisions, except their sizes, in a fixed
// order: ECS sorts what it returns as it likes.
func containerText(task, execution string, c types.ContainerDefinition) string {
	var b strings.Builder
	describe := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "# %s: %s\n", name, strings.Join(strings.Fields(value), " "))
		}
	}
	describe("image", deref(c.Image))
	describe("task role", task)
	describe("execution role", execution)
	if l := c.LogConfiguration; l != nil {
		describe("log group", l.Options["awslogs-group"])
	}
	if h := c.HealthCheck; h != nil {
		describe("health check", fmt.Sprintf("%s, every %d seconds, at most %d seconds, %d times, after %d seconds",
			shellWords(h.Command), deref(h.Interval), deref(h.Timeout), deref(h.Retries), deref(h.StartPeriod)))
	}
	if c.StopTimeout != nil {
		describe("stop timeout", fmt.Sprintf("%d seconds", deref(c.StopTimeout)))
	}
	var lines []string
	for _, s := range c.Secrets {
		lines = append(lines, fmt.Sprintf("# secret: %s from %s\n", deref(s.Name), deref(s.ValueFrom)))
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(lines, ""))
	lines = nil
	for _, e := range c.Environment {
		lines = append(lines, fmt.Sprintf("export %s=%s\n", deref(e.Name), shellWords([]string{deref(e.Value)})))
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(lines, ""))
	if len(c.Command) > 0 {
		b.WriteString("exec " + shellWords(c.Command) + "\n")
	}
	return b.String()
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9/._:=@%+,-]+$`)

// shellWords writes words as a shell reads them.
func shellWords(list []string) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = w
		if !plainWord.MatchString(w) {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// Text is what the container runs, in words; see containerText. It fails if something is not
// known yet.
func (d TaskDefinition) Text() (string, error) {
	in, err := d.input()
	if err != nil {
		return "", err
	}
	if len(in.ContainerDefinitions) != 1 {
		return "", errors.New("a task has one container")
	}
	return containerText(deref(in.TaskRoleArn), deref(in.ExecutionRoleArn), in.ContainerDefinitions[0]), nil
}

// ReadText returns what the container of a revision runs, in words.
func (d TaskDefinition) ReadText(ctx context.Context, arn string) (string, error) {
	r, err := d.describe(ctx, arn)
	if err != nil {
		return "", err
	}
	if r == nil {
		return "", fmt.Errorf("read task definition %s: %w", lastPart(arn), provision.ErrAbsent)
	}
	return r.Text, nil
}

const fieldDefinition = "definition"

// definition is the difference of what the container runs. It is nil if the other differences
// of the revision say all.
func (d TaskDefinition) definition(have TaskDefinitionState, others bool) *provision.Change {
	text, err := d.Text()
	c := &provision.Change{Field: fieldDefinition, From: provision.Script(have.Text), To: provision.Script(text)}
	wrote := have.Tags[KeyVersion]
	switch {
	case err != nil:
		c.To = provision.Unknown()
	case have.ARN == "":
	case have.Text != text && d.Causes != nil:
		c.Causes = d.Causes(have.Text, text, wrote)
	case have.Text != text:
	case others:
		return nil
	case have.Tags[KeyDefinition] == "":
		c.From, c.To = provision.Text("unknown: the tag "+KeyDefinition+" is missing"), provision.Text(d.writtenBy(d.ID.Version))
	case wrote != d.ID.Version:
		c.From, c.To = provision.Text(d.writtenBy(wrote)), provision.Text(d.writtenBy(d.ID.Version))
	default:
		c.From, c.To = provision.Text("unknown: the tag "+KeyDefinition+" has changed"), provision.Text(d.writtenBy(d.ID.Version))
	}
	return c
}

// writtenBy is the definition of a release of flowbed that differs only in what a container's
// text does not have.
func (TaskDefinition) writtenBy(version string) string {
	return "as flowbed " + version + " registers it"
}
