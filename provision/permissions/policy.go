package permissions

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/resource"
)

// ManagedSize is the maximum size of a managed policy, and InlineSize the maximum size
// of all inline policies of a role together, in characters without white space:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	ManagedSize = 6144
	InlineSize  = 10240
)

// Policy is an IAM policy. String and MarshalJSON return the document for IAM.
type Policy struct{ Statements []Statement }

// Statement allows actions on resources.
type Statement struct {
	Actions, Resources []string
	Condition          resource.Condition
}

// NewPolicy returns the smallest policy that allows exactly what the steps need.
func NewPolicy(needs []Needs) (p Policy) {
	// A statement has one condition. One part for each service makes the policy easier
	// to read.
	parts := map[string]*part{}
	for _, n := range needs {
		for _, need := range n.Permissions {
			for _, a := range need.Actions {
				service, _, _ := strings.Cut(a, ":")
				id := service + " " + text(need.Condition)
				if parts[id] == nil {
					parts[id] = &part{need.Condition, relation{}}
				}
				parts[id].rights.add(a, need.Resources...)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(parts)) {
		p.Statements = append(p.Statements, parts[id].statements()...)
	}
	slices.SortStableFunc(p.Statements, func(a, b Statement) int { return slices.Compare(a.Actions, b.Actions) })
	p.Statements = merged(p.Statements)
	return p
}

// part is what the policy allows under one condition.
type part struct {
	condition resource.Condition
	rights    relation
}

// statements returns the shorter of two forms: one groups the actions that need the
// same resources, the other the resources that need the same actions.
func (p part) statements() []Statement {
	byActions := Policy{p.rights.groups(p.condition, false)}
	byResources := Policy{p.rights.transposed().groups(p.condition, true)}
	if byResources.Size() < byActions.Size() {
		return byResources.Statements
	}
	return byActions.Statements
}

// relation maps actions to the resources on which they are allowed, or resources to
// actions.
type relation map[string][]string

func (r relation) add(a string, list ...string) {
	r[a] = slices.Concat(r[a], list)
	slices.Sort(r[a])
	r[a] = slices.Compact(r[a])
}

func (r relation) transposed() relation {
	t := relation{}
	for a, list := range r {
		for _, b := range list {
			t.add(b, a)
		}
	}
	return t
}

// groups returns one statement for each set of actions that have the same resources.
// In a transposed relation, the keys are the resources.
func (r relation) groups(c resource.Condition, transposed bool) (list []Statement) {
	same := relation{}
	for a, b := range r {
		same.add(strings.Join(b, " "), a)
	}
	for _, k := range slices.Sorted(maps.Keys(same)) {
		s := Statement{same[k], strings.Fields(k), c}
		if transposed {
			s.Actions, s.Resources = s.Resources, s.Actions
		}
		list = append(list, s)
	}
	return list
}

// text is different for different conditions.
func text(c resource.Condition) string {
	var b strings.Builder
	for _, op := range slices.Sorted(maps.Keys(c)) {
		for _, k := range slices.Sorted(maps.Keys(c[op])) {
			b.WriteString(op + " " + k + " " + strings.Join(c[op][k], " ") + "\n")
		}
	}
	return b.String()
}

// MarshalJSON implements json.Marshaler. It writes a list with one element as that
// element.
func (p Policy) MarshalJSON() ([]byte, error) {
	type document struct {
		Effect    string
		Action    any
		Resource  any
		Condition map[string]map[string]any `json:",omitempty"`
	}
	list := make([]document, len(p.Statements))
	for i, s := range p.Statements {
		list[i] = document{Effect: "Allow", Action: oneOrMany(s.Actions), Resource: oneOrMany(s.Resources)}
		for op, keys := range s.Condition {
			if list[i].Condition == nil {
				list[i].Condition = map[string]map[string]any{}
			}
			list[i].Condition[op] = map[string]any{}
			for k, v := range keys {
				list[i].Condition[op][k] = oneOrMany(v)
			}
		}
	}
	return json.Marshal(struct {
		Version   string
		Statement []document
	}{"2012-10-17", list})
}

func oneOrMany(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// String is the document, indented, with a final newline.
func (p Policy) String() string {
	var b bytes.Buffer
	if err := json.Indent(&b, p.compact(), "", "  "); err != nil {
		panic(err) // compact returns valid JSON
	}
	return b.String() + "\n"
}

// Split returns policies that together allow the same, each with at most most characters. A
// statement that is longer has a policy of its own.
func (p Policy) Split(most int) (parts []Policy) {
	for _, s := range p.Statements {
		fits := func(part Policy) bool {
			return Policy{append(slices.Clone(part.Statements), s)}.Size() <= most
		}
		i := slices.IndexFunc(parts, fits)
		if i < 0 {
			parts, i = append(parts, Policy{}), len(parts)
		}
		parts[i].Statements = append(parts[i].Statements, s)
	}
	return parts
}

// Size is the document's size as IAM counts it.
func (p Policy) Size() int { return len(p.compact()) }

func (p Policy) compact() []byte {
	b, err := p.MarshalJSON()
	if err != nil {
		panic(err) // it contains only strings and lists of strings
	}
	return b
}
