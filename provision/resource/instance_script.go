package resource

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/flowbed/flowbed/provision"
	"github.com/flowbed/flowbed/provision/awserr"
)

// Causes says in words why two programs of the agent differ, given the version of flowbed that
// wrote the first one.
type Causes func(have, want, wrote string) []string

// runningScript is the user data of an instance that up would replace. The zero value is that
// of none.
type runningScript struct {
	of, text string
	err      error // why it could not be read
}

const (
	fieldType     = "instance type"
	fieldImage    = "image"
	fieldUserData = "user data"
	partUserData  = "user-data"
	partKey       = "key"
)

// Detail implements provision.Detailer: it reads the user data of an instance that has another
// one than it should have. That is one call, made only then.
func (i Instance) Detail(ctx context.Context, have InstanceState) InstanceState {
	m, ignored := i.current(have) // what differs in it
	if live := have.live(); len(live) == 0 {
		return have
	} else if !ignored {
		m = live[len(live)-1]
	}
	if same := launchParts(m.Launch)[partUserData] == launchParts(i.launchTag())[partUserData]; m.Launch != "" && same || m.Launch == "" && ignored {
		return have
	}
	have.running = runningScript{of: m.ID}
	have.running.text, have.running.err = i.ReadUserData(ctx, m.ID)
	return have
}

// ReadUserData returns the user data of an instance, in plain text; empty if it has none.
func (i Instance) ReadUserData(ctx context.Context, id string) (string, error) {
	out, err := i.API.DescribeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{
		InstanceId: &id, Attribute: types.InstanceAttributeNameUserData,
	})
	if err != nil {
		return "", fmt.Errorf("read the user data of %s: %w", id, err)
	}
	text, err := base64.StdEncoding.DecodeString(deref(deref(out.UserData).Value))
	if err != nil {
		return "", fmt.Errorf("read the user data of %s: %w", id, err)
	}
	return string(text), nil
}

// explained adds to the differences of an instance what Detail has read.
func (i Instance) explained(list []provision.Change, m EC2Instance, running runningScript) []provision.Change {
	read := running.of == m.ID && running.err == nil
	want := i.userData()
	if read && m.Launch == "" && running.text != want {
		list = append(list, i.replaces(m, fieldUserData))
	}
	for n, c := range list {
		if c.Field != fieldUserData {
			continue
		}
		c.From, c.To = provision.Value{}, i.shown()
		switch {
		case read && running.text == want:
			c.From, c.Causes = provision.Script(want), []string{"the tag " + KeyLaunch + " has changed"}
		case read:
			c.From = provision.Script(running.text)
			if i.Causes != nil {
				c.Causes = i.Causes(running.text, c.To.String(), m.Tags[KeyVersion])
			}
		case running.of == m.ID:
			c.Causes = []string{notRead(m, running.err)}
		}
		list[n] = c
	}
	return list
}

// shown is the user data as a plan has it.
func (i Instance) shown() provision.Value {
	if i.Shown != nil && i.userData() != "" {
		return provision.Script(i.Shown())
	}
	return provision.Script(i.userData())
}

// notRead says that the user data of an instance could not be read, and who wrote it.
func notRead(m EC2Instance, err error) string {
	text := "what " + m.ID + " runs"
	if v := m.Tags[KeyVersion]; v != "" {
		text += ", which flowbed " + v + " wrote,"
	}
	text += " cannot be read: " + cmp.Or(awserr.Code(err), err.Error())
	if awserr.Classify(err) == awserr.Denied {
		text += " → allow ec2:DescribeInstanceAttribute"
	}
	return text
}

// replaces is a difference that needs a new instance.
func (i Instance) replaces(m EC2Instance, field string) provision.Change {
	return provision.Change{
		Field: field, Replace: true, Why: "it cannot be changed after the launch: a new instance replaces " + m.ID,
	}
}

// launchText is the launch tag as a plan shows it: without digests, which tell nobody anything.
func (i Instance) launchText() string {
	text := []string{"image " + i.ImageName, fmt.Sprintf("volume %d GiB", i.VolumeGiB)}
	if i.userData() != "" {
		text = append(text, "the agent's setup")
	}
	return strings.Join(text, ", ")
}
