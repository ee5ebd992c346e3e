// Package release checks the files that make a release, and the workflows: what goreleaser,
// GitHub and Docker would find out only when they run.
package release
