package core

import (
	"fmt"
	"path"
	"reflect"
	"strings"
)

// Service is one of AWS's services. Its operations are handed an R, which is the
// Request or the service's own type around it.
type Service[R any] struct {
	name  string
	wrap  func(*Request) R
	rules *Rules
}

// NewService makes a service under the name of the SDK's package for it. The
// rules say where it differs from most other services.
func NewService[R any](name string, wrap func(*Request) R, rules Rules) Service[R] {
	return Service[R]{name, wrap, &rules}
}

// Rules are what services do not have in common. The zero value is what most of
// them do.
type Rules struct {
	// Global: the service answers in a region that is off, too.
	Global bool

	// RegionOff is the error for a call to a region that is off; nil means
	// UnrecognizedClientException.
	RegionOff error

	// Denied makes the error for a call that the caller may not make; nil means
	// AccessDeniedException.
	Denied func(Denial) error

	// Consistent reports whether an operation that reads always sees the last
	// write; nil means that none does.
	Consistent func(operation string) bool
}

// operation is what a service can do, with the type of its input hidden.
type operation struct {
	rules   *Rules
	execute func(r *Request, in any) (any, error)
	access  func(r *Request, a Access, in any) []Access
}

// operations holds what the account can do, by the type of the input.
var operations = map[reflect.Type]*operation{}

// Register adds an operation together with its authorization: access says all
// that AWS looks for in the caller's policy before it executes the call. It is
// handed the access that most calls need, the action of the operation's name on
// every resource. The service authorization reference lists what is true:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
//
// Register is called when the program starts, and panics if there is no access,
// if the operation is there already, or if it is another service's.
func Register[R, I, O any](s Service[R], execute func(R, *I) (*O, error), access func(R, Access, *I) []Access) {
	var allow func(*Request, Access, any) []Access
	if access != nil {
		allow = func(r *Request, a Access, in any) []Access { return access(s.wrap(r), a, in.(*I)) }
	}
	register(s.name, reflect.TypeFor[*I](), &operation{s.rules, func(r *Request, in any) (any, error) {
		out, err := execute(s.wrap(r), in.(*I))
		if err != nil {
			return nil, err // not a typed nil
		}
		return out, nil
	}, allow})
}

func register(service string, input reflect.Type, op *operation) {
	c := describe(input)
	switch _, twice := operations[input]; {
	case op.access == nil:
		panic(fmt.Sprintf("%s is registered without its authorization", c))
	case twice:
		panic(fmt.Sprintf("%s is registered twice", c))
	case c.Service != service:
		panic(fmt.Sprintf("%s is registered as an operation of %s", c, service))
	}
	operations[input] = op
}

// describe names the call that has an input.
func describe(input reflect.Type) Call {
	t := input.Elem()
	c := Call{Service: path.Base(t.PkgPath()), Operation: strings.TrimSuffix(t.Name(), "Input")}
	c.Write = true
	for _, p := range []string{"Get", "List", "Describe", "Head", "Simulate", "Decode", "BatchGet"} {
		if strings.HasPrefix(c.Operation, p) {
			c.Write = false
		}
	}
	return c
}
