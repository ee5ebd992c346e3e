// Package spec reads config.hcl, the one file that describes an environment.
//
// [Load] finds everything that is wrong with a file at once, before any call to
// AWS, and says it in diagnostics that show the line. [File.Environment] then
// gives the environment for an account and a region, with every default filled
// in, so that nobody downstream has to know a default.
//
// What the package promises about secrets: a value that comes from a sensitive
// variable can be used for an attribute that holds a secret and for nothing
// else, and no diagnostic shows it. The checks do not quote values from
// environment variables and files either, since they may be secrets by mistake.
//
// The structs in spec.go are the language. A new attribute is a new field there,
// a line in complete if it has a default, and a check.
package spec
