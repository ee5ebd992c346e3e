package resource

import (
	"strings"

	"github.com/flowbed/flowbed/provision"
)

// member is an object of a step that has several of a kind, such as the subnets of a VPC.
type member interface {
	tags() Tags
	label() string
}

// ownerOf is the owner of the first: a state lists only those of one environment. Which of them
// are unfinished is for the kind to say, because the others are not.
func ownerOf[M member](list []M) (o provision.Owner) {
	if len(list) > 0 {
		o = list[0].tags().Owner()
		o.Unfinished = ""
	}
	return o
}

// labelOf has the labels of all.
func labelOf[M member](list []M) string {
	labels := make([]string, len(list))
	for i, m := range list {
		labels[i] = m.label()
	}
	return strings.Join(labels, ", ")
}
