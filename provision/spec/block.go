package spec

import (
	"iter"
	"reflect"

	"github.com/flowbed/flowbed/provision/names"
)

// A block of the environment says for itself what it leaves out and what is wrong
// with it, in the methods that it needs of these.
type (
	// completer fills in the block's defaults.
	completer interface{ complete(n names.Names) }

	// nameChecker checks what the block's resource is called or where it is: down
	// needs that, too.
	nameChecker interface{ checkNames(d *decoder) }

	// checker checks the rest of the block, which down does not need.
	checker interface{ check(d *decoder) }
)

// blocks are the environment's blocks that are there and have the methods of T, in
// the order of the struct.
func blocks[T any](e *Environment) iter.Seq[T] {
	return func(yield func(T) bool) {
		v := reflect.ValueOf(e).Elem()
		for _, m := range members(v.Type()) {
			f := v.Field(m.index)
			if !m.block || f.Kind() != reflect.Pointer || f.IsNil() {
				continue
			}
			if b, ok := f.Interface().(T); ok && !yield(b) {
				return
			}
		}
	}
}
