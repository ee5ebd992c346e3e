// Package spec reads config.hcl, the one file that describes an environment.
//
// [Load] reports every mistake in a file at once, with its line, before the first
// call to AWS. [File.Environment] then returns the environment for an account and
// a region. It fills in every default, so no caller needs to know one.
//
// The package makes two promises about secrets. A value from a sensitive variable
// is accepted only for an attribute that holds a secret. And no diagnostic shows
// such a value, or a value that came from an environment variable or a file: that
// one may be a secret by mistake.
//
// The structs in spec.go are the language. To add an attribute, add a field there,
// a check, and a line in complete if it has a default.
package spec
