// Package resource defines the kinds of objects in an environment. Each kind describes
// the desired state of its object, reads the actual state, makes the calls that change
// one into the other, and declares the permissions for these calls.
//
// All knowledge about a kind is in the files that start with its name: the struct and
// its calls, its permissions, how list and sweep find its objects, and its error codes.
// docs/adding-a-resource.md shows how to add one. A kind uses only the state types of
// other kinds.
package resource
