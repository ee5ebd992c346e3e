package core

import (
	"fmt"
	"path"
	"reflect"
	"strings"
)

// Service is an AWS service. Its operations receive an R, which is either the
// Request or the service's own type that wraps it.
type Service[R any] struct {
	name  string
	wrap  func(*Request) R
	rules *Rules
}

// NewService returns a service. Its name is the name of its SDK package.
func NewService[R any](name string, wrap func(*Request) R, rules Rules) Service[R] {
	return Service[R]{name, wrap, &rules}
}

// Rules says where a service differs from most others. The zero value is what most
// services do.
type Rules struct {
	// Global services also accept calls in a region that is off.
	Global bool

	// RegionOff is the error for a call to a region that is off; nil means
	// UnrecognizedClientException.
	RegionOff error

	// Denied returns the error for a call that the caller is not allowed to make;
	// nil means AccessDeniedException.
	Denied func(Denial) error

	// Consistent reports whether a read operation always sees the last write; nil
	// means that none does.
	Consistent func(operation string) bool
}

// operation is a registered operation, with its input type erased.
type operation struct {
	rules   *Rules
	execute func(r *Request, in any) (any, error)
	access  func(r *Request, a Access, in any) []Access
}

// operations holds all registered operations by their input type.
var operations = map[reflect.Type]*operation{}

// Register adds an operation together with its authorization. access returns every
// permission that AWS checks before it executes the call. Its argument is the
// access that most calls need: the action named like the operation, on every
// resource. See the service authorization reference:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
//
// Call Register at program start. It panics if access is nil, if the operation is
// already registered, or if the operation belongs to another service.
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

// describe returns the call that an input type belongs to.
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
