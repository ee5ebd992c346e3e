package provision

import (
	"context"
	"fmt"
	"reflect"
	"time"
)

// addOptional sets the functions of the optional interfaces that a resource implements.
//
// The method names must be constants in the calls of MethodByName. Otherwise the
// linker keeps every exported method of every type.
func addOptional[S State](s *step, r Resource[S]) {
	t := withPointer(reflect.TypeOf(r))
	named := func(_ reflect.Method, is bool) bool { return is }

	predictor, ok := r.(Predictor[S])
	if s.implements(ok, "Predicted", named(t.MethodByName("Predicted"))) {
		s.predicted = predictor.Predicted()
	}
	replacer, ok := r.(Replacer[S])
	if s.implements(ok, "Replaces", named(t.MethodByName("Replaces"))) {
		s.replaces = func(have any) bool { return replacer.Replaces(have.(S)) }
	}
	called, ok := r.(Named)
	if s.implements(ok, "ObjectName", named(t.MethodByName("ObjectName"))) {
		s.called = called.ObjectName()
	} else if s.predicted != nil {
		s.called = label(s.predicted)
	}
	patient, ok := r.(Patient)
	if s.implements(ok, "Patience", named(t.MethodByName("Patience"))) {
		s.patience = patient.Patience()
	}
	usual, ok := r.(Usual)
	if s.implements(ok, "Usually", named(t.MethodByName("Usually"))) {
		s.usually = usual.Usually()
	}
	validator, ok := r.(Validator[S])
	if s.implements(ok, "Validate", named(t.MethodByName("Validate"))) {
		s.validate = func(have any, found bool) []Note { return validator.Validate(have.(S), found) }
	}
	use, ok := r.(UseChecker[S])
	if s.implements(ok, "CheckUse", named(t.MethodByName("CheckUse"))) {
		s.checkUse = func(have any) []Note { return use.CheckUse(have.(S)) }
	}
	quitter, ok := r.(Quitter[S])
	if s.implements(ok, "Quit", named(t.MethodByName("Quit"))) {
		s.quit = func(ctx context.Context, have any) error { return quitter.Quit(ctx, have.(S)) }
	}
	detailer, ok := r.(Detailer[S])
	if s.implements(ok, "Detail", named(t.MethodByName("Detail"))) {
		s.detail = func(ctx context.Context, have any) any { return detailer.Detail(ctx, have.(S)) }
	}
	explainer, ok := r.(Explainer[S])
	if s.implements(ok, "Explain", named(t.MethodByName("Explain"))) {
		s.explain = func(ctx context.Context, have any) string { return explainer.Explain(ctx, have.(S)) }
	}
	addOptionalOfDown(s, r, t)
	_, ok = s.zero.(Labelled)
	t = withPointer(reflect.TypeFor[S]())
	s.implements(ok, "Label", named(t.MethodByName("Label")))
	addSharer(s, r)
}

// addOptionalOfDown sets those that only a deletion needs.
func addOptionalOfDown[S State](s *step, r Resource[S], t reflect.Type) {
	named := func(_ reflect.Method, is bool) bool { return is }

	_, ok := r.(DependsUntilDeleted)
	s.dependsUntilDeleted = s.implements(ok, "DependsUntilDeleted", named(t.MethodByName("DependsUntilDeleted")))
	deletion, ok := r.(DeletePatient)
	if s.implements(ok, "DeletePatience", named(t.MethodByName("DeletePatience"))) {
		s.deletePatience = deletion.DeletePatience()
	}
	finder, ok := r.(BlockerFinder[S])
	if s.implements(ok, "Blockers", named(t.MethodByName("Blockers"))) {
		s.blockers = func(ctx context.Context, have any) []Blocker { return finder.Blockers(ctx, have.(S)) }
	}
	_, ok = r.(DeletedAfterDependents)
	s.deletedAfterDependents = s.implements(ok, "DeletedAfterDependents", named(t.MethodByName("DeletedAfterDependents")))
	_, ok = r.(CreatedByDependents)
	s.createdByDependents = s.implements(ok, "CreatedByDependents", named(t.MethodByName("CreatedByDependents")))
	del, ok := r.(DeleteChecker[S])
	if s.implements(ok, "CheckDelete", named(t.MethodByName("CheckDelete"))) {
		s.checkDelete = func(ctx context.Context, have any) ([]Note, error) { return del.CheckDelete(ctx, have.(S)) }
	}
	keeper, ok := r.(Keeper[S])
	if s.implements(ok, "Keeps", named(t.MethodByName("Keeps"))) {
		s.keeps = func(have any, stays bool) []Kept { return keeper.Keeps(have.(S), stays) }
	}
}

// ignoring returns the resource, which knows the ignored fields of its step if it has to.
func ignoring[S State](s *step, r Resource[S], fields Fields) Resource[S] {
	t := withPointer(reflect.TypeOf(r))
	named := func(_ reflect.Method, is bool) bool { return is }
	ignorer, ok := r.(Ignorer[S])
	if !s.implements(ok, "Ignoring", named(t.MethodByName("Ignoring"))) || len(fields) == 0 {
		return r
	}
	return ignorer.Ignoring(fields)
}

// addNotes sets the function of a data source that has notes.
func addNotes[S any](s *step, d DataSource[S]) {
	t := withPointer(reflect.TypeOf(d))
	named := func(_ reflect.Method, is bool) bool { return is }
	noter, ok := d.(Noter[S])
	if s.implements(ok, "Notes", named(t.MethodByName("Notes"))) {
		s.validate = func(have any, _ bool) []Note {
			state, _ := have.(S)
			return noter.Notes(state)
		}
	}
}

// addSharer sets the functions of a Sharer.
func addSharer[S State](s *step, r Resource[S]) {
	t := withPointer(reflect.TypeOf(r))
	sharer, ok := r.(Sharer[S])
	named := func(_ reflect.Method, is bool) bool { return is }
	s.implements(ok, "MarkLeaving", named(t.MethodByName("MarkLeaving")))
	s.implements(ok, "Release", named(t.MethodByName("Release")))
	s.implements(ok, "Opens", named(t.MethodByName("Opens")))
	if !ok {
		return
	}
	s.mark = func(ctx context.Context, have any, until time.Time) error {
		return sharer.MarkLeaving(ctx, have.(S), until)
	}
	s.release = func(ctx context.Context, have any) error { return sharer.Release(ctx, have.(S)) }
	s.opens = func(have any) []Note { return sharer.Opens(have.(S)) }
}

// withPointer is the type that also has the methods with pointer receivers.
func withPointer(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t
	}
	return reflect.PointerTo(t)
}

// implements returns ok. It panics if ok is false although the method exists: then
// its signature is wrong, or it has a pointer receiver and Add was given a value.
func (s *step) implements(ok bool, method string, named bool) bool {
	if named && !ok {
		panic(fmt.Sprintf("provision: %s has a method %s that does not implement the optional interface: check its signature and receiver", s.name, method))
	}
	return ok
}
