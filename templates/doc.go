// Package templates writes the texts that the cloud runs: IAM policies, and the
// script with which an instance becomes an agent. Each text has one function
// with typed arguments; nothing else of this program is known here.
//
// What it promises: the same arguments give the same bytes, since a text that
// moves is a difference that a plan would show. No text holds a secret: scripts
// name the place where the secret is kept and read it when they run. A value
// from outside is quoted for the language that it stands in, and a value that
// cannot be quoted safely is an error.
package templates
