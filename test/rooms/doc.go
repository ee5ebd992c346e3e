// Package rooms checks which package may import which, and that
// docs/architecture.md lists all packages.
package rooms
