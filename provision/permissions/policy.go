package permissions

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/flowbed/flowbed/provision/resource"
)

// ManagedSize is the size that a managed policy may have, and InlineSize the
// size of all inline policies of a role together, in characters without white
// space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	ManagedSize = 6144
	InlineSize  = 10240
)

// Policy is a policy of IAM; its text is the JSON document that IAM takes.
type Policy struct{ Statements []Statement }

// Statement allows actions on resources.
type Statement struct {
	Actions, Resources []string
	Condition          resource.Condition
}

// NewPolicy is the smallest policy that allows what some steps need, and nothing
// else.
func NewPolicy(needs []Needs) (p Policy) {
	// Only what has one condition can stand in one statement; to take services
	// apart makes it readable.
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

// part is what is allowed under one condition.
type part struct {
	condition resource.Condition
	rights    relation
}

// statements say it in the shorter of two ways: actions that need the same
// resources come together, or resources that need the same actions.
func (p part) statements() []Statement {
	byActions := Policy{p.rights.groups(p.condition, false)}
	byResources := Policy{p.rights.transposed().groups(p.condition, true)}
	if byResources.Size() < byActions.Size() {
		return byResources.Statements
	}
	return byActions.Statements
}

// relation is which actions are allowed on which resources, or the other way round.
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

// groups are statements of the actions that have the same resources; in a
// transposed relation it is the resources that come first.
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

// text tells conditions apart.
func text(c resource.Condition) string {
	var b strings.Builder
	for _, op := range slices.Sorted(maps.Keys(c)) {
		for _, k := range slices.Sorted(maps.Keys(c[op])) {
			b.WriteString(op + " " + k + " " + strings.Join(c[op][k], " ") + "\n")
		}
	}
	return b.String()
}

// MarshalJSON implements json.Marshaler. A list of one is written as the one.
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

// String is the document on lines of its own.
func (p Policy) String() string {
	var b bytes.Buffer
	if err := json.Indent(&b, p.compact(), "", "  "); err != nil {
		panic(err) // it has just been written
	}
	return b.String() + "\n"
}

// Size is the document's size as IAM counts it.
func (p Policy) Size() int { return len(p.compact()) }

func (p Policy) compact() []byte {
	b, err := p.MarshalJSON()
	if err != nil {
		panic(err) // texts and lists of texts
	}
	return b
}
