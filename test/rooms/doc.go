// Package rooms tests the structure of the code: which room may import which, and
// that docs/architecture.md has them all.
package rooms
