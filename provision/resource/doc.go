// Package resource holds the kinds of objects that an environment consists of:
// each says how its object should be, how it is, and which calls and permissions
// take it from one to the other.
//
// Everything that flowbed knows of a kind stands in the files that begin with its
// name: the struct and its calls, its permissions, how list and sweep find it, the
// error codes that are its own. docs/adding-a-resource.md leads through one. Kinds
// know of each other only the state types.
package resource
