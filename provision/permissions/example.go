package permissions

import (
	"maps"
	"slices"
	"strings"
)

// Question is what can be asked of IAM's simulator: whether all of the actions
// are allowed on all of the resources.
type Question struct {
	Actions, Resources []string            // ARNs of single objects
	Context            map[string][]string // condition keys → values
}

// Questions are those whose answers tell whether some steps' needs are met. The
// simulator wants objects rather than patterns, so examples stand for these.
// Launching is not among them: it needs objects of six kinds at once, of which
// the simulator makes scenarios of its own; a dry run asks better.
func Questions(steps []Step) (list []Question) {
	var concrete []Step
	for _, s := range steps {
		for _, n := range s.Needs {
			for _, a := range n.Actions {
				if a == "ec2:RunInstances" {
					continue
				}
				one := Need{Actions: []string{a}, Condition: n.Condition}
				for _, r := range n.Resources {
					one.Resources = append(one.Resources, example(a, r))
				}
				concrete = append(concrete, Step{Needs: []Need{one}})
			}
		}
	}
	for _, s := range NewPolicy(concrete).Statements {
		q := Question{Actions: s.Actions, Resources: s.Resources, Context: map[string][]string{}}
		for _, keys := range s.Condition {
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				q.Context[k] = keys[k][:1]
			}
		}
		list = append(list, q)
	}
	return list
}

// example is an object that fits a pattern, for an action.
func example(action, pattern string) string {
	base, open := strings.CutSuffix(pattern, ":*")
	switch {
	case open && strings.HasPrefix(action, "ec2:"): // all that is in a region
		return base + ":" + exampleKind(action)
	case strings.Contains(pattern, ":ec2:") && strings.HasSuffix(pattern, "/*"):
		kind := pattern[strings.LastIndex(strings.TrimSuffix(pattern, "/*"), ":")+1 : len(pattern)-2]
		return strings.TrimSuffix(pattern, kind+"/*") + kindExamples[kind]
	case strings.HasSuffix(pattern, "/*"):
		return strings.TrimSuffix(pattern, "*") + "example"
	}
	return pattern
}

var kindExamples = map[string]string{
	"instance": "instance/i-0123456789abcdef0", "security-group": "security-group/sg-0123456789abcdef0",
	"network-interface": "network-interface/eni-0123456789abcdef0", "key-pair": "key-pair/example",
	"vpc": "vpc/vpc-0123456789abcdef0", "subnet": "subnet/subnet-0123456789abcdef0", "image": "image/ami-0123456789abcdef0",
}

// exampleKind is the kind of object that an action of EC2 is about.
func exampleKind(action string) string {
	for part, kind := range map[string]string{
		"SecurityGroup": "security-group", "KeyPair": "key-pair", "NetworkInterface": "network-interface",
	} {
		if strings.Contains(action, part) {
			return kindExamples[kind]
		}
	}
	return kindExamples["instance"]
}
