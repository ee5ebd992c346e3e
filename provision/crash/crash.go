// Package crash turns panics into errors. A panic ends a Go program with exit code 2, which
// for plan --detailed-exitcode means "there are changes", with a page of stack instead of a
// message, and with the environment still locked. With this package it fails what it is a
// part of, such as a step, and everything else ends as after any other error.
//
// A panic can be recovered only in its own goroutine. So all goroutines of the program that
// run its code are started with a [Group], or recover with [Catch]; test/rooms checks it.
package crash

import (
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// Error is a panic: a mistake in flowbed's code.
type Error struct {
	Value any    // that the code panicked with
	Stack string // of the goroutine that panicked
}

// Error says what went wrong only if the Go runtime says it: other values may contain
// anything, also a secret that nobody knows yet.
func (e *Error) Error() string {
	if err, ok := e.Value.(runtime.Error); ok {
		return "flowbed has a bug: " + strings.TrimPrefix(err.Error(), "runtime error: ")
	}
	return "flowbed has a bug"
}

// Unwrap returns the panic's value if it is an error.
func (e *Error) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Catch turns a panic into an error. It must be deferred directly.
func Catch(err *error) {
	p := recover()
	switch {
	case p == nil:
	case *err == nil:
		*err = from(p)
	default:
		*err = errors.Join(*err, from(p))
	}
}

// from returns the error of a panic, with the stack of the goroutine that panicked first.
func from(p any) *Error {
	if e, ok := p.(*Error); ok {
		return e
	}
	return &Error{Value: p, Stack: string(debug.Stack())}
}

// Do calls a function, and returns a panic in it as an error.
func Do(f func() error) (err error) {
	defer Catch(&err)
	return f()
}

// Group is a sync.WaitGroup whose Wait panics if one of the functions did: in a goroutine
// that can recover.
type Group struct {
	wait  sync.WaitGroup
	once  sync.Once
	first *Error
}

// Go calls a function in a new goroutine.
func (g *Group) Go(f func()) {
	g.wait.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				g.once.Do(func() { g.first = from(p) })
			}
		}()
		f()
	})
}

// Wait waits for all functions. If one of them panicked, it panics with an [*Error].
func (g *Group) Wait() {
	g.wait.Wait()
	if g.first != nil {
		panic(g.first)
	}
}
