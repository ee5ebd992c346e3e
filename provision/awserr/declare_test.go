package awserr

import (
	"strings"
	"testing"

	"github.com/aws/smithy-go"
)

func refused(operation, code, message string) error {
	return &smithy.OperationError{ServiceID: "S", OperationName: operation, Err: &smithy.GenericAPIError{Code: code, Message: message}}
}

// TestContradictions: two kinds may say the same, and not another thing.
func TestContradictions(t *testing.T) {
	rule := func(class Class) []Rule { return []Rule{{Operation: "Do", Code: "Full", Class: class}} }
	first := Errors{Codes: Codes{Absent: "Gone Lost"}, Rules: rule(Quota), Hints: map[string]string{"Gone": "look elsewhere"}}
	for _, c := range []struct {
		name   string
		second Errors
		want   []string
	}{
		{"the same", first, nil},
		{"other codes", Errors{Codes: Codes{Conflict: "Busy"}, Hints: map[string]string{"Lost": "look again"}}, nil},
		{"another class", Errors{Codes: Codes{Conflict: "Busy Gone", Invalid: "Lost"}}, []string{"Gone is declared as class", "Lost is declared as class"}},
		{"another rule", Errors{Rules: rule(Conflict)}, []string{"two rules for Do Full"}},
		{"another hint", Errors{Hints: map[string]string{"Gone": "give up"}}, []string{"Gone has two hints"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := newTable(first).add(c.second)
			if len(c.want) == 0 && err != nil {
				t.Error(err)
			}
			for _, w := range c.want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("have %v, want %q", err, w)
				}
			}
		})
	}
}

// TestDeclarePanics on a code of this package in another class, and leaves what
// was known before as it was for the tests after it.
func TestDeclarePanics(t *testing.T) {
	was := known
	known = newTable(Errors{Codes: Codes{Transient: "Throttling"}})
	defer func() {
		known = was
		if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "Throttling") {
			t.Errorf("have %v, want a panic that names Throttling", err)
		}
	}()
	Declare(Errors{Codes: Codes{Invalid: "Throttling"}})
}

// TestRulesInAnyOrder: which rule goes first does not depend on the order of
// declarations, which is that of files and packages.
func TestRulesInAnyOrder(t *testing.T) {
	rules := []Rule{
		{Code: "Full", Message: "today", Class: Transient},
		{Operation: "Do", Code: "Full", Class: Conflict},
		{Operation: "Do", Code: "Full", Message: "too large", Class: Invalid, Hint: "make it smaller"},
	}
	backwards := []Rule{rules[2], rules[1], rules[0]}
	for _, c := range []struct {
		name string
		err  error
		want Class
	}{
		{"the operation alone", refused("Do", "Full", "no room"), Conflict},
		{"the operation before the message", refused("Do", "Full", "no room today"), Conflict},
		{"more of the message", refused("Do", "Full", "this is too large"), Invalid},
		{"any operation", refused("Undo", "Full", "no room today"), Transient},
		{"none: the code", refused("Undo", "Full", "no room"), Quota},
	} {
		for _, list := range [][]Rule{rules, backwards} {
			t.Run(c.name, func(t *testing.T) {
				was := known
				defer func() { known = was }()
				known = newTable(Errors{Codes: Codes{Quota: "Full"}, Rules: list})
				if have := Classify(c.err); have != c.want {
					t.Errorf("class %d, want %d", have, c.want)
				}
			})
		}
	}
}
