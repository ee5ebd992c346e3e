package resource

import "strings"

// The kinds of object that can be renamed in the spec, by the names of their
// steps. A kind's names are recorded in a tag of the log group.
const (
	KindBucket        = "bucket"
	KindTaskRole      = "task role"
	KindExecutionRole = "execution role"
	KindCluster       = "cluster"
	KindWorkPool      = "work pool"
)

// NameTag is the key of the log group's tag that holds a kind's names.
func NameTag(kind string) string { return "flowbed:" + strings.ReplaceAll(kind, " ", "-") }

// RecordedNames reads from a log group's tags the names under which the
// environment has or may have objects, by kind. A kind without a tag is missing:
// it has at most an object of the default name. A kind with a tag and no names is
// an empty list: nothing of that kind is the environment's own. A name proves
// nothing: whether the object is there and whose it is, its own tags say.
func RecordedNames(t Tags) map[string][]string {
	all := map[string][]string{}
	for _, kind := range []string{KindBucket, KindTaskRole, KindExecutionRole, KindCluster, KindWorkPool} {
		if names, recorded := (Record{Key: NameTag(kind)}).names(t); recorded {
			all[kind] = append([]string{}, names...)
		}
	}
	return all
}
