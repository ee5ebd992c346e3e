package provision

import (
	"context"
	"fmt"
	"reflect"
)

// addOptional fills in what a resource says beyond its duty.
//
// The names of the methods are constants where they are asked for: for any other
// name the linker would have to keep every method of every type.
func addOptional[S State](s *step, r Resource[S]) {
	t := withPointer(reflect.TypeOf(r))
	named := func(_ reflect.Method, is bool) bool { return is }

	predictor, ok := r.(Predictor[S])
	if s.implements(ok, "Predicted", named(t.MethodByName("Predicted"))) {
		s.predicted = predictor.Predicted()
	}
	_, ok = r.(DependsUntilDeleted)
	s.dependsUntilDeleted = s.implements(ok, "DependsUntilDeleted", named(t.MethodByName("DependsUntilDeleted")))
	patient, ok := r.(Patient)
	if s.implements(ok, "Patience", named(t.MethodByName("Patience"))) {
		s.patience = patient.Patience()
	}
	validator, ok := r.(Validator[S])
	if s.implements(ok, "Validate", named(t.MethodByName("Validate"))) {
		s.validate = func(have any, found bool) []Note { return validator.Validate(have.(S), found) }
	}
	use, ok := r.(UseChecker[S])
	if s.implements(ok, "CheckUse", named(t.MethodByName("CheckUse"))) {
		s.checkUse = func(have any) []Note { return use.CheckUse(have.(S)) }
	}
	del, ok := r.(DeleteChecker[S])
	if s.implements(ok, "CheckDelete", named(t.MethodByName("CheckDelete"))) {
		s.checkDelete = func(ctx context.Context, have any) ([]Note, error) { return del.CheckDelete(ctx, have.(S)) }
	}
	explainer, ok := r.(Explainer[S])
	if s.implements(ok, "Explain", named(t.MethodByName("Explain"))) {
		s.explain = func(ctx context.Context, have any) string { return explainer.Explain(ctx, have.(S)) }
	}
	_, ok = s.zero.(Labelled)
	t = withPointer(reflect.TypeFor[S]())
	s.implements(ok, "Label", named(t.MethodByName("Label")))
}

// withPointer is the type that has the methods with pointer receivers, too.
func withPointer(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t
	}
	return reflect.PointerTo(t)
}

// implements returns ok. It panics if there is a method of the name all the same:
// it has another signature, or a pointer receiver where a value was added.
func (s *step) implements(ok bool, method string, named bool) bool {
	if named && !ok {
		panic(fmt.Sprintf("provision: %s has a method %s, but not the one of the optional interface: see its signature and receiver", s.name, method))
	}
	return ok
}
