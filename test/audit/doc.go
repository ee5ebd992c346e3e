// Package audit checks environments against the controls of AWS Security Hub, CIS,
// Checkov and Trivy.
//
// It reads an account through the SDK, as a scanner would, so the same table checks
// both the sandbox and moto.
//
// A control that flowbed violates is an [Exception]: accepted for a reason, and with
// the attribute that closes it if there is one. docs/security.md has both tables,
// and a test compares them.
package audit
