package provision

import (
	"fmt"
	"reflect"
	"slices"
)

// Edge is a Ref of any type. A resource that must come after other steps, but does
// not need their state, holds a slice of Edge.
type Edge interface{ targets() []*step }

var edgeType = reflect.TypeFor[Edge]()

// edges finds the references in the fields of a resource's struct, including nested
// structs and slices. It panics on a reference that it cannot follow: a missing edge
// would cause a wrong order, and that would show only now and then.
func edges(name string, r any) (deps []*step) {
	v := reflect.Indirect(reflect.ValueOf(r))
	if v.Kind() != reflect.Struct {
		panic("provision: " + name + " is not a struct")
	}
	follow(v, name, &deps)
	return deps
}

func follow(v reflect.Value, path string, deps *[]*step) {
	if v.Kind() != reflect.Pointer && v.Type().Implements(edgeType) {
		if v.Kind() == reflect.Interface && v.IsNil() {
			return
		}
		*deps = append(*deps, v.Interface().(Edge).targets()...)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !holds(f.Type, nil) {
				continue
			}
			if !f.IsExported() && !f.Anonymous {
				panic(fmt.Sprintf("provision: %s.%s hides a reference", path, f.Name))
			}
			follow(v.Field(i), path+"."+f.Name, deps)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			follow(v.Index(i), path, deps)
		}
	case reflect.Map, reflect.Pointer:
		panic(fmt.Sprintf("provision: %s hides references in a %s", path, v.Kind()))
	}
}

// holds reports whether values of the type may hold references. It follows a pointer
// only to its element, not further: pointers lead to clients, which hold none.
func holds(t reflect.Type, within []reflect.Type) bool {
	if t.Implements(edgeType) {
		return true
	}
	if slices.Contains(within, t) {
		return false
	}
	within = append(within, t)
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if holds(t.Field(i).Type, within) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		return holds(t.Elem(), within)
	case reflect.Map:
		return holds(t.Elem(), within) || holds(t.Key(), within)
	case reflect.Pointer:
		return t.Elem().Implements(edgeType)
	}
	return false
}
