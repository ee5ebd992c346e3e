// Package audit holds what an environment consists of against the published
// controls of AWS Security Hub, CIS, Checkov and Trivy. It looks at an account
// through the SDK, as a scanner would, so that the same table judges the sandbox
// and a server that we did not write.
//
// What a control demands and flowbed does not do is an [Exception]: accepted,
// with a reason, and with the attribute that closes it where there is one. Both
// tables stand in docs/security.md, and a test keeps them there.
package audit
