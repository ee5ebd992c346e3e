// Package lease lets one run at a time change an environment. It needs no server and
// no table. up and down exclude each other, the lease of a dead run expires, and a
// waiting run knows whom it waits for. Users read "lock": the lease is how flowbed
// implements the environment lock.
//
// The lease is the history of one String parameter in Systems Manager,
// /flowbed/<environment>/lease. Every write creates a new version of the parameter,
// and version numbers have no gaps, so the history is a log that every run sees in
// the same order. A run appends an entry, reads the log and folds it. All runs fold
// with the same function, so they agree on the holder without conditional writes. A
// claim takes effect if nobody holds the lease at that point of the log. A renewal
// or a release takes effect only with the holder's nonce. Every other entry is
// ignored.
//
// All decisions use AWS's clock, which stamps each version. The clocks of the
// machines are only shown to people. A holder counts the age of its lease from
// before the call that wrote it, so it gives up before another run can take over. The
// [Fence] then stops every attempt to write. It cannot call back a request that has
// left; the engine is built so that such a request does no harm.
//
// docs/decisions/0007-lease.md has the details.
package lease
