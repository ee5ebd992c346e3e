package faultmatrix

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// objects are the parameters that name what a call is about, by which a call is
// told from another of the same operation; the first that is there counts.
var objects = []string{
	"Bucket", "RoleName", "InstanceProfileName", "ClusterName", "LogGroupName", "KeyName", "GroupName",
	"GroupId", "InstanceIds", "InstanceId", "NetworkInterfaceId", "Resources", "ResourceArn", "ResourceId",
	"Cluster", "Name",
}

// parts are the parameters that tell calls about one object apart.
var parts = []string{"PolicyName", "PolicyArn"}

// Key is a call by what it does to what: "iam:PutRolePolicy dev-task/flowbed".
// field returns a parameter of the call, or an empty string; all are the names of
// the parameters. Where none of objects is there, the first one that is a name
// counts.
func Key(service, operation string, all []string, field func(string) string) string {
	key := service + ":" + operation
	named := slices.DeleteFunc(slices.Sorted(slices.Values(all)), func(p string) bool {
		return !strings.HasSuffix(strings.ToLower(p), "name")
	})
	for _, o := range slices.Concat(objects, named) {
		if v := field(o); v != "" {
			key += " " + short(v)
			break
		}
	}
	for _, p := range parts {
		if v := field(p); v != "" {
			key += "/" + short(v)
			break
		}
	}
	return key
}

// short is an ARN's last part, or the name as it is.
func short(v string) string {
	if !strings.HasPrefix(v, "arn:") {
		return v
	}
	return v[strings.LastIndexAny(v, ":/")+1:]
}

var id = regexp.MustCompile(`\b(i|sg|eni|vol|sgr|iip-assoc)-[0-9a-f]{8,17}\b`)

// Names are what AWS's ids stand for. An id is another one in each account.
type Names struct {
	mu sync.Mutex
	of map[string]string
}

// Set says what an id stands for.
func (n *Names) Set(id, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		n.of = map[string]string{}
	}
	n.of[id] = name
}

// In replaces the ids in a text by what they stand for, or by their kind.
func (n *Names) In(text string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return id.ReplaceAllStringFunc(text, func(s string) string {
		if name := n.of[s]; name != "" {
			return name
		}
		kind, _, _ := strings.Cut(s, "-")
		return kind
	})
}
