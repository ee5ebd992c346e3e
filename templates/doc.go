// Package templates renders IAM policies and the user data of agent instances.
//
// An Agent describes what runs (packages, command, settings, secret, files) as
// plain data, and UserData renders it as the script that turns an instance into
// the agent. The package imports nothing else from this program.
//
// The same arguments always give the same bytes, because a plan shows every
// changed byte as a difference. No output holds a secret: a script names the
// SSM parameter that holds it, and reads the parameter when it runs. Outside
// values are quoted for the language they end up in. A value that cannot be
// quoted safely is an error.
package templates
