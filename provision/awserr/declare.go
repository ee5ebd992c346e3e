package awserr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
)

// Errors are what the errors of one kind of object mean. The kind declares them
// beside its calls; what all services have in common is in this package.
type Errors struct {
	Codes Codes
	Rules []Rule
	Hints map[string]string // what a person can do about a code, whatever the operation
}

// Codes are, for each class, codes that mean it whatever the operation, separated
// by white space.
type Codes map[Class]string

// Rule refines a code by its operation and, where AWS has one code for several
// things, by a part of its message. Of several rules that apply, the one with an
// operation goes first, and then the one with more of the message.
type Rule struct {
	Operation, Code, Message string // Operation and Message may be empty
	Class                    Class
	Hint                     string // in place of the code's; may be empty
}

func (r Rule) applies(operation string, api smithy.APIError) bool {
	return (r.Operation == "" || r.Operation == operation) && r.Code == api.ErrorCode() && strings.Contains(api.ErrorMessage(), r.Message)
}

// before orders rules that apply to the same error.
func (r Rule) before(o Rule) bool {
	if (r.Operation == "") != (o.Operation == "") {
		return r.Operation != ""
	}
	return len(r.Message) > len(o.Message)
}

// Declare makes the errors known. It is for package variables:
//
//	var _ = awserr.Declare(awserr.Errors{Codes: awserr.Codes{awserr.Absent: "NoSuchBucket"}})
//
// Several kinds may declare the same, as roles and instance profiles do. It panics
// if the declarations contradict each other: a code has one meaning in the program,
// and where a service needs another one, a Rule says so.
func Declare(e Errors) struct{} {
	if err := known.add(e); err != nil {
		panic(err)
	}
	return struct{}{}
}

// table is all that has been declared. It is complete before main begins, and not
// written to after that.
type table struct {
	codes map[string]Class
	hints map[string]string
	rules []Rule
}

func newTable(e Errors) *table {
	t := &table{codes: map[string]Class{}, hints: map[string]string{}}
	if err := t.add(e); err != nil {
		panic(err)
	}
	return t
}

func (t *table) add(e Errors) (err error) {
	for class, list := range e.Codes {
		for _, code := range strings.Fields(list) {
			if was, ok := t.codes[code]; ok && was != class {
				err = errors.Join(err, fmt.Errorf("awserr: %s is declared as class %d and as class %d", code, was, class))
			}
			t.codes[code] = class
		}
	}
	for code, hint := range e.Hints {
		if was, ok := t.hints[code]; ok && was != hint {
			err = errors.Join(err, fmt.Errorf("awserr: %s has two hints: %q and %q", code, was, hint))
		}
		t.hints[code] = hint
	}
	for _, r := range e.Rules {
		at := slices.IndexFunc(t.rules, func(o Rule) bool {
			return o.Operation == r.Operation && o.Code == r.Code && o.Message == r.Message
		})
		switch {
		case at < 0:
			t.rules = append(t.rules, r)
		case t.rules[at] != r:
			err = errors.Join(err, fmt.Errorf("awserr: two rules for %s %s %q differ", r.Operation, r.Code, r.Message))
		}
	}
	return err
}

func (t *table) rule(err error, api smithy.APIError) (best Rule, ok bool) {
	op := Operation(err)
	for _, r := range t.rules {
		if r.applies(op, api) && (!ok || r.before(best)) {
			best, ok = r, true
		}
	}
	return best, ok
}
