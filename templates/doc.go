// Package templates writes the texts that run in the cloud: IAM policies, and
// the script that turns an instance into an agent. An Agent describes what runs
// (packages, command, settings, secret, files) as plain data, and UserData
// renders it. The package knows nothing else of this program.
//
// What it promises: the same arguments give the same bytes, because a plan shows
// every changed byte as a difference. No text holds a secret: scripts name the
// place where the secret is kept and read it when they run. A value from outside
// is quoted for the language that it ends up in, and a value that cannot be
// quoted safely is an error.
package templates
