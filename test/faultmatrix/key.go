package faultmatrix

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// objects lists the parameters that name the target of a call, and so distinguish
// calls of the same operation. The first one that a call has counts.
var objects = []string{
	"Bucket", "RoleName", "InstanceProfileName", "ClusterName", "LogGroupName", "KeyName", "GroupName",
	"GroupId", "InstanceIds", "InstanceId", "NetworkInterfaceId", "Resources", "ResourceArn", "ResourceId",
	"Family", "TaskDefinitions", "ServiceName", "Service", "Cluster", "Clusters", "TaskDefinition", "Name", "QueueUrl", "Rule", "ResourceARN",
	"NatGatewayId", "VpcEndpointId", "VpcEndpointIds", "SubnetId", "RouteTableId", "InternetGatewayId", "AllocationId", "AssociationId", "CidrBlock", "VpcId",
}

// parts lists the parameters that distinguish calls on the same object.
var parts = []string{"PolicyName", "PolicyArn"}

// Key identifies a call by its operation and target, for example
// "iam:PutRolePolicy dev-task/flowbed". all lists the names of the call's parameters,
// and field returns the value of one, or "". If the call has none of objects, the
// first parameter whose name ends in "name" counts.
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

// short returns the last part of an ARN or a URL, or the name unchanged. A task definition's has
// the family and the revision.
func short(v string) string {
	if _, revision, ok := strings.Cut(v, ":task-definition/"); ok {
		return revision
	}
	if !strings.HasPrefix(v, "arn:") && !strings.HasPrefix(v, "https://") && !strings.HasPrefix(v, "http://") {
		return v
	}
	return v[strings.LastIndexAny(v, ":/")+1:]
}

var id = regexp.MustCompile(`\b(i|sg|eni|vol|sgr|iip-assoc|vpc|subnet|igw|rtb|rtbassoc|eipalloc|nat|vpce)-[0-9a-f]{8,17}\b`)

// Names maps AWS's ids to names, because the ids differ between accounts.
type Names struct {
	mu sync.Mutex
	of map[string]string
}

// Set records the name of an id.
func (n *Names) Set(id, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		n.of = map[string]string{}
	}
	n.of[id] = name
}

// In replaces the ids in a text with their names, or with their kinds.
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
